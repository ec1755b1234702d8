/**
 * `npm run bench`: the hot path against its twins in C (gcc -O3, where gcc is there) and against memory.copy, then one TCP stream
 * through the lab against the same stream over a bare veth pair. Prints a table, or JSON with --json; --kernels leaves the lab out,
 * --only TEXT takes the kernel of that name or those whose names contain it, --profile wasm or --profile c runs that
 * side alone for 3 seconds, for perf(1).
 */
import { parseArgs } from 'node:util';
import { measureGoodput } from './goodput.ts';
import {
  IN_ORDER,
  OUT_OF_STEP,
  copyKernel,
  decapsulateKernel,
  decapsulateManyKernel,
  encapsulateKernel,
  encapsulateManyKernel,
  lookupKernel,
  resequenceKernel,
  type Kernel,
} from './hot-path.ts';
import { compileBenchKernels, loadTwins } from './twins.ts';

/** Batches in a row of one side, so that it runs warm, and how often both take turns. */
const BATCHES = 32;
const TURNS = 3000;
const WARM_UP = 300;

interface Row {
  readonly name: string;
  readonly nsPerPacket: number;
  readonly cNsPerPacket: number | null;
  readonly ratioToC: number | null;
}

/**
 * Least nanoseconds a packet of both sides, taken in turns: what other work on the machine does to a turn only makes it longer. WASM
 * is warm when V8 has compiled it with its optimising compiler.
 */
function measure(kernel: Kernel, withC: boolean): Row {
  if (withC) kernel.check();
  const batches = Math.max(1, Math.ceil((BATCHES * 64) / kernel.packets));
  let wasm = Infinity;
  let c = Infinity;
  for (let turn = 0; turn < WARM_UP + TURNS; turn++) {
    const ns = kernel.wasm(batches) / batches / kernel.packets;
    if (turn >= WARM_UP) wasm = Math.min(wasm, ns);
    if (withC) c = Math.min(c, kernel.c(batches) / batches / kernel.packets);
  }
  return {
    name: kernel.name,
    nsPerPacket: wasm,
    cNsPerPacket: withC ? c : null,
    ratioToC: withC ? wasm / c : null,
  };
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    kernels: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    profile: { type: 'string' },
  },
});
const c = loadTwins();
const module = compileBenchKernels();
const makers: readonly [string, (name: string) => Kernel][] = [
  ['encapsulate', (name) => encapsulateKernel(name, c, false)],
  ['encapsulate, UDP checksum', (name) => encapsulateKernel(name, c, true)],
  ['encapsulate, of 1 session', (name) => encapsulateManyKernel(name, c, 1)],
  ['encapsulate, of 100,000 sessions', (name) => encapsulateManyKernel(name, c, 100_000)],
  ['decapsulate, in order', (name) => decapsulateKernel(name, c, IN_ORDER)],
  ['decapsulate, paths out of step', (name) => decapsulateKernel(name, c, OUT_OF_STEP)],
  ['decapsulate, of 50,000 sessions', (name) => decapsulateManyKernel(name, c, 50_000)],
  ['resequence, in order', (name) => resequenceKernel(name, c, module, IN_ORDER)],
  ['resequence, paths out of step', (name) => resequenceKernel(name, c, module, OUT_OF_STEP)],
  ['look-up 1', () => lookupKernel(c, module, 1)],
  ['look-up 1000', () => lookupKernel(c, module, 1000)],
  ['look-up 100000', () => lookupKernel(c, module, 100_000)],
  ['copy', () => copyKernel(c, module)],
];
const exact = makers.filter(([name]) => name === values.only);
const chosen = exact.length ? exact : makers.filter(([name]) => name.includes(values.only));

if (values.profile) {
  const kernels = chosen.map(([name, make]) => make(name));
  const end = performance.now() + 3000;
  for (const { wasm } of kernels) wasm(BATCHES);
  while (performance.now() < end) {
    for (const kernel of kernels) void (values.profile === 'c' ? kernel.c(BATCHES) : kernel.wasm(BATCHES));
  }
  process.exit(0);
}
const rows = chosen.map(([name, make]) => measure(make(name), c !== null));
const goodput = !values.kernels && !values.only && process.getuid?.() === 0 ? await measureGoodput() : null;

if (values.json) {
  process.stdout.write(`${JSON.stringify({ kernels: rows, goodput }, null, 2)}\n`);
} else {
  const cell = (value: number | null): string => (value === null ? '-' : value.toFixed(2)).padStart(9);
  process.stdout.write(`${'ns a packet (minima)'.padEnd(38)}     WASM         C    WASM/C\n`);
  for (const row of rows) {
    process.stdout.write(
      `${row.name.padEnd(38)}${cell(row.nsPerPacket)} ${cell(row.cNsPerPacket)} ${cell(row.ratioToC)}\n`,
    );
  }
  if (goodput) {
    process.stdout.write(
      `\none TCP stream, medians of ${goodput.runs}: bare veth ${(goodput.bare / 1e6).toFixed(0)} Mbit/s, ` +
        `two GRE paths 1:1 ${(goodput.gre / 1e6).toFixed(0)} Mbit/s, share ${(goodput.gre / goodput.bare).toFixed(3)}\n`,
    );
  }
}
