/**
 * What every scheduler keeps, whatever its idea: shares converge to what it promises, no path of the group starves under load, nothing
 * goes to a path that is down, the same input gives the same picks, and numbers are drawn without a gap.
 */
import { describe, expect, test } from 'vitest';
import {
  type DistributionSpec,
  SCHEDULERS,
  type SchedulerName,
} from '../../src/dataplane/distribution-spec.ts';
import type { SentPacket } from '../support/bench-node.ts';
import { DistributionBench } from '../support/distribution-bench.ts';

/** 175 Mbit/s together; weights as the rates. */
const PATHS = [
  { weight: 4, rate: 100e6, delayUs: 10_000, jitterUs: 500 },
  { weight: 2, rate: 50e6, delayUs: 20_000, jitterUs: 500 },
  { weight: 1, rate: 25e6, delayUs: 40_000, jitterUs: 500 },
];
const EQUAL = [1 / 3, 1 / 3, 1 / 3];
const BY_WEIGHT = [4 / 7, 2 / 7, 1 / 7];

/** Octet shares that the scheduler converges to under 168 Mbit/s, and how near; null: only bounds hold. */
const PROMISES: Readonly<Record<SchedulerName, { shares: readonly number[] | null; within: number }>> = {
  weighted: { shares: BY_WEIGHT, within: 0.001 },
  equal: { shares: EQUAL, within: 0.001 },
  deficit: { shares: BY_WEIGHT, within: 0.002 },
  random: { shares: BY_WEIGHT, within: 0.02 },
  'flow-hash': { shares: BY_WEIGHT, within: 0.03 },
  flowlet: { shares: BY_WEIGHT, within: 0.03 },
  'lowest-delay': { shares: null, within: 0.03 },
  // Both fill the faster paths' queues up to the difference in delay first, which shows in the half second of the test.
  edpf: { shares: BY_WEIGHT, within: 0.035 },
  // The preferred paths are full, the last has the rest.
  overflow: { shares: [0.58, 0.29, 0.13], within: 0.02 },
  blest: { shares: null, within: 0.03 },
  ecf: { shares: null, within: 0.11 },
  redundant: { shares: EQUAL, within: 0 },
  custom: { shares: BY_WEIGHT, within: 0.001 },
};

const PACKETS = 12_000;
const FLOWS = 1500;

function bench(scheduler: SchedulerName, more: Partial<DistributionSpec> = {}): DistributionBench {
  return new DistributionBench(PATHS, { scheduler, gapUs: 0, burstUs: 5000, ...more });
}

/** Sends under load: packets of 1050 octets every 50 microseconds are 168 Mbit/s. Flows come in pairs of packets. */
function drive(node: DistributionBench, packets = PACKETS): SentPacket[][] {
  return Array.from({ length: packets }, (_, i) => {
    node.node.now += 50;
    return node.sent(1050, Math.floor(i / 2) % FLOWS);
  });
}

function sharesOf(sent: readonly SentPacket[][]): number[] {
  const octets = PATHS.map(() => 0);
  for (const { endpoint, bytes } of sent.flat()) octets[endpoint]! += bytes.length;
  const sum = octets.reduce((a, b) => a + b);
  return octets.map((count) => count / sum);
}

describe.each(SCHEDULERS)('%s', (scheduler) => {
  const { shares, within } = PROMISES[scheduler];

  test('shares converge, no path starves', () => {
    const measured = sharesOf(drive(bench(scheduler)));
    if (shares)
      measured.forEach((share, i) => expect(Math.abs(share - shares[i]!)).toBeLessThanOrEqual(within));
    // At 96 % of the sum of the rates every path is needed, and none is given more than it carries.
    const offered = 168e6 * (1 + 44 / 1050);
    measured.forEach((share, i) => {
      expect(share).toBeGreaterThan(0.05);
      if (!shares) expect(share * offered).toBeLessThan(PATHS[i]!.rate * (1 + within));
    });
  });

  test('a path that is down carries nothing, and carries again when it is up', () => {
    const node = bench(scheduler);
    drive(node, 300);
    node.node.sessions.setPathState('mn1', 1, 'down');
    const without = drive(node, 2000);
    expect(sharesOf(without)[0]).toBe(0);
    expect(without.every((packets) => packets.length > 0)).toBe(true);
    node.node.sessions.setPathState('mn1', 1, 'degraded');
    expect(sharesOf(drive(node, 2000))[0]).toBeGreaterThan(0.2);
  });

  test('with all paths down, all are tried', () => {
    const node = bench(scheduler);
    for (const bid of [1, 2, 3]) node.node.sessions.setPathState('mn1', bid, 'down');
    expect(drive(node, 50).every((packets) => packets.length > 0)).toBe(true);
    expect(node.node.drops).toEqual({});
  });

  test('the same input gives the same picks', () => {
    const picks = (): number[] => drive(bench(scheduler), 3000).map(([first]) => first!.endpoint);
    expect(picks()).toEqual(picks());
  });

  test.each(['always', 'never'] as const)('sequence %s', (sequence) => {
    const node = bench(scheduler, { sequence });
    const numbers = drive(node, 500).map((packets) => packets.map(({ bytes }) => sequenceOf(bytes)));
    const expected = (i: number, copies: number): (number | null)[] =>
      Array.from({ length: copies }, () => (sequence === 'always' ? i : null));
    expect(numbers).toEqual(numbers.map((copies, i) => expected(i, copies.length)));
  });
});

test('random: other seeds, other draws', () => {
  const picks = (seed: number): string =>
    drive(bench('random', { seed }), 100)
      .map(([first]) => first!.endpoint)
      .join('');
  expect(picks(1)).not.toBe(picks(2));
});

/** GRE sequence number behind IPv4, UDP and TLV header (RFC 2890 §2), null without the S bit. */
function sequenceOf(bytes: Uint8Array): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const gre = 20 + 8 + 4;
  return view.getUint16(gre) & 0x1000 ? view.getUint32(gre + 8) : null;
}
