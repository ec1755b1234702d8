/** `tunloom dataplane` as a daemon in a namespace of its own: signals, control socket, clean exit, many sessions. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { callControl } from '../../src/control/client.ts';
import type { DataplaneStatus, SessionStatus } from '../../src/dataplane/status.ts';
import { addNamespace, run, waitFor } from '../support/daemon.ts';

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;
const NAMESPACE = `tldaemon-${process.pid}`;

let folder: string;
let socket: string;
const running: ChildProcess[] = [];

const ip = (...args: string[]): string => run('ip', '-n', NAMESPACE, ...args);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
  socket = join(folder, 'control.sock');
  addNamespace(NAMESPACE);
  ip('address', 'add', '198.51.100.1/32', 'dev', 'lo');
  ip('address', 'add', '198.51.100.2/32', 'dev', 'lo');
});

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
  }
  spawnSync('ip', ['netns', 'delete', NAMESPACE]);
  rmSync(folder, { recursive: true });
});

function sessionYaml(number: number, weights: readonly number[]): string {
  const hex = (number + 1).toString(16);
  return [
    `  - name: mn${number}`,
    `    prefixes: ["2001:db8:${hex}::/64"]`,
    `    sendKey: ${number * 2 + 1}`,
    `    receiveKey: ${number * 2 + 2}`,
    '    paths:',
    ...weights.map(
      (weight, i) =>
        `      - { bid: ${i + 1}, local: 198.51.100.${i + 1}, remote: 203.0.113.1, weight: ${weight} }`,
    ),
  ].join('\n');
}

function configYaml(sessions: readonly string[], extra = ''): string {
  return `role: lma\nworkers: 1\ntun: { name: tl0, addresses: [192.0.2.1/32] }\ncontrol: ${socket}\n${extra}sessions:\n${sessions.join('\n')}\n`;
}

/** Starts the daemon and waits until it listens. */
async function start(config: string): Promise<{ child: ChildProcess; log: () => string }> {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, config);
  const child = spawn('ip', ['netns', 'exec', NAMESPACE, process.execPath, MAIN, 'dataplane', '-c', file]);
  running.push(child);
  let log = '';
  child.stderr!.on('data', (data: Buffer) => (log += data.toString()));
  await waitFor(() => {
    if (child.exitCode !== null) throw new Error(`the daemon ended: ${log}`);
    return log.includes('"event":"listening"');
  }, 30_000);
  return { child, log: () => log };
}

function exited(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once('exit', resolve));
}

function tunloom(...args: string[]): string {
  return run(process.execPath, MAIN, '--socket', socket, ...args);
}

const tunloomGet = (path: string): Promise<unknown> => callControl(socket, 'GET', path);

const sessions = (): SessionStatus[] => JSON.parse(tunloom('sessions', '--json')) as SessionStatus[];

test('a second instance is refused and takes nothing from the first', async () => {
  const config = configYaml([sessionYaml(0, [1, 1])]);
  await start(config);
  const before = [ip('-6', 'route'), ip('rule'), run('ip', '-n', NAMESPACE, '-d', 'link', 'show', 'tl0')];
  await expect(start(config)).rejects.toThrow(`another instance answers on ${socket}`);
  const elsewhere = config.replace(socket, join(folder, 'other.sock'));
  await expect(start(elsewhere)).rejects.toThrow('tun.name: another process has tl0 open');
  expect([ip('-6', 'route'), ip('rule'), run('ip', '-n', NAMESPACE, '-d', 'link', 'show', 'tl0')]).toEqual(
    before,
  );
  expect(await callControl(socket, 'GET', '/v1/status')).toMatchObject({ sessions: 1 });
});

