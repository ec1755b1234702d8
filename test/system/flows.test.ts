/**
 * Figure 1 of RFC 8278 end to end: two daemons in namespaces with the example configuration, its four flows with real TCP and UDP, and
 * which tunnel each of them took, in both directions; then the same while rules, schedulers and path states change.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { callControl } from '../../src/control/client.ts';
import type { FlowStatus, SessionStatus } from '../../src/dataplane/status.ts';
import { addNamespace, joinNamespaces, run, waitFor } from '../support/daemon.ts';

// Command lines take seconds on a busy machine.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;
const ECHO = new URL('../support/echo.mjs', import.meta.url).pathname;
const EXAMPLE = new URL('../../src/config/example-flows.yaml', import.meta.url);
const NAMES = { mag: `tlfm${process.pid}`, lma: `tlfl${process.pid}` };
const CORRESPONDENT = '203.0.113.200';
const MOBILE = '192.0.2.10';
const COUNT = 300;

type End = keyof typeof NAMES;
const running: ChildProcess[] = [];
let folder: string;
const socketOf = (end: End): string => join(folder, `${end}.sock`);

function inside(end: End, command: string, ...args: string[]): string {
  return run('ip', 'netns', 'exec', NAMES[end], command, ...args);
}

const tunloom = (end: End, ...args: string[]): string =>
  run(process.execPath, MAIN, '--socket', socketOf(end), ...args);

/** Starts a process in the namespace and waits until its output has `sign`. */
function start(end: End, sign: string, args: readonly string[]): Promise<void> {
  const child = spawn('ip', ['netns', 'exec', NAMES[end], process.execPath, ...args]);
  running.push(child);
  return new Promise((resolve, reject) => {
    let output = '';
    const listen = (data: Buffer): void => {
      output += data.toString();
      if (output.includes(sign)) resolve();
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.once('exit', () => reject(new Error(`${args.join(' ')} ended: ${output}`)));
  });
}

/** A scheduler of the user's own: always the second path. */
const OWN = `import { pathCount } from 'tunloom/scheduler';
export function pick(group: usize, length: u32, flow: u64, now: u64): u32 {
  return pathCount(group) - 1;
}
`;

/** The example as the LMA's file, and turned round as the MAG's. */
function writeConfigs(): void {
  const example = readFileSync(EXAMPLE, 'utf8');
  writeFileSync(join(folder, 'mine.ts'), OWN);
  const lma = `${example}control: ${socketOf('lma')}\ncustomScheduler: ./mine.ts\n`;
  const swapped = example
    .replace('role: lma', 'role: mag')
    .replace('[203.0.113.200/32]', '[192.0.2.10/32]')
    .replace('sendKey: 0x22222222', 'sendKey: 0x11111111')
    .replace('receiveKey: 0x11111111', 'receiveKey: 0x22222222')
    .replace('local: 198.51.100.2, remote: 198.51.100.1', 'local: 198.51.100.1, remote: 198.51.100.2')
    .replace('local: 198.51.100.6, remote: 198.51.100.5', 'local: 198.51.100.5, remote: 198.51.100.6');
  writeFileSync(join(folder, 'lma.yaml'), lma);
  writeFileSync(join(folder, 'mag.yaml'), `${swapped}control: ${socketOf('mag')}\n`);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tunloom-flows-'));
  for (const name of Object.values(NAMES)) addNamespace(name);
  [1, 5].forEach((host, i) => {
    joinNamespaces(
      [NAMES.mag, `wan${i}`, `198.51.100.${host}/30`],
      [NAMES.lma, `wan${i}`, `198.51.100.${host + 1}/30`],
    );
  });
  writeConfigs();
  for (const end of ['lma', 'mag'] as const) {
    await start(end, '"event":"listening"', [MAIN, 'dataplane', '-c', join(folder, `${end}.yaml`)]);
  }
  await start('lma', 'udp 7000', [ECHO, 'server', 'udp', CORRESPONDENT, '53', '6000', '5555', '7000']);
  await start('lma', 'tcp 8883', [ECHO, 'server', 'tcp', CORRESPONDENT, '8883']);
});

