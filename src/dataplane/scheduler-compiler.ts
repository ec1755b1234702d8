/**
 * Compiles a user's scheduler: the whole hot path with the user's file in the place of assembly/schedule/custom.ts, by the same compiler
 * and options as the built-in one. So a user's scheduler costs what a built-in one costs. docs/schedulers.md is the tutorial.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TunloomError } from '../errors.ts';
import { DATA_SECTION, sectionIds } from './wasm-sections.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.resolve('#wasm/release.wasm')));
const ENTRY = 'assembly/index.ts';
const PLACE = 'assembly/schedule/custom.ts';
/** What the user imports, and where it is. */
const INTERFACE = 'tunloom/scheduler';
const INTERFACE_FILE = './scheduler-interface';
const INTERFACE_MODULE = 'assembly/schedule/scheduler-interface';
const FORM = 'expected: export function pick(group: usize, length: u32, flow: u64, now: u64): u32';

/** The module of the source that was compiled last: both ends of a lab, and the simulator, want the same one, and it takes seconds. */
let last: { readonly source: string; readonly module: WebAssembly.Module } | null = null;

/**
 * Compiles `file` into a module for Dataplane.start() and instantiateHotPath(); sessions use it as the scheduler `custom`.
 * Throws BAD_SCHEDULER, with the compiler's messages where it has any.
 */
export async function compileScheduler(file: string): Promise<WebAssembly.Module> {
  const source = readSource(file);
  if (last?.source !== source) last = { source, module: await compile(file, source) };
  return last.module;
}

async function compile(file: string, source: string): Promise<WebAssembly.Module> {
  // Only who writes a scheduler pays for loading the compiler.
  const { main } = await import('assemblyscript/asc');
  const outputs = new Map<string, string | Uint8Array>();
  let messages = '';
  const note = { write: (chunk: string | Uint8Array): void => void (messages += String(chunk)) };
  const { error } = await main(
    [
      ENTRY,
      '--config',
      'asconfig.json',
      '--target',
      'release',
      '--outFile',
      'out.wasm',
      '--textFile',
      'out.wat',
    ],
    {
      stdout: note,
      stderr: note,
      readFile: (name) => {
        if (name === PLACE) return source;
        const path = resolve(ROOT, name);
        return existsSync(path) ? readFileSync(path, 'utf8') : null;
      },
      writeFile: (name, contents) => void outputs.set(name, contents),
      listFiles: () => [],
    },
  );
  const binary = outputs.get('out.wasm');
  if (error || !(binary instanceof Uint8Array)) {
    const text = messages.trim() || error?.message || 'the compiler gave nothing';
    // The one place that calls it: the arguments do not fit.
    throw refusal(
      file,
      text.includes('assembly/schedule/scheduler.ts') ? `pick has another form; ${FORM}\n${text}` : text,
    );
  }
  check(file, binary, String(outputs.get('out.wat') ?? ''));
  return WebAssembly.compile(binary as Uint8Array<ArrayBuffer>);
}

/** The user's text with its one import led to the interface. */
function readSource(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw refusal(file, code === 'ENOENT' ? 'there is no such file' : message);
  }
  const imports = [...text.matchAll(/^\s*(?:import|export)\b[^;]*?\bfrom\s*(['"])(.*?)\1/gm)];
  for (const [, , from] of imports) {
    if (from !== INTERFACE) {
      throw refusal(
        file,
        `imports from "${from}"; a scheduler is one file and can import from '${INTERFACE}' only`,
      );
    }
  }
  if (!/^\s*export\s+function\s+pick\s*\(/m.test(text)) {
    throw refusal(file, `does not export pick; ${FORM}`);
  }
  return text.replaceAll(/(\bfrom\s*)(['"])tunloom\/scheduler\2/g, `$1'${INTERFACE_FILE}'`);
}

/** The hot-path law (docs/architecture.md), on the binary. */
function check(file: string, binary: Uint8Array, text: string): void {
  const module = new WebAssembly.Module(binary as Uint8Array<ArrayBuffer>);
  const foreign = WebAssembly.Module.imports(module).filter(
    ({ module: from, name }) => from !== 'env' || name !== 'memory',
  );
  if (foreign.length) {
    const names = foreign.map(({ module: from, name }) => `${from}.${name}`).join(', ');
    throw refusal(
      file,
      `needs ${names} from outside; a scheduler calls nothing but '${INTERFACE}' and itself`,
    );
  }
  if (sectionIds(binary).includes(DATA_SECTION) || text.includes('(data ')) {
    throw refusal(
      file,
      'has static data (a string, an array literal, memory.data, tables of Math.log, Math.sin and their like); ' +
        'keep values in variables or in the state of the group',
    );
  }
  if (text.includes('memory.grow')) {
    throw refusal(file, 'allocates memory (new, an array, a string, a closure); keep values in variables');
  }
}

/** Messages of the compiler name the user's file. */
function refusal(file: string, why: string): TunloomError {
  return new TunloomError(
    'BAD_SCHEDULER',
    `${file}: ${why.replaceAll(PLACE, file).replaceAll(INTERFACE_MODULE, INTERFACE).replaceAll(INTERFACE_FILE, INTERFACE)}`,
  );
}