test('two MAGs of one host do not share a routing table', async () => {
  ip('address', 'add', '198.51.100.3/32', 'dev', 'lo');
  // Each has an outer address of its own, as it has to.
  const config = (tun: string): string =>
    configYaml([sessionYaml(tun === 'tl0' ? 0 : 1, [1])])
      .replace('role: lma', 'role: mag\nrouting: { access: [lo] }')
      .replace('tl0', tun)
      .replace('local: 198.51.100.1,', `local: 198.51.100.${Number(tun.slice(2)) + 1},`);
  await start(config('tl0'));
  const second = config('tl1').replace(socket, join(folder, 'other.sock')).replace('[192.0.2.1/32]', '[]');
  await expect(start(second)).rejects.toThrow('routing.table: 8278 leads into tl0 of another instance');
  expect(ip('route', 'show', 'table', '8278')).toContain('default dev tl0');
  await start(second.replace('access: [lo]', 'access: [lo], table: 9000'));
  expect(ip('route', 'show', 'table', '8278')).toContain('default dev tl0');
  expect(ip('route', 'show', 'table', '9000')).toContain('default dev tl1');
  // The table of a gateway is the next number.
  const third = config('tl2')
    .replace(socket, join(folder, 'third.sock'))
    .replace('[192.0.2.1/32]', '[]')
    .replace('access: [lo]', 'access: [lo], table: 8999')
    .replace('weight: 1 }', 'interface: lo, gateway: 198.51.100.9, weight: 1 }');
  await expect(start(third)).rejects.toThrow('routing.table: 9000 leads into tl1 of another instance');
});

test('serves its control socket, and SIGTERM leaves no device, route, rule or socket', async () => {
  const { child } = await start(configYaml([sessionYaml(1, [3, 2])]));
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  const status = JSON.parse(tunloom('status', '--json')) as DataplaneStatus;
  expect(status).toMatchObject({ role: 'lma', sessions: 1, paths: 2, tun: { name: 'tl0', mtu: 1456 } });
  expect(tunloom('status')).toContain('no packet was dropped');
  expect(sessions()[0]!.schedule).toEqual([1, 2, 1, 2, 1]);
  expect(ip('-6', 'route', 'show', 'dev', 'tl0')).toContain('2001:db8:2::/64');

  const changed = JSON.parse(tunloom('weights', 'mn1', '1=1', '2=1', '--json')) as SessionStatus;
  expect(changed.schedule).toEqual([1, 2]);

  child.kill('SIGTERM');
  expect(await exited(child)).toBe(0);
  expect(existsSync(socket)).toBe(false);
  expect(ip('link')).not.toContain('tl0');
  expect(ip('-6', 'route')).not.toContain('2001:db8:2::');
});

test('packets of strangers that the kernel drops are counted', async () => {
  await start(configYaml([sessionYaml(1, [1, 1])], 'defaults: { encapsulation: udp-gre }\n'));
  for (let n = 0; n < 5; n++) {
    run('ip', 'netns', 'exec', NAMESPACE, 'bash', '-c', 'echo nobody > /dev/udp/198.51.100.2/5437');
  }
  const status = JSON.parse(tunloom('status', '--json')) as DataplaneStatus;
  expect(status.drops).toEqual({ 'peer-filter': 5 });
  expect(tunloom('status')).toContain('peer-filter');
});

test('SIGHUP adds, changes and removes sessions; a broken file changes nothing and is logged', async () => {
  const { child, log } = await start(configYaml([sessionYaml(1, [1, 1]), sessionYaml(2, [1, 1])]));
  const file = join(folder, 'config.yaml');
  const probing = (): unknown => tunloomGet('/v1/sessions/mn1/probes');
  expect(await probing()).toMatchObject({ intervalUs: 100_000, silent: 3 });
  const probes = 'probes: { interval: 50ms, ease: 0s }\n';
  writeFileSync(file, configYaml([sessionYaml(1, [3, 1]), sessionYaml(3, [1, 2])], probes));
  child.kill('SIGHUP');
  await waitFor(() => log().includes('"event":"reloaded"'));
  expect(sessions().map((session) => session.name)).toEqual(['mn1', 'mn3']);
  expect(sessions()[0]!.paths.map((path) => path.weight)).toEqual([3, 1]);
  const routes = ip('-6', 'route', 'show', 'dev', 'tl0');
  expect(routes).toContain('2001:db8:4::/64');
  expect(routes).not.toContain('2001:db8:3::/64');
  expect(await probing()).toMatchObject({ intervalUs: 50_000, silent: 3, easeUs: 0 });
  tunloom('paths', 'mn1', '--set', 'silent=2', 'interval=200ms');
  expect(await probing()).toMatchObject({ intervalUs: 200_000, silent: 2, easeUs: 0 });
  tunloom('paths', 'mn1', '--unset');
  expect(await probing()).toMatchObject({ intervalUs: 50_000, silent: 3 });

  writeFileSync(file, configYaml([sessionYaml(1, [3, 1])], 'probes: { enabled: false }\n'));
  child.kill('SIGHUP');
  await waitFor(() => log().includes('probes.enabled: cannot be changed'));

  expect(() => tunloom('reload')).toThrow(`tunloom: ${file}:5:`);
  writeFileSync(file, configYaml([sessionYaml(1, [3, 1]), sessionYaml(3, [1, 2])], probes));
  expect(tunloom('reload')).toBe('reloaded, added 0, removed 0, changed 0, weightsOnly 0\n');

  writeFileSync(file, configYaml([sessionYaml(1, [0, 0])]));
  child.kill('SIGHUP');
  await waitFor(() => log().includes('all weights are 0'));
  expect(sessions().map((session) => session.name)).toEqual(['mn1', 'mn3']);
});