afterAll(async () => {
  for (const child of running.splice(0).reverse()) {
    child.removeAllListeners('exit');
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
  for (const name of Object.values(NAMES)) spawnSync('ip', ['netns', 'delete', name]);
  rmSync(folder, { recursive: true });
});

const session = (end: End): Promise<SessionStatus> =>
  callControl(socketOf(end), 'GET', '/v1/sessions/mn1') as Promise<SessionStatus>;

/** Packets that each end sent by BID 1 and 2 while `action` ran. */
async function sentDuring(action: () => void): Promise<Record<End, number[]>> {
  const count = async (end: End): Promise<number[]> =>
    (await session(end)).paths.map(({ txPackets }) => txPackets);
  const before = { mag: await count('mag'), lma: await count('lma') };
  action();
  const after = { mag: await count('mag'), lma: await count('lma') };
  return {
    mag: after.mag.map((n, i) => n - before.mag[i]!),
    lma: after.lma.map((n, i) => n - before.lma[i]!),
  };
}

/** Sends COUNT datagrams to a port of the correspondent; all echoes have to come back. */
function udp(port: number): Promise<Record<End, number[]>> {
  return sentDuring(() => {
    const client = ['client', 'udp', CORRESPONDENT, String(port), MOBILE, String(COUNT)];
    expect(Number(inside('mag', process.execPath, ECHO, ...client))).toBe(COUNT);
  });
}

beforeEach(async () => {
  for (const end of ['mag', 'lma'] as const) await callControl(socketOf(end), 'POST', '/v1/reload');
});

describe('figure 1 of RFC 8278', () => {
  test('flow 1 (TCP) keeps to tunnel 1 in both directions', async () => {
    const sent = await sentDuring(() => {
      const octets = inside('mag', process.execPath, ECHO, 'client', 'tcp', CORRESPONDENT, '8883', MOBILE);
      expect(Number(octets)).toBe(300_000);
    });
    for (const end of ['mag', 'lma'] as const) {
      expect(sent[end][0]).toBeGreaterThan(3);
      expect(sent[end][1]).toBe(0);
    }
  });

  test('flow 3 keeps to tunnel 1, flow 2 to tunnel 2', async () => {
    expect(await udp(53)).toEqual({ mag: [COUNT, 0], lma: [COUNT, 0] });
    expect(await udp(6000)).toEqual({ mag: [0, COUNT], lma: [0, COUNT] });
  });

  test('flow 4 is split 1:2 over both, exactly', async () => {
    expect(await udp(7000)).toEqual({ mag: [COUNT / 3, (2 * COUNT) / 3], lma: [COUNT / 3, (2 * COUNT) / 3] });
  });

  test('anything else stays whole on one of them', async () => {
    const { mag, lma } = await udp(5555);
    expect([...mag].sort((a, b) => a - b)).toEqual([0, COUNT]);
    expect([...lma].sort((a, b) => a - b)).toEqual([0, COUNT]);
  });
});

test('label 9 is down: flow 2 falls back to label 11, and returns', async () => {
  for (const end of ['mag', 'lma'] as const) {
    await callControl(socketOf(end), 'PUT', '/v1/sessions/mn1/paths/2/state', { state: 'down' });
  }
  expect(await udp(6000)).toEqual({ mag: [COUNT, 0], lma: [COUNT, 0] });
  expect(await udp(7000)).toEqual({ mag: [COUNT, 0], lma: [COUNT, 0] });
  for (const end of ['mag', 'lma'] as const) {
    await callControl(socketOf(end), 'PUT', '/v1/sessions/mn1/paths/2/state', { state: 'up' });
  }
  expect(await udp(6000)).toEqual({ mag: [0, COUNT], lma: [0, COUNT] });
});

test('rules and scheduler are changed live', async () => {
  const put = (end: End, what: string, body: unknown): Promise<unknown> =>
    callControl(socketOf(end), 'PUT', `/v1/sessions/mn1/${what}`, body);
  for (const end of ['mag', 'lma'] as const) {
    await put(end, 'flows', [{ name: 'twice', protocol: 'udp', sourcePort: 53, copies: [1, 2] }]);
  }
  const flows = JSON.parse(tunloom('lma', 'flows', 'mn1', '--json')) as FlowStatus[];
  expect(flows).toMatchObject([{ name: 'twice', action: 'copies', bids: [1, 2] }]);
  const { duplicates: before } = (await session('mag')).resequencer;
  expect(await udp(53)).toEqual({ mag: [COUNT, COUNT], lma: [COUNT, COUNT] });
  // The last copy may still be on its way.
  // A copy that a full buffer lost is nobody's loss: the other one arrived.
  await waitFor(async () => (await session('mag')).resequencer.duplicates - before > COUNT * 0.9);

  for (const end of ['mag', 'lma'] as const) {
    expect(tunloom(end, 'scheduler', 'mn1', 'equal')).toContain('scheduler equal');
  }
  expect(await udp(5555)).toEqual({ mag: [COUNT / 2, COUNT / 2], lma: [COUNT / 2, COUNT / 2] });

  tunloom('lma', 'scheduler', 'mn1', 'flow-hash');
  await put('lma', 'flows', []);
  const text = `udp ${CORRESPONDENT}:5555 ${MOBILE}:4321`;
  expect(tunloom('lma', 'flows', 'mn1', '--move', text, '--bid', '2')).toContain('no flow rules');
  const refused = spawnSync(
    process.execPath,
    [MAIN, '--socket', socketOf('lma'), 'flows', 'mn1', '--move', text, '--bid', '7'],
    {
      encoding: 'utf8',
    },
  );
  expect(refused.stderr).toContain('no path with BID 7');
});

test("the user's own scheduler is live at once on the end that has it", async () => {
  expect(tunloom('lma', 'scheduler', 'mn1', 'custom')).toContain('scheduler custom');
  expect((await udp(5555)).lma).toEqual([0, COUNT]);
});
