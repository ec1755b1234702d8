/** One TCP stream over a bare veth pair and through tunloom over two GRE paths, in the same run, in turn. */
import { median, tcpTransfer } from '../src/lab/measurement.ts';
import { NamespaceLab } from '../src/lab/namespace-lab.ts';
import { pathAddresses, planPaths } from '../src/lab/plan.ts';

const RUNS = 3;
const SECONDS = 2;

/** Medians in bit/s. Needs root. */
export async function measureGoodput(): Promise<{ runs: number; bare: number; gre: number }> {
  const paths = planPaths({ paths: [], weights: '1:1', encapsulation: 'gre', family: '4' });
  const lab = await NamespaceLab.start({ paths, duration: SECONDS, workers: 1, static: true, memory: false });
  const bare: number[] = [];
  const gre: number[] = [];
  try {
    const { mag, lma } = pathAddresses(0, 4);
    for (let run = 0; run < RUNS; run++) {
      const over = { from: lab.topology.mag, to: lab.topology.lma };
      const direct = await tcpTransfer({ ...over, source: mag, destination: lma }, SECONDS);
      bare.push(direct.bitsPerSecond);
      gre.push((await lab.tcp('uplink')).bitsPerSecond);
    }
  } finally {
    await lab.stop();
  }
  return { runs: RUNS, bare: median(bare), gre: median(gre) };
}
