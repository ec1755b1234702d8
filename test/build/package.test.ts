/** What `npm pack` makes, installed elsewhere as docs/install.md says: the command runs, finds its files, and brings its Node along. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = new URL('../..', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
/** Without the repository's node_modules/.bin. */
const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin';

function run(command: string, ...args: string[]): string {
  const stdio = ['ignore', 'pipe', 'pipe'] as const;
  return execFileSync(command, args, { cwd: folder, encoding: 'utf8', env: { ...process.env, PATH }, stdio: [...stdio] });
}

const tunloom = (...args: string[]): string => run(join(folder, 'bin/tunloom'), ...args);

beforeAll(() => {
  // As `prepack` does, but for the WebAssembly, which other tests are reading.
  execFileSync('npx', ['tsc', '-p', 'src/tsconfig.json'], { cwd: ROOT });
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  execFileSync('npm', pack, { cwd: ROOT, stdio: 'ignore' });
  const [tarball] = execFileSync('ls', [folder], { encoding: 'utf8' }).split('\n');
  run('npm', 'install', '--global', '--prefix', folder, '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`);
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true }));

test('the installed command runs with the Node that came with it', () => {
  expect(tunloom('--version').trim()).toMatch(/^\d+\.\d+\.\d+$/);
  expect(tunloom('lma', '--help')).toContain('--config');
});

test('the hot path and the scenarios are in the package', () => {
  const comparison = tunloom('compare', 'symmetric', '--scheduler', 'weighted', '--seeds', '1', '--duration', '1', '--json');
  expect(JSON.parse(comparison)).toMatchObject({ results: [{ scheduler: 'weighted', scenario: 'symmetric' }] });
});
