/**
 * `node bench/schedulers.ts`: what a scheduler's pick costs, for 2 to 16 paths, against the same in C (schedulers.c, where gcc is there); what a
 * scheduler of the user's own costs against the built-in one of the same text; and what 10 and 1000 flow rules cost a packet.
 * Nanoseconds, minima over many runs, because other work on the machine can only add. The C twin gets its groups from the hot path's
 * memory and has to pick the same paths, or the bench fails. --json prints JSON.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Bench } from 'tinybench';
import * as L from '../assembly/layout.ts';
import type { FlowRule, SchedulerName } from '../src/dataplane/distribution-spec.ts';
import { compileScheduler } from '../src/dataplane/scheduler-compiler.ts';
import { compileHotPath } from '../src/dataplane/wasm.ts';
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
/** A course: rounds of so many picks (as in schedulers.c), from a group that is new to one whose queues are as full as they get. */
const PICKS = 16384;
const ROUNDS = 24;
/** The first ones of a course find cold caches, and a C program that has just begun; they do not count. */
const COLD_ROUNDS = 2;
/** How often WASM and C take turns. */
const TURNS = 12;
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
  const bench = new Bench({ time: 300, warmupTime: 75 });
  for (const [name, run] of tasks) bench.add(name, () => void run());
  await bench.run();
  return new Map(
    bench.tasks.map(({ name, result }) => {
      if (!('latency' in result)) throw new Error(`${name} did not run`);
      return [name, (result.latency.min * 1e6) / per];
    }),
  );
}

interface Picker {
  readonly node: BenchNode;
  readonly group: number;
  /** Picks for PICKS packets; gives a sum over the sequence of paths. */
  readonly round: () => number;
  /** Brings back what was before the first pick. */
  readonly restore: () => void;
}

/** What came out of a course: a sum over all its picks, and nanoseconds a pick of each round. */
interface Course {
  readonly sum: number;
  readonly rounds: readonly number[];
}

/** 2.2 Gbit/s over all paths together, of which the picks take 2. */
function picker(scheduler: SchedulerName, count: number, hotPath?: WebAssembly.Module): Picker {
  const paths = Array.from({ length: count }, (_, i) =>
    testPath(i + 1, { rate: 2.2e9 / count, delayUs: 5000 + 1000 * i }),
  );
  const sequence = scheduler === 'weighted' ? 'never' : 'auto';
  const node = new BenchNode('lma', { buffers: 64, heap: 4 << 20, supers: false }, undefined, hotPath);
  node.add(testSession({ paths, distribution: { scheduler, sequence, gapUs: 50_000 } }));
  const { memory, worker, wasm } = node;
  const config = memory.u32[(memory.session(0) + L.SESSION_CONFIG) / 4]!;
  const group = memory.u32[(config + L.CONFIG_GROUP) / 4]!;
  memory.u64[(worker + L.WORKER_NOW) / 8] = 1_000_000n;
  const image = memory.bytes.slice();
  return {
    node,
    group,
    round: () => wasm.pickMany(worker, group, LENGTH, PICKS) >>> 0,
    restore: () => memory.bytes.set(image),
  };
}

/** The group as schedulers.c reads it, before anything was picked. */
function describeGroup(name: string, { node, group }: Picker): string {
  const { memory, worker } = node;
  const u32 = (at: number): number => memory.u32[at / 4]!;
  const u64 = (at: number): bigint => memory.u64[at / 8]!;
  const octets = (at: number, length: number): number[] => [...memory.bytes.subarray(at, at + length)];
  const members = Array.from({ length: u32(group + L.GROUP_MEMBER_COUNT) }, (_, i) => {
    const member = group + L.GROUP_MEMBERS + i * L.MEMBER_STRIDE;
    const model = u32(member + L.MEMBER_MODEL);
    return [
      u32(u32(member + L.MEMBER_PATH) + L.PATH_NUMBER),
      ...[L.MEMBER_HEADER, L.MEMBER_QUANTUM, L.MEMBER_RATE, L.MEMBER_CBS, L.MEMBER_EBS].map((field) =>
        u32(member + field),
      ),
      u64(member + L.MEMBER_TOKENS),
      ...[L.MODEL_DELAY, L.MODEL_JITTER, L.MODEL_OCTET_TIME].map((field) => u32(model + field)),
    ];
  });
  const period = u32(group + L.GROUP_PERIOD);
  const slots = name.startsWith('flow-hash') ? L.FLOW_SLOTS : 0;
  return [
    name,
    u32(L.CONTROL + L.CONTROL_WORKER_COUNT),
    u64(worker + L.WORKER_NOW),
    u64(worker + L.WORKER_FLOW),
    u64(L.CONTROL + L.CONTROL_FLOWLETS) >> 32n,
    ...[L.GROUP_ALGORITHM, L.GROUP_FLAGS, L.GROUP_GAP, L.GROUP_QUEUE, L.GROUP_WINDOW, L.GROUP_LAMBDA].map(
      (field) => u32(group + field),
    ),
    u64(group + L.GROUP_SEED),
    members.length,
    ...members.flat(),
    period,
    ...octets(u32(group + L.GROUP_SCHEDULE), period),
    slots,
    ...octets(u32(group + L.GROUP_SLOTS), slots),
    LENGTH,
  ].join(' ');
}

