/** What MTUs of paths come to for a session: the packets that it may send, and the paths that it uses. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Dataplane } from '../../src/dataplane/dataplane.ts';
import { startMemoryDataplane } from '../support/memory-dataplane.ts';
import { testPath, testSession } from '../support/session.ts';

/** Of udp-gre over IPv4. */
const OVERHEAD = 44;
const NARROW = 1280 + OVERHEAD - 1;
let dataplane: Dataplane;

beforeEach(async () => {
  ({ dataplane } = await startMemoryDataplane({}));
});

afterEach(() => dataplane.stop());

const learn = (bid: number, mtu: number | null): boolean => {
  const { local, remote } = testPath(bid);
  return dataplane.setPathMtu(local, remote, mtu);
};
const schedule = (): readonly number[] => dataplane.session('mn1').schedule;

test('a path that leaves less than 1280 octets is left out of a session with IPv6 while another carries it', () => {
  dataplane.addSession(testSession());
  learn(2, NARROW + 1);
  expect(schedule()).toEqual([1, 2]);
  expect(dataplane.innerMtu('mn1')).toBe(1280);
  learn(2, NARROW);
  expect(schedule()).toEqual([1]);
  expect(dataplane.innerMtu('mn1')).toBe(1500 - OVERHEAD);
  expect(dataplane.session('mn1').paths.map(({ state }) => state)).toEqual(['up', 'down']);

  dataplane.setMeasuredState('mn1', 1, 'down');
  expect(schedule()).toEqual([2]);
  expect(dataplane.innerMtu('mn1')).toBe(1280);
  dataplane.setMeasuredState('mn1', 1, 'up');
  expect(schedule()).toEqual([1]);
  learn(2, null);
  expect(schedule()).toEqual([1, 2]);
});

test('no path leaves 1280 octets: IPv4 is cut to what they carry, IPv6 keeps its least MTU', () => {
  dataplane.addSession(testSession());
  for (const bid of [1, 2]) learn(bid, 1280);
  expect(schedule()).toEqual([1, 2]);
  expect(dataplane.session('mn1')).toMatchObject({ mtu: 1280, mtuIpv4: 1280 - OVERHEAD });
});

test('a session without IPv6 uses it', () => {
  dataplane.addSession(testSession({ prefixes: ['192.0.2.0/24'] }));
  learn(2, 600);
  expect(schedule()).toEqual([1, 2]);
  expect(dataplane.innerMtu('mn1')).toBe(600 - OVERHEAD);
});

test('packets are no longer than a buffer', () => {
  dataplane.addSession(testSession({ paths: [testPath(1, { mtu: 9000 })] }));
  const room = dataplane.memory.sizes.bufferSize - 192;
  expect(dataplane.session('mn1')).toMatchObject({ mtu: room - OVERHEAD, paths: [{ mtu: room }] });
});
