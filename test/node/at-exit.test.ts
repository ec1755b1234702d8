/** Actions at the end of a process, in a process of their own. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const MODULE = new URL('../../src/at-exit.ts', import.meta.url).href;

function run(body: string): { status: number | null; stdout: string; stderr: string } {
  const script = `const { atExit } = await import(${JSON.stringify(MODULE)}); ${body}`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
}

test('an action that fails keeps no other from being run, and is reported', () => {
  const { stdout, stderr } = run(`
    atExit(() => console.log('first'));
    atExit(() => { throw new Error('no such namespace'); });
    atExit(() => console.log('last'));
    process.exit(0);`);
  expect(stdout).toBe('first\nlast\n');
  expect(stderr).toContain('no such namespace');
});

test('an action that was taken back is not run', () => {
  const { status, stdout } = run(`
    const back = atExit(() => console.log('taken back'));
    atExit(() => console.log('kept'));
    back();`);
  expect(stdout).toBe('kept\n');
  expect(status).toBe(0);
});
