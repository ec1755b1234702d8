/**
 * `node bench/reorder.ts`: the resequencer on arrival sequences against rte_reorder of DPDK (rte-reorder.c), where gcc and libdpdk-dev are
 * there. Nanoseconds a packet that arrives, minima over runs in turns, because other work on the machine can only add. Both take a
 * buffer for each packet, put it into a window of 4096, release after every 64 packets and give the buffers back; both have to
 * release everything, in order, or the bench fails. --json prints JSON.
 *
 * What ours does besides: slots by compare-and-swap, because several threads put packets in; a history, so that late packets are told from
 * duplicates; what each path has delivered, by which losses are proven; counters, histograms and the iovecs of the TUN.
 * rte_reorder waits at a gap until its window is full.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchNode } from '../test/support/bench-node.ts';
import { testPath, testSession } from '../test/support/session.ts';
import { compileBenchModule } from './bench-module.ts';

/** Numbers a round; a round begins where the one before it ended. */
const NUMBERS = 32_768;
const WINDOW = 4096;
const ROUNDS = 12;
const TURNS = 5;
/** rte_reorder's gaps of the last round stay until its window is full. */
const UNFINISHED = WINDOW;

interface Arrival {
  readonly number: number;
  readonly path: number;
  /** Where it stands in the order of arrival. */
  readonly at: number;
}

/** Numbers alternate between two paths; `delay` in packets. */
function arrivals(delay: (number: number, path: number) => number, lost: () => boolean): Uint32Array {
  const all = Array.from({ length: NUMBERS }, (_, number): Arrival => {
    const path = number & 1;
    return { number, path, at: number + delay(number, path) };
  });
  const kept = all.filter(() => !lost()).sort((a, b) => a.at - b.at || a.number - b.number);
  return Uint32Array.from(kept, ({ number, path }) => (number << 1) | path);
}

let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}

const never = (): boolean => false;
const SEQUENCES: Readonly<Record<string, Uint32Array>> = {
  'in order': arrivals(() => 0, never),
  'two paths, 48 packets out of step': arrivals((_, path) => path * 48, never),
  // The last ones arrive, so that nothing of a round is open when the next one begins.
  '1 % lost, 48 packets out of step': (() => {
    let left = NUMBERS;
    return arrivals(
      (_, path) => path * 48,
      () => --left > 256 && random() < 0.01,
    );
  })(),
  'random within 64 packets': arrivals(() => random() * 64, never),
};

type Resequence = (
  worker: number,
  session: number,
  arrivals: number,
  count: number,
  base: number,
  now: number,
) => number;

/** Runs a sequence again and again; gives the least nanoseconds a packet of ROUNDS rounds. */
function wasmRunner(module: WebAssembly.Module, sequence: Uint32Array): () => number {
  const node = new BenchNode('lma', { buffers: 2 * WINDOW, supers: false, heap: 4 << 20 });
  node.add(
    testSession({
      paths: [testPath(1), testPath(2)],
      resequencer: {
        window: WINDOW,
        minWaitUs: 1000,
        maxWaitUs: 100_000,
        late: 'deliver',
        provenLoss: true,
      },
    }),
  );
  const { memory, worker } = node;
  const { resequence } = new WebAssembly.Instance(module, { env: { memory: memory.memory } })
    .exports as unknown as { resequence: Resequence };
  const place = memory.heap.allocate(sequence.byteLength);
  memory.u32.set(sequence, place / 4);
  const session = memory.session(0);
  let now = 1_000_000;
  let rounds = 0;
  return () => {
    let best = Infinity;
    for (let round = 0; round < ROUNDS; round++) {
      const start = performance.now();
      now = resequence(worker, session, place, sequence.length, rounds++ * NUMBERS, now);
      best = Math.min(best, ((performance.now() - start) * 1e6) / sequence.length);
    }
    const status = node.resequencer();
    const lost = NUMBERS - sequence.length;
    const { inOrder, reordered, lostProven } = status;
    if (inOrder + reordered !== rounds * sequence.length || lostProven !== rounds * lost)
      throw new Error(`not everything was released in order: ${JSON.stringify(status)}`);
    return best;
  };
}

/** Compiles rte-reorder.c; null where gcc or DPDK is not installed. */
function compileDpdk(folder: string): string | null {
  const program = join(folder, 'rte');
  try {
    const flags = execFileSync('pkg-config', ['--cflags', 'libdpdk'], { encoding: 'utf8', stdio: 'pipe' });
    const source = new URL('./rte-reorder.c', import.meta.url).pathname;
    const libraries = ['eal', 'reorder', 'mbuf', 'mempool'].map((name) => `-lrte_${name}`);
    const options = ['-O3', '-DALLOW_EXPERIMENTAL_API', ...flags.trim().split(/\s+/), '-march=native'];
    execFileSync('gcc', [...options, '-o', program, source, ...libraries], { stdio: 'pipe' });
    return program;
  } catch {
    return null;
  }
}

function runDpdk(folder: string, program: string, file: string, sequence: Uint32Array): number {
  const output = execFileSync(program, [`${WINDOW}`, `${ROUNDS}`, `${NUMBERS}`, file], {
    encoding: 'utf8',
    env: { ...process.env, RUNTIME_DIRECTORY: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [delivered, inOrder, ns] = output.trim().split(' ').map(Number);
  if (!inOrder || delivered! < ROUNDS * sequence.length - UNFINISHED)
    throw new Error(`rte_reorder released ${delivered} of ${ROUNDS * sequence.length}, in order: ${inOrder}`);
  return ns!;
}

const folder = mkdtempSync(join(tmpdir(), 'tunloom-bench-'));
try {
  const module = compileBenchModule('bench-reorder.ts');
  const program = compileDpdk(folder);
  const rows = Object.entries(SEQUENCES).map(([name, sequence]) => {
    const run = wasmRunner(module, sequence);
    const file = join(folder, 'arrivals');
    writeFileSync(file, sequence);
    let wasm = Infinity;
    let dpdk = Infinity;
    for (let turn = 0; turn < TURNS; turn++) {
      wasm = Math.min(wasm, run());
      if (program) dpdk = Math.min(dpdk, runDpdk(folder, program, file, sequence));
    }
    return { name, wasm, rteReorder: program ? dpdk : null, ratio: program ? wasm / dpdk : null };
  });
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  } else {
    const cell = (value: number | null): string => (value === null ? '-' : value.toFixed(1)).padStart(12);
    process.stdout.write(
      `${'ns a packet (minima)'.padEnd(36)}        WASM rte_reorder       ratio\n` +
        rows
          .map((row) => `${row.name.padEnd(36)}${cell(row.wasm)}${cell(row.rteReorder)}${cell(row.ratio)}\n`)
          .join(''),
    );
    if (!program) process.stdout.write('rte_reorder: gcc or libdpdk-dev is not installed\n');
  }
} finally {
  rmSync(folder, { recursive: true });
}
