/** tunloom with both ends in this process: sizes, queue length and offloads are those of a configuration with defaults. */
import { startLabEnd } from '../../../src/lab/namespace-lab.ts';
import { CORRESPONDENT, type LabPath, MOBILE, labSession } from '../../../src/lab/plan.ts';
import type { HostDataplane } from '../../../src/node/host-dataplane.ts';
import { ALL_OFFLOADS, type OffloadOptions } from '../../../src/node/offload-options.ts';
import type { Ground, Tunnel } from './peer.ts';

export interface TunloomShape {
  readonly paths: readonly LabPath[];
  readonly workers: number;
  readonly busyPollUs: number;
  readonly xdp: OffloadOptions['xdp'];
}

/** Starts MAG and LMA over all paths of the topology. */
export async function startTunloom(
  { topology }: Ground,
  { paths, workers, busyPollUs, xdp }: TunloomShape,
): Promise<Tunnel> {
  const started: HostDataplane[] = [];
  const stop = async (): Promise<void> => {
    for (const end of started) await end.stop();
  };
  try {
    for (const role of ['mag', 'lma'] as const) {
      const offload = { ...ALL_OFFLOADS, xdp };
      const sessions = [labSession(role, paths)];
      started.push(await startLabEnd(role, topology[role], { workers, offload, busyPollUs, sessions }));
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