test('after kill -9 a new instance starts over what was left', async () => {
  const first = await start(configYaml([sessionYaml(1, [1, 1])]));
  // `ip netns exec` has become the daemon itself by exec(2).
  process.kill(first.child.pid!, 'SIGKILL');
  await exited(first.child);
  expect(existsSync(socket)).toBe(true);
  const second = await start(configYaml([sessionYaml(1, [1, 1])]));
  expect(sessions()).toHaveLength(1);
  second.child.kill('SIGTERM');
  expect(await exited(second.child)).toBe(0);
  expect(ip('-6', 'route')).not.toContain('2001:db8:2::');
});

test('10,000 static sessions', async () => {
  const count = 10_000;
  const many = Array.from({ length: count }, (_, i) => sessionYaml(i + 1, [1, 1]));
  const { child } = await start(configYaml(many, 'defaults: { resequencer: { window: 64 } }\n'));
  const status = JSON.parse(tunloom('status', '--json')) as DataplaneStatus;
  expect(status).toMatchObject({ sessions: count, paths: count * 2 });
  expect(
    ip('-6', 'route', 'show', 'dev', 'tl0')
      .split('\n')
      .filter((line) => line.includes('2001:db8:')).length,
  ).toBe(count);
  child.kill('SIGTERM');
  expect(await exited(child)).toBe(0);
});

test('a log that cannot be written does not end it', async () => {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, configYaml([sessionYaml(1, [1, 1])]));
  const command = ['exec "$@" 2>/dev/full', 'sh', process.execPath, MAIN, 'dataplane', '-c', file];
  const child = spawn('ip', ['netns', 'exec', NAMESPACE, 'sh', '-c', ...command]);
  running.push(child);
  await expect.poll(() => tunloomGet('/v1/status').catch(() => null)).toMatchObject({ sessions: 1 });
  child.kill('SIGTERM');
  expect(await exited(child)).toBe(0);
});

test('--check compiles the scheduler of your own', () => {
  const file = join(folder, 'custom.yaml');
  writeFileSync(file, `customScheduler: ./custom.ts\n${configYaml([sessionYaml(1, [1, 1])])}`);
  writeFileSync(join(folder, 'custom.ts'), 'export function choose(): u32 { return 0; }\n');
  const result = spawnSync(process.execPath, [MAIN, 'dataplane', '-c', file, '--check'], {
    encoding: 'utf8',
  });
  expect(result.status).toBe(2);
  expect(result.stderr).toContain(`${join(folder, 'custom.ts')}: does not export pick`);
});

test('a configuration error names file, line and key, and ends with status 2', () => {
  const file = join(folder, 'bad.yaml');
  writeFileSync(file, configYaml([sessionYaml(1, [1, 1]).replace('bid: 2', 'bid: 255')]));
  const result = spawnSync(process.execPath, [MAIN, 'dataplane', '-c', file, '--check'], {
    encoding: 'utf8',
  });
  expect(result.status).toBe(2);
  expect(result.stderr).toMatch(/bad\.yaml:\d+:\d+: sessions\[0\]\.paths\[1\]\.bid: .*RFC 8278/);
});
