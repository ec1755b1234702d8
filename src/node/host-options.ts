/** From a daemon's configuration to the options of its data plane on the host: what LMA and MAG have in common. */
import type { LmaFile } from '../config/lma-schema.ts';
import { probeSpecOf } from '../config/probe-settings.ts';
import { HEALTH_DEFAULTS, type HealthConfig } from '../paths/path-health.ts';
import type { HostDataplaneOptions } from './host-dataplane.ts';
import { offloadOptions } from './offload-options.ts';

/** Everything but role, routing and gateways; sessions come by signaling. */
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
      heap: memory.heapMiB << 20,
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
