/**
 * `node bench/schedulers.ts`: what a scheduler's pick costs, for 2 to 16 paths, against the same in C (schedulers.c, where gcc is there); what a
 * scheduler of the user's own costs against the built-in one of the same text; and what 10 and 1000 flow rules cost a packet.
 * Nanoseconds, minima over many runs, because other work on the machine can only add. --json prints JSON.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bench } from 'tinybench';
import * as L from '../assembly/layout.ts';
import type { FlowRule, SchedulerName } from '../src/dataplane/distribution-spec.ts';
import { compileScheduler } from '../src/dataplane/scheduler-compiler.ts';
import { BenchNode } from '../test/support/bench-node.ts';
import { flowPacket } from '../test/support/flow-packet.ts';
import { testPath, testSession } from '../test/support/session.ts';

const PATHS = [2, 4, 8, 16];
const NAMES: readonly SchedulerName[] = [
  'weighted',
  'deficit',
  'random',
  'flow-hash',
  'flowlet',
  'lowest-delay',
  'edpf',
  'overflow',
  'blest',
  'ecf',
];
const PICKS = 65536;
const LENGTH = 1000;

/** earliest-delivery.ts as a user would write it. */
const OWN_EDPF = `
import { delay, nextByWeight, pathCount, queueTime, sendingTime } from 'tunloom/scheduler';
export function pick(group: usize, length: u32, flow: u64, now: u64): u32 {
  const count = pathCount(group);
  let best: u32 = 0;
  let earliest = u64.MAX_VALUE;
  for (let i: u32 = 0; i < count; i++) {
    const sending = sendingTime(group, i, length);
    if (!sending) return nextByWeight(group);
    const arrival = queueTime(group, i, now) + sending + delay(group, i);
    if (arrival < earliest) {
      best = i;
      earliest = arrival;
    }
  }
  return best;
}
`;

type Row = Record<string, number>;

/** Minimum nanoseconds of one call of each function, divided by `per`. */
async function minima(tasks: ReadonlyMap<string, () => unknown>, per: number): Promise<Map<string, number>> {
  const bench = new Bench({ time: 400, warmupTime: 100 });
  for (const [name, run] of tasks) bench.add(name, () => void run());
  await bench.run();
  return new Map(
    bench.tasks.map(({ name, result }) => {
      if (!('latency' in result)) throw new Error(`${name} did not run`);
      return [name, (result.latency.min * 1e6) / per];
    }),
  );
}

/** 2.2 Gbit/s over all paths together, of which the picks take 2. */
function picker(scheduler: SchedulerName, count: number, hotPath?: WebAssembly.Module): () => number {
  const paths = Array.from({ length: count }, (_, i) =>
    testPath(i + 1, { rate: 2.2e9 / count, delayUs: 5000 + 1000 * i }),
  );
  const sequence = scheduler === 'weighted' ? 'never' : 'auto';
  const node = new BenchNode('lma', { buffers: 64 }, undefined, hotPath);
  node.add(testSession({ paths, distribution: { scheduler, sequence, gapUs: 50_000 } }));
  const { memory, worker, wasm } = node;
  const config = memory.u32[(memory.session(0) + L.SESSION_CONFIG) / 4]!;
  const group = memory.u32[(config + L.CONFIG_GROUP) / 4]!;
  memory.u64[(worker + L.WORKER_NOW) / 8] = 1_000_000n;
  return () => wasm.pickMany(worker, group, LENGTH, PICKS);
}

async function measurePicks(): Promise<Record<string, Row>> {
  const tasks = new Map(
    NAMES.flatMap((name) => PATHS.map((count) => [`${name} ${count}`, picker(name, count)] as const)),
  );
  const result: Record<string, Row> = {};
  for (const [key, ns] of await minima(tasks, PICKS)) {
    const [name = '', count = ''] = key.split(' ');
    result[name] = { ...result[name], [count]: ns };
  }
  return result;
}

