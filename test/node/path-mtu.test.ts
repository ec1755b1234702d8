/** What is learned of path MTUs, and for how long: kernel and ICMP errors under virtual time. */
import { expect, test } from 'vitest';
import { readTooBig } from '../../src/net/too-big-listener.ts';
import { PathMtuMonitor } from '../../src/node/path-mtu.ts';
import { parseAddress } from '../../src/ip.ts';
import { testPath, testSession } from '../support/session.ts';

test('the smaller of what the kernel and errors say, until 10 minutes after the last error', () => {
  let now = 0;
  let kernel: number | null = 1500;
  const errors: { local: string; remote: string; mtu: number }[] = [];
  const learned: (number | null)[] = [];
  const path = testPath(1, { family: 6, local: '2001:db8:1:0::1' });
  const monitor = new PathMtuMonitor({
    sessions: () => [testSession({ paths: [path, testPath(2, { dontFragment: 'clear' })] })],
    now: () => now,
    errors: () => errors.splice(0),
    ask: ({ local }) => (local.includes(':') ? kernel : 576),
    learned: (_pair, mtu) => learned.push(mtu),
  });
  const round = (seconds = 1): number | null => {
    now += seconds * 1e6;
    monitor.round();
    // Path 2 may be cut on its way, so nobody asks about it.
    expect(learned).toHaveLength(1);
    return learned.pop()!;
  };
  try {
    expect(round()).toBe(null);
    kernel = 1480;
    expect(round()).toBe(1480);
    errors.push({ local: '2001:db8:1::1', remote: path.remote, mtu: 1400 });
    errors.push({ local: '2001:db8:1::99', remote: path.remote, mtu: 1300 });
    expect(round()).toBe(1400);
    expect(round(599)).toBe(1400);
    errors.push({ local: '2001:db8:1::1', remote: path.remote, mtu: 1450 });
    expect(round(0)).toBe(1450);
    expect(round(601)).toBe(1480);
    kernel = 9000;
    expect(round()).toBe(null);
    // Without a route nothing is known, and nothing is said.
    kernel = null;
    monitor.round();
    expect(learned).toEqual([]);
  } finally {
    monitor.stop();
  }
});

test('pairs without a route are asked about every ten seconds, not every second', () => {
  let now = 0;
  let asked = 0;
  let route: number | null = null;
  const learned: (number | null)[] = [];
  const monitor = new PathMtuMonitor({
    sessions: () => [testSession({ paths: [testPath(1)] })],
    now: () => now,
    errors: () => [],
    ask: () => {
      asked++;
      return route;
    },
    learned: (_pair, mtu) => learned.push(mtu),
  });
  const run = (seconds: number): void => {
    for (const end = now + seconds * 1e6; now < end; now += 1e6) monitor.round();
  };
  try {
    run(30);
    expect(asked).toBe(3);
    route = 1400;
    run(11);
    expect(learned.at(-1)).toBe(1400);
    expect(asked).toBeGreaterThan(4);
  } finally {
    monitor.stop();
  }
});

test('what was learned of paths that have gone is forgotten', () => {
  let paths = [testPath(1), testPath(2)];
  const known = new Map<string, number>();
  const monitor = new PathMtuMonitor({
    sessions: () => [testSession({ paths })],
    now: () => 0,
    errors: () => [],
    ask: () => 1400,
    learned: ({ remote }, mtu) => {
      if (mtu === null) known.delete(remote);
      else known.set(remote, mtu);
    },
  });
  try {
    monitor.round();
    expect([...known]).toEqual(paths.map(({ remote }) => [remote, 1400]));
    paths = [testPath(2)];
    monitor.round();
    expect([...known]).toEqual([[testPath(2).remote, 1400]]);
  } finally {
    monitor.stop();
  }
});

test('Packet Too Big messages, whole and damaged', () => {
  const message = new Uint8Array(8 + 48);
  message.set([2, 0, 0, 0, 0, 0, 0x05, 0x14, 0x60]);
  message.set(parseAddress('2001:db8::1').bytes, 16);
  message.set(parseAddress('2001:db8::2').bytes, 32);
  expect(readTooBig(message)).toEqual({ local: '2001:db8::1', remote: '2001:db8::2', mtu: 1300 });
  for (let length = 0; length < 48; length++) expect(readTooBig(message.subarray(0, length))).toBe(null);
  for (const [at, value] of [
    [0, 1],
    [6, 4],
    [8, 0x45],
  ] as const) {
    const damaged = Uint8Array.from(message);
    damaged[at] = value;
    expect(readTooBig(damaged)).toBe(null);
  }
});
