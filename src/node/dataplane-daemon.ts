/**
 * `tunloom dataplane`: a data plane with its control socket, static sessions from a file, and signals. SIGHUP reads the
 * file again; SIGTERM and SIGINT stop cleanly. Prints nothing but its log (pino, on standard error).
 */
import { isDeepStrictEqual } from 'node:util';
import { type Logger, pino } from 'pino';
import { type DataplaneConfig, loadConfig } from '../config/load.ts';
import { applyChanges, diffSessions } from '../config/session-changes.ts';
import { type ReloadResult, buildControlServer, listenControl } from '../control/server.ts';
import type { DataplaneControl, DataplaneEvent } from '../dataplane/status.ts';
import { TunloomError } from '../errors.ts';
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
  const log = pino({ level: config.log.level }, pino.destination({ fd: 2, sync: true }));
  // From here on a signal must not leave a device or a route behind, so it waits until starting is done.
  const stopped = stopSignal(log);
  const host = await start(config);
  const { dataplane } = host;
  dataplane.on('event', (event) => log[levelOf(event)](event));

  const reload = async (): Promise<ReloadResult> => {
    const next = loadConfig(file);
    refuseFixed(file, config, next);
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
  const onHangup = (): void => {
    reload().catch((error: unknown) => {
      for (const line of (error instanceof Error ? error.message : String(error)).split('\n')) {
        log.error({ event: 'reloadFailed' }, line);
      }
    });
  };
  try {
    const server = buildControlServer({
      control: dataplane,
      changed: () => host.sessionsChanged(),
      reload,
      events: dataplane,
    });
    await listenControl(server, config.control);
    process.off('SIGHUP', ignoreHangup);
    process.on('SIGHUP', onHangup);
    log.info({
      event: 'listening',
      control: config.control,
      tun: host.tunName,
      sessions: config.sessions.length,
    });
    await stopped;
    await server.close();
  } finally {
    process.off('SIGHUP', onHangup);
    await host.stop();
  }
}

/** What is routine with many sessions is for those who ask for it. */
function levelOf({ event }: DataplaneEvent): 'warn' | 'info' | 'debug' {
  if (event.startsWith('worker')) return 'warn';
  return event.startsWith('session') || event === 'weightsChanged' ? 'debug' : 'info';
}

/** Resolves at the first SIGTERM or SIGINT; the second ends the process with status 1. */
function stopSignal(log: Logger): Promise<void> {
  // A hang-up before there is anything to reload would otherwise end the process.
  process.on('SIGHUP', ignoreHangup);
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (signal: string): void => {
      if (stopping) process.exit(1);
      stopping = true;
      log.info({ event: 'stopping', signal });
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

function ignoreHangup(): void {}

/** Throws NEEDS_RESTART naming the keys, such as `tun.name`, that are different and cannot be changed. */
function refuseFixed(file: string, before: DataplaneConfig, after: DataplaneConfig): void {
  const names = FIXED_KEYS.flatMap((key) => {
    if (isDeepStrictEqual(before[key], after[key])) return [];
    // Not a key of the file, but what its paths' `gateway` keys come to.
    if (key === 'gateways') return ["the paths' gateway"];
    const [old, fresh] = [before[key], after[key]];
    if (typeof old !== 'object' || typeof fresh !== 'object') return [key];
    return Object.entries(fresh)
      .filter(([name, value]) => !isDeepStrictEqual((old as Record<string, unknown>)[name], value))
      .map(([name]) => `${key}.${name}`);
  });
  if (!names.length) return;
  throw new TunloomError(
    'NEEDS_RESTART',
    `${file}: ${names.join(', ')} cannot be changed without a restart; nothing was changed`,
  );
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
