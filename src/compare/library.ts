/** The scenarios that come with tunloom: docs/scenarios/*.yaml, by file name. */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TunloomError } from '../errors.ts';

function folder(): string {
  return fileURLToPath(new URL('.', import.meta.resolve('#scenarios/symmetric.yaml')));
}

export function libraryNames(): string[] {
  return readdirSync(folder())
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort();
}

/** The file of a scenario given as a name of the library or as a path. Throws BAD_ARGUMENT. */
export function scenarioFile(name: string): string {
  const file = `${folder()}${name}.yaml`;
  if (/^[\w-]+$/.test(name) && existsSync(file)) return file;
  if (/[./]/.test(name)) return name;
  throw new TunloomError(
    'BAD_ARGUMENT',
    `there is no scenario "${name}"; there are ${libraryNames().join(', ')}, or name a file`,
  );
}