async function measureOwn(): Promise<{ builtIn: Row; own: Row }> {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-bench-'));
  try {
    const file = join(folder, 'mine.ts');
    writeFileSync(file, OWN_EDPF);
    const hotPath = await compileScheduler(file);
    const tasks = new Map(
      PATHS.flatMap((count) => [
        [`builtIn ${count}`, picker('edpf', count, hotPath)] as const,
        [`own ${count}`, picker('custom', count, hotPath)] as const,
      ]),
    );
    const times = await minima(tasks, PICKS);
    const row = (name: string): Row =>
      Object.fromEntries(PATHS.map((count) => [count, times.get(`${name} ${count}`)!]));
    return { builtIn: row('builtIn'), own: row('own') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runC(): Record<string, Row> | null {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-bench-'));
  try {
    const source = new URL('./schedulers.c', import.meta.url).pathname;
    execFileSync('gcc', ['-O3', '-march=native', '-o', join(folder, 'twin'), source], { stdio: 'pipe' });
    return JSON.parse(execFileSync(join(folder, 'twin'), { encoding: 'utf8' })) as Record<string, Row>;
  } catch {
    return null;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Rules as operators write them: prefixes, ports, port ranges, DSCPs, in turns. None matches the traffic but the last. */
function rules(count: number): FlowRule[] {
  return Array.from({ length: count }, (_, i): FlowRule => {
    const source = `198.${18 + (i >> 8)}.${i & 255}.0`;
    const port = 10_000 + i * 4;
    const conditions = [
      { source: { start: source, end: source.replace(/0$/, '255') } },
      { sourcePort: { start: port, end: port + 3 }, protocol: { start: 17, end: 17 } },
      { destinationPort: { start: port, end: port }, protocol: { start: 6, end: 6 } },
      { source: { start: source, end: source }, trafficClass: { start: 184, end: 187 } },
    ];
    const last = i === count - 1;
    return {
      priority: i + 1,
      name: '',
      selectors: [{ family: 4, ...(last ? { protocol: { start: 17, end: 17 } } : conditions[i & 3]) }],
      action: { action: 'paths', bids: [1] },
    };
  });
}

/** Encapsulates 64 packets of as many flows; the same ones each time, or (uncached) new flows each time. */
function ruleKernel(count: number, cached: boolean): () => void {
  const node = new BenchNode('lma', { flows: cached ? 16384 : 256 }).add(
    testSession({ clampMss: false, ...(count ? { flows: rules(count) } : {}) }),
  );
  const { memory, wasm, worker } = node;
  const packet = flowPacket({
    family: 4,
    source: '203.0.113.9',
    destination: '192.0.2.10',
    protocol: 17,
    ports: [443, 1024],
  });
  for (const path of [0, 1]) memory.u32[(memory.path(path) + L.PATH_FLAGS) / 4]! &= ~L.PATH_FLAG_UDP_CHECKSUM;
  wasm.prepareReceive(worker, -1, L.BATCH);
  const places = (worker + L.WORKER_RECEIVE_BUFFERS) / 4;
  const buffers = memory.u32.slice(places, places + L.BATCH);
  const ports = [...buffers].map((buffer) => (buffer + L.BUFFER_PACKET + 20) / 4);
  buffers.forEach((buffer, i) => {
    const header = worker + L.WORKER_RECEIVE_HEADERS + i * L.MMSGHDR_SIZE;
    memory.bytes.set(packet, buffer + L.BUFFER_PACKET);
    memory.u32[(header + L.MMSGHDR_LEN) / 4] = packet.length;
  });
  let flow = 1;
  return () => {
    for (let i = 0; i < L.BATCH; i++) memory.u32[ports[i]!] = (cached ? i : flow++) << 8;
    memory.u32.set(buffers, places);
    wasm.encapsulate(worker, 0, L.BATCH, 1);
    // Forget the sends instead of freeing the buffers that we use again.
    memory.u32[(worker + L.WORKER_SEND_COUNT) / 4] = 0;
  };
}

async function measureRules(): Promise<Row> {
  const tasks = new Map([
    ['none', ruleKernel(0, true)],
    ...[10, 100, 1000].flatMap((count) => [
      [`${count}, flow known`, ruleKernel(count, true)] as const,
      [`${count}, flow new`, ruleKernel(count, false)] as const,
    ]),
  ]);
  return Object.fromEntries(await minima(tasks, L.BATCH));
}

const picks = await measurePicks();
const own = await measureOwn();
const c = runC();
const packet = await measureRules();

if (process.argv.includes('--json')) {
  process.stdout.write(`${JSON.stringify({ picks, c, own, rules: packet }, null, 2)}\n`);
} else {
  const cells = (row: Row | undefined): string =>
    PATHS.map((count) => (row?.[count] === undefined ? '-' : row[count].toFixed(1)).padStart(7)).join('');
  const line = (name: string, wasm: Row, twin: Row | undefined): string => {
    const ratio: Row = twin
      ? Object.fromEntries(PATHS.map((count) => [count, wasm[count]! / twin[count]!]))
      : {};
    return `${name.padEnd(14)}${cells(wasm)}  |${cells(twin)}  |${cells(ratio)}\n`;
  };
  const heads = PATHS.map((count) => `${count} paths`.padStart(7)).join('');
  process.stdout.write(`ns a pick (minima)\n${'WASM, C, ratio'.padEnd(14)}${heads}  |${heads}  |${heads}\n`);
  for (const name of NAMES) process.stdout.write(line(name, picks[name]!, c?.[name]));
  process.stdout.write(`\nedpf of the user's own against built-in\n${line('', own.own, own.builtIn)}`);
  process.stdout.write('\nns a packet encapsulated, by number of rules (minima)\n');
  for (const [name, ns] of Object.entries(packet))
    process.stdout.write(`${name.padEnd(20)}${ns.toFixed(1).padStart(8)}\n`);
}
