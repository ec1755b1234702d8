/**
 * `tunloom dataplane`: a data plane with its control socket, static sessions from a file, and signals. SIGHUP reads the
 * file again; SIGTERM and SIGINT stop cleanly. Prints nothing but its log (pino, on standard error).
 */
import { pino } from 'pino';
import { type DataplaneConfig, diffSessions, loadConfig } from '../config/load.ts';
import { buildControlServer, listenControl } from '../control/server.ts';
import { TunloomError } from '../errors.ts';
import { HostDataplane } from './host-dataplane.ts';

/** Keys that SIGHUP cannot change. */
const FIXED_KEYS = ['role', 'workers', 'tun', 'routing', 'control', 'memory', 'gateways'] as const;

/** Runs until stopped by a signal. Throws what starting throws (BAD_CONFIG, SYSTEM_CALL, IPROUTE2, ALREADY_RUNNING). */
export async function runDataplaneDaemon(file: string): Promise<void> {
  let config = loadConfig(file);
  const log = pino({ level: config.log.level }, pino.destination({ fd: 2, sync: true }));
  const host = await HostDataplane.start({
    role: config.role,
    namespace: null,
    sizes: {
      workers: config.workers,
      sessions: Math.max(config.memory.sessions, config.sessions.length),
      paths: Math.max(config.memory.paths, countPaths(config)),
      buffers: config.memory.buffers,
      bufferSize: config.memory.bufferSize,
      heap: config.memory.heapMiB << 20,
    },
    tun: { ...config.tun, mtu: config.tun.mtu === 'auto' ? null : config.tun.mtu },
    routing: config.routing,
    gateways: config.gateways,
    sessions: config.sessions,
  });
  const { dataplane } = host;
  dataplane.on('event', (event) => log.info(event));

  const reload = async (): Promise<void> => {
    const next = loadConfig(file);
    const fixed = FIXED_KEYS.filter((key) => JSON.stringify(config[key]) !== JSON.stringify(next[key]));
    if (fixed.length) {
      throw new TunloomError('NEEDS_RESTART', `${file}: ${fixed.join(', ')} cannot be changed without a restart`);
    }
    const { added, removed, changed } = diffSessions(config.sessions, next.sessions);
    for (const name of removed) dataplane.removeSession(name);
    for (const session of changed) dataplane.updateSession(session);
    for (const session of added) dataplane.addSession(session);
    config = next;
    log.level = next.log.level;
    host.sessionsChanged();
    log.info({ event: 'reloaded', added: added.length, removed: removed.length, changed: changed.length });
  };
  const server = buildControlServer({ control: dataplane, changed: () => host.sessionsChanged(), reload });
  try {
    await listenControl(server, config.control);
  } catch (error) {
    await host.stop();
    throw error;
  }
  log.info({ event: 'listening', control: config.control, tun: host.tunName, sessions: config.sessions.length });

  await new Promise<void>((resolve) => {
    let stopping = false;
    const stop = (signal: string): void => {
      if (stopping) process.exit(1);
      stopping = true;
      log.info({ event: 'stopping', signal });
      void server
        .close()
        .then(() => host.stop())
        .then(resolve);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    process.on('SIGHUP', () => {
      reload().catch((error: unknown) => log.error({ event: 'reloadFailed', error: String(error) }));
    });
  });
}

function countPaths(config: DataplaneConfig): number {
  // Twice: a path that changes has two records for a moment.
  return config.sessions.reduce((sum, session) => sum + session.paths.length, 0) * 2;
}
