/** Socket filters: every peer reaches its worker, nobody else anyone; by interpretation of the programs, and in the kernel. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MOST_INSTRUCTIONS } from '../../src/net/bpf.ts';
import { PeerAssignment } from '../../src/net/peer-assignment.ts';
import {
  type Listening,
  STRANGER_SAMPLE,
  rawFilter,
  treeSize,
  udpSelector,
} from '../../src/net/socket-filter.ts';
import { runBpf } from '../support/bpf.ts';

function packet(source: Uint8Array): Uint8Array {
  const v4 = source.length === 4;
  const bytes = new Uint8Array(v4 ? 20 : 40);
  bytes.set(source, v4 ? 12 : 8);
  bytes.set(v4 ? [203, 0, 113, 1] : [0x20, 1, 0xd, 0xb8], v4 ? 16 : 24);
  return bytes;
}

/** Addresses that share much, as those of a provider do. */
const addresses = (family: 4 | 6): fc.Arbitrary<Uint8Array[]> => {
  const length = family === 4 ? 4 : 16;
  return fc
    .uniqueArray(fc.uint8Array({ minLength: 3, maxLength: 3 }), {
      maxLength: 60,
      selector: (tail) => tail.join(),
    })
    .chain((tails) =>
      fc.array(fc.constantFrom(0, 4, 8), { minLength: tails.length, maxLength: tails.length }).map((shifts) =>
        tails.map((tail, i) => {
          const bytes = new Uint8Array(length).fill(0x20);
          bytes.set(tail, length - 3 - (family === 6 ? shifts[i]! : 0));
          return bytes;
        }),
      ),
    )
    .map((list) => [...new Map(list.map((bytes) => [bytes.join(), bytes])).values()]);
};

describe.each([4, 6] as const)('IPv%d', (family) => {
  test('each known peer reaches its worker alone, others nobody; with open filters exactly one worker', () => {
    fc.assert(
      fc.property(
        addresses(family),
        fc.array(fc.uint8Array({ minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 }), {
          maxLength: 20,
        }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        (known, others, workers, open) => {
          const peers = known.map((address, i) => ({ address, worker: (i * 7) % workers }));
          const listening: Listening = { family, workers, peers, open };
          const raw = Array.from({ length: workers }, (_, worker) => rawFilter(worker, listening));
          const takers = (bytes: Uint8Array): number[] =>
            raw.flatMap((program, worker) => (runBpf(program, bytes) ? [worker] : []));
          const selector = udpSelector(listening);
          for (const { address, worker } of peers) {
            expect(takers(packet(address))).toEqual([worker]);
            expect(runBpf(selector, packet(address))).toBe(worker);
          }
          const keys = new Set(known.map((address) => address.join()));
          for (const address of others) {
            if (keys.has(address.join())) continue;
            expect(takers(packet(address)).length).toBe(open ? 1 : 0);
            const place = runBpf(selector, packet(address));
            if (open) expect(place).toBeLessThan(workers);
            else expect(place).toBe(workers);
            // The first worker gets a sample of them.
            const sampled = raw.map(
              (program) => runBpf(program, packet(address), 2 ** 32 / STRANGER_SAMPLE - 1) > 0,
            );
            if (!open) expect(sampled).toEqual(raw.map((_, worker) => worker === 0));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('a tree is no larger than said', () => {
    for (const count of [1, 10, 60, family === 4 ? 190 : 66]) {
      const peers = Array.from({ length: count }, (_, i) => {
        const address = new Uint8Array(family === 4 ? 4 : 16);
        // The worst: addresses that differ in their first word already.
        new DataView(address.buffer).setUint32(0, Math.imul(i + 1, 2654435761) >>> 0);
        return { address, worker: 0 };
      });
      const program = rawFilter(0, { family, workers: 1, peers, open: false });
      expect(program.length).toBeLessThanOrEqual(treeSize(family, count) + 4);
      expect(program.length).toBeLessThan(MOST_INSTRUCTIONS);
    }
  });
});

describe('assignment', () => {
  const peer = (n: number): Uint8Array => Uint8Array.of(198, 51, n >> 8, n & 255);

  test('two paths of a MAG get two workers, whatever their addresses', () => {
    for (let n = 0; n < 50; n++) {
      const assignment = new PeerAssignment(2);
      assignment.add('192.0.2.1', peer(n));
      assignment.add('192.0.2.2', peer(n));
      const workers = ['192.0.2.1', '192.0.2.2'].map(
        (local) => assignment.listening(local, 4).peers[0]!.worker,
      );
      expect(workers.sort()).toEqual([0, 1]);
    }
  });

  test('paths are balanced and keep their worker while others come and go', () => {
    const assignment = new PeerAssignment(4);
    const workerOf = (n: number): number | undefined =>
      assignment.listening('lma', 4).peers.find(({ address }) => address.join() === peer(n).join())?.worker;
    for (let n = 0; n < 100; n++) expect(assignment.add('lma', peer(n))).toBe(true);
    const before = Array.from({ length: 100 }, (_, n) => workerOf(n));
    for (let worker = 0; worker < 4; worker++) expect(before.filter((w) => w === worker).length).toBe(25);
    expect(assignment.add('lma', peer(5))).toBe(false);
    expect(assignment.remove('lma', peer(5))).toBe(false);
    for (let n = 0; n < 100; n += 2) expect(assignment.remove('lma', peer(n))).toBe(true);
    for (let n = 100; n < 150; n++) assignment.add('lma', peer(n));
    for (let n = 1; n < 100; n += 2) expect(workerOf(n)).toBe(before[n]);
    const loads = [0, 1, 2, 3].map(
      (worker) => assignment.listening('lma', 4).peers.filter((p) => p.worker === worker).length,
    );
    expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
  });

  test('more peers than a filter holds open it, until those without a worker are gone', () => {
    const assignment = new PeerAssignment(2);
    let changes = 0;
    for (let n = 0; n < 10_000; n++) if (assignment.add('lma', peer(n))) changes++;
    const { peers, open } = assignment.listening('lma', 4);
    expect(open).toBe(true);
    expect(peers.length).toBeGreaterThan(150);
    // One change a peer with a worker, and one that opens.
    expect(changes).toBe(peers.length + 1);
    for (let n = peers.length; n < 9_999; n++) expect(assignment.remove('lma', peer(n))).toBe(false);
    expect(assignment.remove('lma', peer(9_999))).toBe(true);
    expect(assignment.listening('lma', 4)).toMatchObject({ open: false, peers });
  });
});
