/** One TCP stream over a bare veth pair and through tunloom over two GRE paths, in the same run, in turn. */
import { iperf3Goodput } from '../src/lab/iperf3.ts';
import { type TransferEnds, median } from '../src/lab/measurement.ts';
import { NamespaceLab } from '../src/lab/namespace-lab.ts';
import { pathAddresses, planPaths } from '../src/lab/plan.ts';

const RUNS = 3;
const SECONDS = 2;

/** Medians in bit/s. Needs root and iperf3. Devices take super-packets, as they do outside of the lab's counting. */
export async function measureGoodput(): Promise<{ runs: number; bare: number; gre: number }> {
  const paths = planPaths({ paths: [], weights: '1:1', encapsulation: 'gre', family: '4' });
  const lab = await NamespaceLab.start({ paths, duration: SECONDS, workers: 1, static: true, memory: false });
  const bare: number[] = [];
  const gre: number[] = [];
  try {
    const { mag, lma } = pathAddresses(0, 4);
    const direct = { from: lab.topology.mag, to: lab.topology.lma, source: mag, destination: lma };
    lab.countWirePackets(false);
    for (let run = 0; run < RUNS; run++) {
      bare.push(await goodput(direct));
      gre.push(await goodput(lab.ends('uplink')));
    }
  } finally {
    await lab.stop();
  }
  return { runs: RUNS, bare: median(bare), gre: median(gre) };
}

async function goodput(ends: TransferEnds): Promise<number> {
  const bitsPerSecond = await iperf3Goodput(ends, SECONDS);
  if (bitsPerSecond === null) throw new Error('iperf3 gave no result');
  return bitsPerSecond;
}
