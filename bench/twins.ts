/**
 * The C twins of the hot path (hot-path.h, hot-path-*.c), compiled by gcc -O3 and called on the very memory that the
 * WebAssembly works on; and the module of assembly/bench-kernels.ts.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import * as L from '../assembly/layout.ts';

/** All give nanoseconds; `memory` is the address of the shared memory, other addresses are within it. */
export interface CTwins {
  encapsulate(memory: bigint, worker: number, batches: number, now: number): number;
  encapsulateReady(memory: bigint, worker: number, now: number): number;
  decapsulate(memory: bigint, worker: number, now: number): number;
  resequence(
    memory: bigint,
    worker: number,
    session: number,
    order: number,
    from: number,
    batches: number,
    now: number,
  ): number;
  lookUp(memory: bigint, list: number, many: number, sum: Uint32Array): number;
  copy(memory: bigint, to: number, from: number, length: number, many: number): number;
  clockCost(): number;
}

/** Exports of assembly/bench-kernels.ts. */
export interface BenchKernels {
  findSessions6(at: number, count: number): number;
  resequence(
    worker: number,
    session: number,
    order: number,
    from: number,
    batches: number,
    now: number,
  ): void;
  copyPackets(to: number, from: number, length: number, count: number): void;
}

const source = (path: string): string => new URL(path, import.meta.url).pathname;

/** The address of a shared memory in this process, for the twins. */
export function hostAddress(memory: WebAssembly.Memory): bigint {
  return koffi.address(new Uint8Array(memory.buffer));
}

/** Compiles and loads the twins; null where there is no gcc. Throws what gcc says about its input. */
export function loadTwins(): CTwins | null {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
  } catch {
    return null;
  }
  return inFolder((folder) => {
    writeFileSync(join(folder, 'layout.h'), layoutHeader());
    const library = join(folder, 'twins.so');
    const files = ['hot-path-encapsulate.c', 'hot-path-decapsulate.c'].map((name) => source(name));
    const options = ['-O3', '-march=native', '-Wall', '-Wextra', '-shared', '-fPIC', '-I', folder];
    execFileSync('gcc', [...options, '-o', library, ...files], { stdio: ['ignore', 'ignore', 'inherit'] });
    const twins = koffi.load(library);
    return {
      encapsulate: twins.func('double encapsulate_batches(uint64_t, uint32_t, uint32_t, double)'),
      encapsulateReady: twins.func('double encapsulate_ready(uint64_t, uint32_t, double)'),
      decapsulate: twins.func('double decapsulate_ready(uint64_t, uint32_t, double)'),
      resequence: twins.func(
        'double resequence_batches(uint64_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, double)',
      ),
      lookUp: twins.func('double look_up_many(uint64_t, uint32_t, uint32_t, _Out_ uint32_t *)'),
      copy: twins.func('double copy_packets(uint64_t, uint32_t, uint32_t, uint32_t, uint32_t)'),
      clockCost: twins.func('double clock_cost()'),
    } as CTwins;
  });
}

/** assembly/bench-kernels.ts, compiled as the hot path is. */
export function compileBenchKernels(): WebAssembly.Module {
  return inFolder((folder) => {
    const { options, targets } = JSON.parse(readFileSync(source('../asconfig.json'), 'utf8')) as {
      options: object;
      targets: { release: object };
    };
    const config = join(folder, 'asconfig.json');
    const outFile = join(folder, 'kernels.wasm');
    const release = { ...targets.release, outFile, textFile: undefined };
    writeFileSync(config, JSON.stringify({ options: { ...options, ...release } }));
    const asc = source('../node_modules/assemblyscript/bin/asc.js');
    execFileSync(process.execPath, [asc, source('../assembly/bench-kernels.ts'), '--config', config], {
      stdio: 'pipe',
    });
    return new WebAssembly.Module(readFileSync(outFile));
  });
}

/** assembly/layout.ts as C macros, so that no offset is written down twice. */
function layoutHeader(): string {
  const lines = Object.entries(L).map(
    ([name, value]) =>
      `#define ${name} ${value < 0 ? `(${value})` : value > 0x7fffffff ? `${value}u` : value}\n`,
  );
  return `#pragma once\n${lines.join('')}`;
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-bench-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
