/** Modules for benches alone: parts of the hot path many times in one call, compiled as the hot path is. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const at = (path: string): string => new URL(path, import.meta.url).pathname;

/** Compiles `assembly/<entry>`. Throws what the compiler says. */
export function compileBenchModule(entry: string): WebAssembly.Module {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-bench-'));
  try {
    const { options, targets } = JSON.parse(readFileSync(at('../asconfig.json'), 'utf8')) as {
      options: object;
      targets: { release: object };
    };
    const config = join(folder, 'asconfig.json');
    const outFile = join(folder, 'bench.wasm');
    const release = { ...targets.release, outFile, textFile: undefined };
    writeFileSync(config, JSON.stringify({ options: { ...options, ...release } }));
    const asc = at('../node_modules/assemblyscript/bin/asc.js');
    execFileSync(process.execPath, [asc, at(`../assembly/${entry}`), '--config', config], { stdio: 'pipe' });
    return new WebAssembly.Module(readFileSync(outFile));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
