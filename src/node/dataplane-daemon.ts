/**
 * `tunloom dataplane`: a data plane with its control socket, static sessions from a file, and signals. SIGHUP reads the
 * file again; SIGTERM and SIGINT stop cleanly. Prints nothing but its log (pino, on standard error).
 */
import { type DataplaneConfig, loadConfig } from '../config/load.ts';
import { applyChanges, diffSessions } from '../config/session-changes.ts';
import { type ReloadResult, buildControlServer, listenControl } from '../control/server.ts';
import type { DataplaneControl, DataplaneEvent } from '../dataplane/status.ts';
import { levelOf, openLog, refuseFixed, reloadOnHangup, stopSignal } from './daemon.ts';
import { HostDataplane, offloadOptions } from './host-dataplane.ts';

/** Keys that a reload cannot change. */
const FIXED_KEYS = [
  'role',
  'workers',
  'tun',
  'routing',
  'control',
  'memory',
  'offload',
  'busyPoll',
  'gateways',
] as const;

/** What the daemon needs of a running data plane. */
interface RunningDataplane {
  readonly dataplane: DataplaneControl & {
    on(name: 'event', listener: (event: DataplaneEvent) => void): unknown;
    off(name: 'event', listener: (event: DataplaneEvent) => void): unknown;
  };
  readonly tunName: string;
  sessionsChanged(): void;
  stop(): Promise<void>;
}

export type StartDataplane = (config: DataplaneConfig) => Promise<RunningDataplane>;

/** Runs until stopped by a signal. Throws what starting throws (BAD_CONFIG, SYSTEM_CALL, IPROUTE2, ALREADY_RUNNING). */
export async function runDataplaneDaemon(file: string, start: StartDataplane = startOnHost): Promise<void> {
  let config = loadConfig(file);
  const log = openLog(config.log.level);
  // From here on a signal must not leave a device or a route behind, so it waits until starting is done.
  const stopped = stopSignal(log);
  const host = await start(config);
  const { dataplane } = host;
  dataplane.on('event', (event) => log[levelOf(event)](event));

  const reload = async (): Promise<ReloadResult> => {
    const next = loadConfig(file);
    // Gateways are no key of the file, but what its paths' `gateway` keys come to.
    refuseFixed(file, config, next, FIXED_KEYS, { gateways: "the paths' gateway" });
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
  try {
    const server = buildControlServer({
      control: dataplane,
      changed: () => host.sessionsChanged(),
      reload,
      events: dataplane,
    });
    await listenControl(server, config.control);
    stopReloading = reloadOnHangup(log, reload);
    log.info({
      event: 'listening',
      control: config.control,
      tun: host.tunName,
      sessions: config.sessions.length,
    });
    await stopped;
    await server.close();
  } finally {
    stopReloading();
    await host.stop();
  }
}

function startOnHost(config: DataplaneConfig): Promise<RunningDataplane> {
  return HostDataplane.start({
    role: config.role,
    namespace: null,
    sizes: {
      workers: config.workers,
      sessions: Math.max(config.memory.sessions, config.sessions.length),
      paths: Math.max(config.memory.paths, countPaths(config)),
      buffers: config.memory.buffers,
      bufferSize: config.memory.bufferSize,
      heap: config.memory.heapMiB << 20,
      supers: config.offload.tun === 'auto' || config.offload.merge === 'auto',
    },
    offload: offloadOptions(config.offload),
    busyPollUs: config.busyPoll,
    tun: { ...config.tun, mtu: config.tun.mtu === 'auto' ? null : config.tun.mtu },
    routing: config.routing,
    gateways: config.gateways,
    sessions: config.sessions,
  });
}

function countPaths(config: DataplaneConfig): number {
  // Twice: a path that changes has two records for a moment.
  return config.sessions.reduce((sum, session) => sum + session.paths.length, 0) * 2;
}
