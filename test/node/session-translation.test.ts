/** Sessions of the signaling in the data plane's words. */
import { expect, test } from 'vitest';
import { toSessionSpec } from '../../src/node/session-translation.ts';
import type { TunnelEncapsulation, TunnelSession } from '../../src/pmipv6/tunnel-session.ts';

function session(encapsulation: TunnelEncapsulation, keys: number | null = 5): TunnelSession {
  const port = encapsulation.startsWith('udp') ? 5437 : null;
  return {
    name: 'mn1',
    node: 'mn1@example.org',
    prefixes: ['2001:db8:1::/64'],
    sendKey: keys,
    receiveKey: keys,
    paths: [1, 2].map((bid) => ({
      bid,
      local: { address: `192.0.2.${bid}`, port },
      remote: { address: '198.51.100.1', port: port && 40_000 + bid },
      encapsulation,
      technology: 4,
      label: 9,
      metrics: {},
      interface: bid === 1 ? 'wan0' : null,
    })),
  };
}

const WEIGHTS = new Map([
  [1, 2],
  [2, 3],
]);
const weights = (spec: ReturnType<typeof toSessionSpec>): number[] => spec.paths.map(({ weight }) => weight);

test('GRE with keys and sequence numbers: weights as they are, ports and interfaces of the paths', () => {
  const spec = toSessionSpec(session('udp-gre'), WEIGHTS, { mtu: 1400, gre: { checksum: true } }, 'uplink');
  expect(weights(spec)).toEqual([2, 3]);
  expect(spec.paths).toMatchObject([
    { name: 'wan0', interface: 'wan0', remotePort: 40_001, localPort: 5437, mtu: 1400 },
    { name: 'label9-bid2', remotePort: 40_002, gre: { key: true, sequence: true, checksum: true } },
  ]);
});

test('without sequence numbers only the heaviest path is sent on, unless reordering is allowed', () => {
  expect(weights(toSessionSpec(session('ipip', null), WEIGHTS, {}, 'uplink'))).toEqual([0, 1]);
  expect(weights(toSessionSpec(session('udp', null), WEIGHTS, {}, 'uplink'))).toEqual([0, 1]);
  expect(weights(toSessionSpec(session('gre'), WEIGHTS, { gre: { sequence: false } }, 'uplink'))).toEqual([
    0, 1,
  ]);
  expect(weights(toSessionSpec(session('ipip', null), WEIGHTS, { allowReordering: true }, 'uplink'))).toEqual(
    [2, 3],
  );
});

test('GRE without keys', () => {
  const [path] = toSessionSpec(session('gre', null), WEIGHTS, {}, 'uplink').paths;
  expect(path!.gre).toMatchObject({ key: false, sequence: true });
});

test('rates and latency of the signaling, each end for its own direction', () => {
  const told = session('gre');
  const [first, second] = told.paths;
  const metrics = { uplinkRate: 10e6, downlinkRate: 50e6, latency: 15_000 };
  const paths = [
    { ...first!, metrics },
    { ...second!, metrics: { uplinkRate: 0 } },
  ];
  const uplink = toSessionSpec({ ...told, paths }, WEIGHTS, {}, 'uplink').paths;
  expect(uplink[0]).toMatchObject({ rate: 10e6, delayUs: 15_000 });
  expect(uplink[1]).not.toHaveProperty('rate');
  expect(toSessionSpec({ ...told, paths }, WEIGHTS, {}, 'downlink').paths[0]).toMatchObject({ rate: 50e6 });
});
