/** The Restart Counter (RFC 5847 §3.4): kept over restarts in the state directory, one more at each start without session state. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TunloomError } from '../errors.ts';
import { replaceFile } from './state-file.ts';

const FILE = 'restart-counter';

/** Raises the counter of `directory` by one and gives it. Throws STATE if the directory cannot be used or holds something else. */
export function raiseRestartCounter(directory: string): number {
  const file = join(directory, FILE);
  try {
    mkdirSync(directory, { recursive: true });
    const counter = (readCounter(file) + 1) >>> 0;
    replaceFile(file, `${counter}\n`);
    return counter;
  } catch (error) {
    if (error instanceof TunloomError) throw error;
    throw new TunloomError('STATE', `state: ${file}: ${(error as Error).message}`, { cause: error });
  }
}

function readCounter(file: string): number {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
  if (/^\d{1,10}$/.test(text)) return Number(text) >>> 0;
  throw new TunloomError('STATE', `state: ${file} holds ${JSON.stringify(text)}, expected a number`);
}
