/**
 * `node bench/signaling-load.ts`: packets a second through MAG and LMA daemons while 1,000 PBUs a second arrive at the LMA, against the
 * same while none does. The messages are made and sent in both cases, without load to an address where no LMA is, so that only what the
 * LMA does with them makes the difference. Needs root. Decides whether signaling may disturb the data (issue: within 5 %).
 */
import { Deployment, CORRESPONDENT, LMAA } from '../test/support/deployment.ts';
import { run } from '../test/support/daemon.ts';
import { LoadGenerator } from '../test/support/load-generator.ts';
import { startTraffic } from '../src/lab/traffic.ts';

const NODES = 1000;
const PBUS_A_SECOND = 1000;
const ROUNDS = 7;
const SECONDS = 2;
const NOBODY = '2001:db8:ee::1';
const SOURCES = ['2001:db8:d::1', '2001:db8:d::2'];

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const net = new Deployment('load');
let load: LoadGenerator | undefined;
let idle: LoadGenerator | undefined;
try {
  for (const address of [...SOURCES, NOBODY]) {
    run('ip', '-n', net.lma, 'address', 'add', `${address}/128`, 'dev', 'lo');
  }
  await net.startLma(
    'registration: { maxUpdatesPerSecond: 1000000, timestampWindow: 10s }\ntunnels: { resequencer: { window: 1024 } }',
    '{ address: 2001:db8:a::/64 }, { address: 2001:db8:b::/64 }, { address: 2001:db8:d::/64 }',
    [LMAA],
    { sessions: NODES + 64, paths: NODES * 4 },
  );
  await net.startMag();
  net.host.set(true);
  await net.pathsAre([1, 2], 'mag');
  const host = await net.address();
  load = new LoadGenerator(net.lma, SOURCES, LMAA);
  const { statuses } = await load.register(NODES, 64);
  if (statuses[0] !== NODES * SOURCES.length) throw new Error(`registration: ${JSON.stringify(statuses)}`);
  // One at a time: from the generator's send to its receipt of the answer, through four sockets and two event loops.
  const single = await load.register(200, 1);
  process.stdout.write(
    `a PBU and its PBA: ${((single.milliseconds * 1000) / (200 * SOURCES.length)).toFixed(0)} us on average\n`,
  );
  idle = new LoadGenerator(net.lma, SOURCES, NOBODY);

  const packets = async (): Promise<number> => {
    const [session] = await net.sessions('mag');
    return session!.paths.reduce((sum, path) => sum + path.txPackets + path.rxPackets, 0);
  };
  const measure = async (generator: LoadGenerator): Promise<{ rate: number; pbus: number }> => {
    const end = generator.refresh(NODES, PBUS_A_SECOND);
    const port = 5001;
    const server = startTraffic({ kind: 'tcp-server', namespace: net.host.namespace, host, port });
    await server.ready;
    const before = await packets();
    const start = performance.now();
    const client = startTraffic({
      kind: 'tcp-client',
      namespace: net.lma,
      host,
      port,
      source: CORRESPONDENT,
      seconds: SECONDS,
    });
    await Promise.all([server.result, client.result]);
    const seconds = (performance.now() - start) / 1000;
    return { rate: ((await packets()) - before) / seconds, pbus: end() / seconds };
  };
  await measure(idle);
  const rates: { idle: number[]; load: number[] } = { idle: [], load: [] };
  let pbus = 0;
  for (let round = 0; round < ROUNDS; round++) {
    // In turn, so that what else the machine does hits both.
    rates.idle.push((await measure(idle)).rate);
    const loaded = await measure(load);
    rates.load.push(loaded.rate);
    pbus += loaded.pbus / ROUNDS;
  }
  const ratios = rates.load.map((rate, i) => rate / rates.idle[i]!);
  process.stdout.write(
    [
      `idle ${Math.round(median(rates.idle))} packets/s (best ${Math.round(Math.max(...rates.idle))})`,
      `with ${Math.round(pbus)} PBUs/s ${Math.round(median(rates.load))} packets/s (best ${Math.round(Math.max(...rates.load))})`,
      `ratio of medians ${(median(rates.load) / median(rates.idle)).toFixed(3)}, of the best ` +
        `${(Math.max(...rates.load) / Math.max(...rates.idle)).toFixed(3)}, median of pairs ${median(ratios).toFixed(3)}`,
      '',
    ].join('\n'),
  );
} finally {
  await load?.stop();
  await idle?.stop();
  await net.stop();
}
