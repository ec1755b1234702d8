/**
 * `tunloom dataplane`: a data plane with its control socket, static sessions from a file, and signals. SIGHUP reads the
 * file again; SIGTERM and SIGINT stop cleanly. Prints nothing but its log (pino, on standard error).
 */
import { type DataplaneConfig, loadConfig } from '../config/load.ts';
import { applyChanges, diffSessions } from '../config/session-changes.ts';
import { closeServer } from '../control/close-server.ts';
import { listenMetrics } from '../control/metrics-server.ts';
import {
  type ReloadResult,
  buildControlServer,
  listenControl,
  metricsText,
  refuseSecondInstance,
} from '../control/server.ts';
import {
  differences,
  levelOf,
  openLog,
  probeSwitch,
  refuseFixed,
  serveHangups,
  stopSignal,
} from './daemon.ts';
import { EventHub } from './event-hub.ts';
import { guardedControl } from './guarded-control.ts';
import { HostDataplane } from './host-dataplane.ts';
import { dataplaneOptions, healthOf } from './host-options.ts';
import { LinkWatch } from './link-watch.ts';
import { SignalingObserver } from './signaling-observer.ts';

/** Keys that a reload cannot change. */
const FIXED_KEYS = [
  'role',
  'workers',
  'customScheduler',
  'tun',
  'routing',
  'control',
  'metrics',
  'memory',
  'offload',
  'busyPoll',
  'gateways',
  'observe',
] as const;

/**
 * Runs until stopped by a signal. `observe`: interfaces to watch besides those of the file. Throws what starting throws (BAD_CONFIG,
 * SYSTEM_CALL, NETLINK, NO_INTERFACE, ALREADY_RUNNING, TUN_IN_USE, TABLE_IN_USE).
 */
export async function runDataplaneDaemon(file: string, observe: readonly string[] = []): Promise<void> {
  const load = (): DataplaneConfig => {
    const read = loadConfig(file);
    const interfaces = [...new Set([...read.observe.interfaces, ...observe])];
    return { ...read, observe: { ...read.observe, interfaces } };
  };
  let config = load();
  await refuseSecondInstance(config.control);
  const log = openLog(config.log.level);
  // From here on a signal must not leave a device or a route behind, so it waits until starting is done.
  const stopped = stopSignal(log);
  const host = await HostDataplane.start(dataplaneOptions(config));
  const { dataplane } = host;
  const events = new EventHub();
  dataplane.on('event', (event) => {
    log[levelOf(event)](event);
    events.tell(event);
  });
  let observer: SignalingObserver | null = null;
  let links: LinkWatch | null = null;

  const reload = async (): Promise<ReloadResult> => {
    const next = load();
    // Gateways are no key of the file, but what its paths' `gateway` keys come to.
    const words = { gateways: 'sessions[].paths[].gateway' };
    refuseFixed(file, [...differences(config, next, FIXED_KEYS, words), ...probeSwitch(config, next)]);
    const health = healthOf(next.probes);
    if (health) host.pathWatch?.setDefaults(health);
    const changes = diffSessions(config.sessions, next.sessions);
    try {
      applyChanges(dataplane, changes);
    } finally {
      host.sessionsChanged();
    }
    config = next;
    log.level = next.log.level;
    const result = {
      added: changes.added.length,
      removed: changes.removed.length,
      changed: changes.changed.length,
      weightsOnly: changes.weightsOnly.length,
    };
    log.info({ event: 'reloaded', ...result });
    return result;
  };
  let stopReloading = (): void => {};
  let stopMetrics = async (): Promise<void> => {};
  try {
    const { role } = config;
    links = new LinkWatch(null, host);
    if (config.observe.interfaces.length) {
      const options = { role, config: config.observe, namespace: null, host, events, log };
      observer = await SignalingObserver.start(options);
    }
    const options = {
      control: observer ? guardedControl(dataplane, observer.installer) : dataplane,
      changed: () => host.sessionsChanged(),
      paths: host.pathWatch,
      reload,
      services: () => config.services,
      events,
      signaling: observer ?? undefined,
    };
    const server = buildControlServer(options);
    await listenControl(server, config.control);
    const { listen } = config.metrics;
    if (listen) stopMetrics = await listenMetrics(listen, () => metricsText(options));
    stopReloading = serveHangups(log, reload);
    log.info({
      event: 'listening',
      control: config.control,
      tun: host.tunName,
      sessions: config.sessions.length,
      observing: config.observe.interfaces,
    });
    await stopped;
    await closeServer(server);
  } finally {
    stopReloading();
    await stopMetrics();
    await links?.stop();
    await observer?.stop();
    await host.stop();
  }
}
