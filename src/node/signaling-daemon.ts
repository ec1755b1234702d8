/**
 * What `tunloom lma` and `tunloom mag` have in common: a node with its control socket and signals. SIGHUP reads the file again;
 * SIGTERM and SIGINT stop cleanly.
 */
import type { Logger } from 'pino';
import type { LmaFile } from '../config/lma-schema.ts';
import { closeServer } from '../control/close-server.ts';
import { listenMetrics } from '../control/metrics-server.ts';
import { buildControlServer, listenControl, metricsText, refuseSecondInstance } from '../control/server.ts';
import type { SignalingControl } from '../control/signaling-routes.ts';
import { levelOf, openLog, probeSwitch, refuseFixed, serveHangups, stopSignal } from './daemon.ts';
import type { EventHub } from './event-hub.ts';
import { guardedControl } from './guarded-control.ts';
import type { HostDataplane } from './host-dataplane.ts';
import { healthOf } from './host-options.ts';
import type { SessionInstaller } from './session-installer.ts';

/** An LMA or a MAG. */
interface SignalingNode<C> extends Pick<SignalingControl, 'bindings' | 'binding' | 'signaling'> {
  readonly host: HostDataplane;
  readonly events: EventHub;
  readonly installer: SessionInstaller;
  /** Goes over to what can be changed while running; what it says is logged. */
  reconfigure(config: C): object;
  stop(): Promise<void>;
}

interface DaemonConfig {
  readonly host: {
    readonly control: string;
    readonly metrics: LmaFile['metrics'];
    readonly log: { readonly level: string };
    readonly probes: LmaFile['probes'];
  };
}

export interface SignalingDaemon<C extends DaemonConfig, N extends SignalingNode<C>> {
  /** Throws BAD_CONFIG. */
  load(file: string): C;
  start(config: C, log: Logger): Promise<N>;
  /** Keys that are different and that a reload cannot change. */
  fixed(before: C, after: C): string[];
  /** What its control socket can do besides what both can. */
  control(node: N): Partial<SignalingControl>;
  /** What the log says when it listens. */
  about(config: C): object;
}

/** Runs until stopped by a signal. Throws what starting throws (BAD_CONFIG, SYSTEM_CALL, NETLINK, STATE, ALREADY_RUNNING, TUN_IN_USE, TABLE_IN_USE). */
export async function runSignalingDaemon<C extends DaemonConfig, N extends SignalingNode<C>>(
  file: string,
  daemon: SignalingDaemon<C, N>,
): Promise<void> {
  let config = daemon.load(file);
  await refuseSecondInstance(config.host.control);
  const log = openLog(config.host.log.level);
  // From here on a signal must not leave a device or a route behind, so it waits until starting is done.
  const stopped = stopSignal(log);
  const node = await daemon.start(config, log);
  node.host.dataplane.on('event', (event) => log[levelOf(event)](event));
  const reload = async (): Promise<object> => {
    const next = daemon.load(file);
    refuseFixed(file, [...daemon.fixed(config, next), ...probeSwitch(config.host, next.host)]);
    const health = healthOf(next.host.probes);
    if (health) node.host.pathWatch?.setDefaults(health);
    const result = node.reconfigure(next);
    config = next;
    log.level = next.host.log.level;
    log.info({ event: 'reloaded', ...result });
    return result;
  };
  let stopReloading = (): void => {};
  let stopMetrics = async (): Promise<void> => {};
  try {
    const options = {
      control: guardedControl(node.host.dataplane, node.installer),
      changed: () => node.host.sessionsChanged(),
      paths: node.host.pathWatch,
      reload,
      events: node.events,
      signaling: {
        bindings: () => node.bindings(),
        binding: (name: string) => node.binding(name),
        signaling: () => node.signaling(),
        clearWeights: (name: string) => node.installer.clearWeights(name),
        ...daemon.control(node),
      },
    };
    const server = buildControlServer(options);
    await listenControl(server, config.host.control);
    const { listen } = config.host.metrics;
    if (listen) stopMetrics = await listenMetrics(listen, () => metricsText(options));
    stopReloading = serveHangups(log, reload);
    log.info({
      event: 'listening',
      control: config.host.control,
      tun: node.host.tunName,
      ...daemon.about(config),
    });
    await stopped;
    await closeServer(server);
  } finally {
    stopReloading();
    await stopMetrics();
    await node.stop();
  }
}
