/**
 * `npm run bench`: the benches of the packet path one after the other, about two minutes. With --json one object of what each prints. Each is
 * a program of its own, so that none has code and memory of another around it; other options go to run.ts, which then runs alone.
 */
import { execFileSync } from 'node:child_process';

const HOT_PATH = 'run';
const OTHERS = ['schedulers', 'reorder', 'simulator'] as const;

const options = process.argv.slice(2);
const json = options.includes('--json');
const names = options.some((option) => option !== '--json') ? [HOT_PATH] : [HOT_PATH, ...OTHERS];

/** What the bench prints with --json; otherwise it prints by itself. */
function run(name: string): string | null {
  const file = new URL(`./${name}.ts`, import.meta.url).pathname;
  return execFileSync(process.execPath, [file, ...options], {
    encoding: 'utf8',
    stdio: ['ignore', json ? 'pipe' : 'inherit', 'inherit'],
  });
}

const results: Record<string, unknown> = {};
for (const name of names) {
  if (!json && names.length > 1) process.stdout.write(`\n== bench/${name}.ts\n`);
  const output = run(name);
  if (json) results[name] = JSON.parse(output!);
}
if (json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