interface Picks {
  readonly wasm: Record<string, Row>;
  readonly c: Record<string, Row> | null;
}

function runCourse({ round, restore }: Picker): Course {
  restore();
  let sum = 0;
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    sum = (Math.imul(sum, 31) + round()) >>> 0;
    return ((performance.now() - start) * 1e6) / PICKS;
  });
  return { sum, rounds };
}

/**
 * Nanoseconds a pick: the mean over the rounds of the least that each took in any turn. So both sides are compared on the very same picks,
 * and not one while queues fill and the other when they are full.
 */
class BestCourse {
  readonly #least: number[] = Array<number>(ROUNDS).fill(Infinity);

  add({ rounds }: Course): void {
    rounds.forEach((ns, i) => (this.#least[i] = Math.min(this.#least[i]!, ns)));
  }

  get ns(): number {
    const warm = this.#least.slice(COLD_ROUNDS);
    return warm.reduce((sum, ns) => sum + ns, 0) / warm.length;
  }
}

/** WASM and C take turns, so that what else the machine does meets both. Throws if the C twin picks other paths. */
async function measurePicks(): Promise<Picks> {
  const twin = compileTwin();
  const wasm: Record<string, Row> = {};
  const c: Record<string, Row> = {};
  try {
    for (const name of NAMES) {
      const hotPath = await compileHotPath();
      const pickers = PATHS.map((count) => picker(name, count, hotPath));
      const groups = pickers.map((each) => describeGroup(name, each));
      const bests = pickers.map(() => ({ wasm: new BestCourse(), c: new BestCourse() }));
      for (let turn = 0; turn < TURNS; turn++) {
        const courses = pickers.map(runCourse);
        courses.forEach((course, i) => bests[i]!.wasm.add(course));
        if (!twin) continue;
        runTwin(twin.program, groups).forEach((course, i) => {
          if (course.sum !== courses[i]!.sum)
            throw new Error(`${name}, ${PATHS[i]} paths: the C twin picks other paths`);
          bests[i]!.c.add(course);
        });
      }
      wasm[name] = Object.fromEntries(bests.map((best, i) => [PATHS[i], best.wasm.ns]));
      c[name] = Object.fromEntries(bests.map((best, i) => [PATHS[i], best.c.ns]));
    }
  } finally {
    if (twin) rmSync(twin.folder, { recursive: true });
  }
  return { wasm, c: twin && c };
}

/** Null where there is no gcc. */
function compileTwin(): { folder: string; program: string } | null {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-bench-'));
  const program = join(folder, 'twin');
  const source = new URL('./schedulers.c', import.meta.url).pathname;
  try {
    execFileSync('gcc', ['-O3', '-march=native', '-o', program, source], { stdio: 'pipe' });
    return { folder, program };
  } catch {
    rmSync(folder, { recursive: true });
    return null;
  }
}

function runTwin(program: string, groups: readonly string[]): Course[] {
  const output = execFileSync(program, [`${ROUNDS}`], { input: groups.join('\n'), encoding: 'utf8' });
  return output
    .trim()
    .split('\n')
    .map((line) => {
      const [sum, ...rounds] = line.split(' ').map(Number);
      return { sum: sum!, rounds };
    });
}

async function measureOwn(): Promise<{ builtIn: Row; own: Row }> {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-bench-'));
  try {
    const file = join(folder, 'mine.ts');
    writeFileSync(file, OWN_EDPF);
    const hotPath = await compileScheduler(file);
    const row = (scheduler: SchedulerName): Row =>
      Object.fromEntries(
        PATHS.map((count) => {
          const each = picker(scheduler, count, hotPath);
          const best = new BestCourse();
          for (let turn = 0; turn < TURNS; turn++) best.add(runCourse(each));
          return [count, best.ns];
        }),
      );
    return { builtIn: row('edpf'), own: row('custom') };
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
    wasm.encapsulate(worker, 0, L.BATCH, 1, 0);
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

/**
 * V8 compiles a module by what it has seen run and keeps the code for the next module of the same octets. A daemon runs one scheduler, so
 * each has code of its own here.
 */
setFlagsFromString('--no-wasm-native-module-cache');
const { wasm: picks, c } = await measurePicks();
const own = await measureOwn();
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
  process.stdout.write(`ns a pick\n${'WASM, C, ratio'.padEnd(14)}${heads}  |${heads}  |${heads}\n`);
  for (const name of NAMES) process.stdout.write(line(name, picks[name]!, c?.[name]));
  process.stdout.write(`\nedpf of the user's own against built-in\n${line('', own.own, own.builtIn)}`);
  process.stdout.write('\nns a packet encapsulated, by number of rules (minima)\n');
  for (const [name, ns] of Object.entries(packet))
    process.stdout.write(`${name.padEnd(20)}${ns.toFixed(1).padStart(8)}\n`);
}
