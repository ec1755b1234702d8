/** From a daemon's configuration to the options of its data plane on the host. */
import type { DataplaneConfig } from '../config/load.ts';
import type { LmaFile } from '../config/lma-schema.ts';
import { probeSpecOf } from '../config/probe-settings.ts';
import { HEALTH_DEFAULTS, type HealthConfig } from '../paths/path-health.ts';
import type { HostDataplaneOptions } from './host-dataplane.ts';
import { offloadOptions } from './offload-options.ts';

/** What all daemons have in common: everything but role, routing, gateways and sessions, which LMA and MAG get by signaling. */
export function hostOptions(
  {
    workers,
    tun,
    memory,
    offload,
    busyPoll,
    probes,
  }: Pick<LmaFile, 'workers' | 'tun' | 'memory' | 'offload' | 'busyPoll' | 'probes'>,
  namespace: string | null,
): Omit<HostDataplaneOptions, 'role' | 'routing' | 'gateways'> {
  return {
    namespace,
    sizes: {
      workers,
      sessions: memory.sessions,
      paths: memory.paths,
      buffers: memory.buffers,
      bufferSize: memory.bufferSize,
      heap: memory.heapMiB * 2 ** 20,
      supers: offload.tun === 'auto' || offload.merge === 'auto',
    },
    offload: offloadOptions(offload),
    busyPollUs: busyPoll,
    health: healthOf(probes),
    tun: { ...tun, mtu: tun.mtu === 'auto' ? null : tun.mtu },
    sessions: [],
  };
}

/** From the keys of `probes`; null: none. */
export function healthOf(probes: LmaFile['probes']): HealthConfig | null {
  return probes.enabled ? { ...HEALTH_DEFAULTS, ...probeSpecOf(probes) } : null;
}

/** `tunloom dataplane`: everything. `namespace`: network namespace to live in, null for the process's own. */
export function dataplaneOptions(
  config: DataplaneConfig,
  namespace: string | null = null,
): HostDataplaneOptions {
  const common = hostOptions(config, namespace);
  const { role, customScheduler, routing, gateways, sessions } = config;
  return {
    ...common,
    role,
    customScheduler,
    sizes: {
      ...common.sizes,
      sessions: Math.max(common.sizes.sessions, sessions.length),
      paths: Math.max(common.sizes.paths, countPaths(config)),
    },
    routing,
    gateways,
    sessions,
  };
}

function countPaths(config: DataplaneConfig): number {
  // Twice: a path that changes has two records for a moment.
  return config.sessions.reduce((sum, session) => sum + session.paths.length, 0) * 2;
}
