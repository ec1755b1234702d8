/** What `npm pack` makes, installed elsewhere as docs/install.md says: the command runs, finds its files, and brings its Node along. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
  // As `npm run build` does, but for the WebAssembly, which other tests are reading.
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

const LIBRARY_CONFIG = `
role: lma
workers: 1
sessions:
  - name: mn1
    prefixes: [192.0.2.0/24]
    sendKey: 1
    receiveKey: 2
    paths:
      - { bid: 1, local: 198.51.100.1, remote: 198.51.100.2, encapsulation: udp-gre }
      - { bid: 2, local: 198.51.100.5, remote: 198.51.100.6, encapsulation: udp-gre }
`;
const COMPILER_OPTIONS = {
  strict: true,
  module: 'nodenext',
  target: 'es2024',
  types: ['node'],
  typeRoots: [join(ROOT, 'node_modules/@types')],
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
};

test('a program outside the repository: types are found, and the example of docs/library.md runs', () => {
  const project = join(folder, 'project');
  mkdirSync(join(project, 'node_modules'), { recursive: true });
  symlinkSync(join(folder, 'lib/node_modules/tunloom'), join(project, 'node_modules/tunloom'));
  const write = (name: string, text: string): void => writeFileSync(join(project, name), text);
  const docs = readFileSync(join(ROOT, 'docs/library.md'), 'utf8');
  const [example, simulation] = [...docs.matchAll(/```ts\n([^]*?)```/g)].map(([, text]) => text!);
  write('package.json', '{ "type": "module" }');
  write('tsconfig.json', JSON.stringify({ compilerOptions: COMPILER_OPTIONS }));
  write('example.ts', example!);
  write('simulation.ts', simulation!);
  write('layout.ts', "import { IOVEC_SIZE } from 'tunloom/layout';\nexport const size: number = IOVEC_SIZE;\n");
  write('dataplane.yaml', `${LIBRARY_CONFIG}control: ${project}/control.sock\n`);
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', project], { stdio: 'inherit' });
  const bundled = { ...COMPILER_OPTIONS, module: 'esnext', moduleResolution: 'bundler', noEmit: true };
  write('tsconfig.bundler.json', JSON.stringify({ compilerOptions: bundled }));
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', join(project, 'tsconfig.bundler.json')], { stdio: 'inherit' });
  const lines = execFileSync(process.execPath, [join(project, 'simulation.js')], { encoding: 'utf8' }).trim().split('\n');
  expect(lines.map((line) => line.split(':')[0])).toEqual(['weighted', 'edpf', 'flow-hash']);
  expect(lines[0]).toMatch(/^weighted: \d+\.\d Mbit\/s, p99 \d+ ms, \d+ % reordered, dsl 25 %, lte 75 %$/);
  // In a network namespace that ends with it.
  const addresses = ['198.51.100.1/30', '198.51.100.5/30'].map((address) => `ip address add ${address} dev lo`);
  const script = ['cd "$1"', 'ip link set lo up', ...addresses, '"$2" example.js'].join(' && ');
  const output = execFileSync('unshare', ['-n', 'sh', '-c', script, 'sh', project, process.execPath], { encoding: 'utf8' });
  expect(output).toBe('path 1: weight 3\npath 2: weight 2\n');
});
