/** Weighted schedules: exact in every window of whole periods, smooth, also with threads drawing tickets. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { buildSchedule } from '../../src/dataplane/schedule-table.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { testPath, testSession } from '../support/session.ts';

const packet = innerPacket({ family: 4, payload: new Uint8Array(8) });

describe('buildSchedule', () => {
  test.each([
    [[1, 1], '01'],
    [[3, 2], '01010'],
    [[4, 2], '010'],
    [[5, 1], '000100'],
    [[7, 1], '00001000'],
    [[2, 0], '0'],
    [[1, 1, 1], '012'],
  ])('%j is %s', (weights, expected) => {
    expect([...buildSchedule(weights)].join('')).toBe(expected);
  });

  test('every path is at most one packet away from its ideal share at every point of the period', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 6 }), (weights) => {
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const schedule = buildSchedule(weights);
        if (!total) {
          expect(schedule.length).toBe(0);
          return;
        }
        const count = weights.map(() => 0);
        schedule.forEach((path, i) => {
          count[path]!++;
          weights.forEach((weight, p) => {
            expect(Math.abs(count[p]! - ((i + 1) * weight) / total)).toBeLessThan(weights.length);
          });
        });
        const divisor = total / schedule.length;
        expect(count).toEqual(weights.map((weight) => weight / divisor));
      }),
    );
  });

  test('refuses what cannot be a schedule', () => {
    expect(() => buildSchedule([1.5, 1])).toThrow(/not an integer/);
    expect(() => buildSchedule([65535, 65534])).toThrow(/period/);
  });
});

describe('packets on paths', () => {
  const pathsOf = (node: BenchNode, count: number): number[] =>
    node.encapsulate(Array.from({ length: count }, () => packet)).sent.map((sent) => sent.endpoint);

  test('any window of k periods holds exactly k*n : k*m, across the wrap of the sequence number too', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom(0n, 0xffff_ff80n, 0x1_2345_6789_abcdn),
        // One worker alone draws tickets in another way than several (assembly/memory/shared.ts).
        fc.constantFrom(1, 2),
        (n, m, ticket, workers) => {
          const node = new BenchNode('mag').add(
            testSession({ paths: [testPath(1, { weight: n }), testPath(2, { weight: m })] }),
          );
          node.memory.setControl(L.CONTROL_WORKER_COUNT, workers);
          node.memory.u64[(node.memory.session(0) + L.SESSION_TICKET) / 8] = ticket;
          const used = pathsOf(node, 256);
          const period = buildSchedule([n, m]).length;
          const share = (n * period) / (n + m);
          for (let start = 0; start + period <= used.length; start++) {
            const first = used.slice(start, start + period).filter((path) => path === 0).length;
            expect(first).toBe(share);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('new weights hold from the first packet on, and no number is lost or doubled', () => {
    const node = new BenchNode('mag').add(testSession());
    expect(pathsOf(node, 10).filter((path) => path === 0).length).toBe(5);
    node.sessions.setWeights('mn1', new Map([[1, 3]]));
    const used = pathsOf(node, 40);
    for (let start = 0; start + 4 <= used.length; start += 4) {
      expect(used.slice(start, start + 4).filter((path) => path === 0).length).toBe(3);
    }
    expect(node.memory.u64[(node.memory.session(0) + L.SESSION_TICKET) / 8]).toBe(50n);
  });

  test('a path of weight 0 carries nothing', () => {
    const node = new BenchNode('mag').add(testSession());
    node.sessions.setWeights('mn1', new Map([[2, 0]]));
    expect(new Set(pathsOf(node, 50))).toEqual(new Set([0]));
  });
});
