/** tunloom with both ends in this process: sizes, queue length and offloads are those of a configuration with defaults. */
import {
  CORRESPONDENT,
  CORRESPONDENT_PREFIXES,
  type LabPath,
  MOBILE,
  labSession,
} from '../../../src/lab/plan.ts';
import { ALL_OFFLOADS, HostDataplane } from '../../../src/node/host-dataplane.ts';
import type { Ground, Tunnel } from './peer.ts';

export interface TunloomShape {
  readonly paths: readonly LabPath[];
  readonly workers: number;
  readonly busyPollUs: number;
}

/** Starts MAG and LMA over all paths of the topology. */
export async function startTunloom({ topology }: Ground, shape: TunloomShape): Promise<Tunnel> {
  const started: HostDataplane[] = [];
  const stop = async (): Promise<void> => {
    for (const end of started) await end.stop();
  };
  try {
    for (const role of ['mag', 'lma'] as const) {
      started.push(await startEnd(role, topology[role], shape));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ends: { from: topology.mag, to: topology.lma, source: MOBILE[4], destination: CORRESPONDENT[4] },
    pids: () => [process.pid],
    packets: () =>
      started
        .flatMap((end) => end.dataplane.status().workers)
        .reduce((sum, worker) => sum + worker.pathTxPackets, 0),
    stop,
  };
}

function startEnd(
  role: 'mag' | 'lma',
  namespace: string,
  { paths, workers, busyPollUs }: TunloomShape,
): Promise<HostDataplane> {
  const own = role === 'mag' ? MOBILE : CORRESPONDENT;
  return HostDataplane.start({
    role,
    namespace,
    sizes: {
      workers,
      sessions: 64,
      paths: 256,
      buffers: 16384,
      bufferSize: 2048,
      heap: 16 << 20,
      supers: true,
    },
    offload: ALL_OFFLOADS,
    busyPollUs,
    tun: { name: 'tun0', mtu: null, addresses: [`${own[4]}/32`, `${own[6]}/128`], queueLength: 1000 },
    routing: {
      manage: true,
      table: 8278,
      rulePriority: 8278,
      access: [],
      routes: role === 'mag' ? CORRESPONDENT_PREFIXES : [],
    },
    gateways: [],
    sessions: [labSession(role, paths)],
  });
}
