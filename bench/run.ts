/**
 * `npm run bench`: the hot path against the same loops in C (gcc -O3, where gcc is there) and against memory.copy, then one
 * TCP stream through the lab against the same stream over a bare veth pair. Prints a table, or JSON with --json.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bench } from 'tinybench';
import { copyKernel, decapsulateKernel, encapsulateKernel, lookupKernel, type Kernel } from './hot-path.ts';
import { measureGoodput } from './goodput.ts';

interface CResult {
  readonly encapsulate: number;
  readonly copy: number;
  readonly lookup: Readonly<Record<string, number>>;
}

function runC(): CResult | null {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-bench-'));
  try {
    const source = new URL('./hot-path.c', import.meta.url).pathname;
    execFileSync('gcc', ['-O3', '-march=native', '-o', join(folder, 'twin'), source], { stdio: 'pipe' });
    return JSON.parse(execFileSync(join(folder, 'twin'), { encoding: 'utf8' })) as CResult;
  } catch {
    return null;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** assembly/bench-lookups.ts, compiled as the hot path is. */
async function compileLookups(): Promise<WebAssembly.Module> {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-bench-'));
  try {
    const at = (path: string): string => new URL(path, import.meta.url).pathname;
    const options = (JSON.parse(readFileSync(at('../asconfig.json'), 'utf8')) as { options: object }).options;
    const config = join(folder, 'asconfig.json');
    const outFile = join(folder, 'lookups.wasm');
    const release = { optimizeLevel: 3, shrinkLevel: 0, converge: true, noAssert: true };
    writeFileSync(config, JSON.stringify({ options: { ...options, ...release, outFile } }));
    const asc = at('../node_modules/assemblyscript/bin/asc.js');
    execFileSync(process.execPath, [asc, at('../assembly/bench-lookups.ts'), '--config', config], {
      stdio: 'pipe',
    });
    return await WebAssembly.compile(readFileSync(outFile));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Least nanoseconds a packet of each kernel: what other processes do to a run only makes it longer. */
async function time(kernels: readonly Kernel[]): Promise<Map<string, number>> {
  const bench = new Bench({ time: 1000, warmupTime: 300 });
  for (const kernel of kernels) bench.add(kernel.name, kernel.run);
  await bench.run();
  return new Map(
    bench.tasks.map((task, i) => {
      const { result } = task;
      if (!('latency' in result)) throw new Error(`${task.name} did not run`);
      return [task.name, (result.latency.min * 1e6) / kernels[i]!.packets];
    }),
  );
}

const json = process.argv.includes('--json');
const lookups = await compileLookups();
const wasm = await time([
  encapsulateKernel(),
  decapsulateKernel('decapsulate, in order', (i) => i),
  decapsulateKernel('decapsulate, two paths out of step', (i) => (i < 32 ? i * 2 : (i - 32) * 2 + 1)),
  lookupKernel(1, lookups),
  lookupKernel(1000, lookups),
  lookupKernel(100_000, lookups),
  copyKernel(),
]);
const c = runC();
const twins: Record<string, number | undefined> = {
  encapsulate: c?.encapsulate,
  'lookup 1': c?.lookup['1'],
  'lookup 1000': c?.lookup['1000'],
  'lookup 100000': c?.lookup['100000'],
  'memory.copy': c?.copy,
};
const kernels = [...wasm].map(([name, ns]) => ({
  name,
  nsPerPacket: ns,
  cNsPerPacket: twins[name] ?? null,
  ratioToC: twins[name] ? ns / twins[name] : null,
  ratioToCopy: ns / wasm.get('memory.copy')!,
}));
const goodput = process.getuid?.() === 0 ? await measureGoodput() : null;

if (json) {
  process.stdout.write(`${JSON.stringify({ kernels, goodput }, null, 2)}\n`);
} else {
  const cell = (value: number | null): string => (value === null ? '-' : value.toFixed(2)).padStart(9);
  process.stdout.write(`${'ns a packet (minima)'.padEnd(38)}     wasm         C    wasm/C  /memory.copy\n`);
  for (const row of kernels) {
    process.stdout.write(
      `${row.name.padEnd(38)}${cell(row.nsPerPacket)} ${cell(row.cNsPerPacket)} ${cell(row.ratioToC)}     ${cell(row.ratioToCopy)}\n`,
    );
  }
  if (goodput) {
    process.stdout.write(
      `\none TCP stream, medians of ${goodput.runs}: bare veth ${(goodput.bare / 1e6).toFixed(0)} Mbit/s, ` +
        `two GRE paths 1:1 ${(goodput.gre / 1e6).toFixed(0)} Mbit/s, share ${(goodput.gre / goodput.bare).toFixed(3)}\n`,
    );
  }
}
