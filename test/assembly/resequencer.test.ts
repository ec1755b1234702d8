/** The resequencer case by case; what holds for whatever arrives: resequencer-properties.test.ts. */
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { BenchNode, type SentPacket } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import {
  MAX_WAIT,
  collectUntil,
  deliver,
  numberOf,
  numbered,
  pair,
  renumber,
  startAt,
} from '../support/numbered-packets.ts';
import { mirrored, testSession } from '../support/session.ts';

describe('the cases one by one', () => {
  test('a hole that is filled delivers everything in order, at once', () => {
    const { mag, lma } = pair();
    const sent = numbered(mag, 0, 6);
    expect(deliver(lma, sent, [0, 1, 3, 5])).toEqual([0, 1]);
    expect(deliver(lma, sent, [2])).toEqual([2, 3]);
    expect(deliver(lma, sent, [4])).toEqual([4, 5]);
    expect(lma.resequencer()).toMatchObject({
      inOrder: 4,
      reordered: 2,
      late: 0,
      lostProven: 0,
      lostTimeout: 0,
    });
  });

  test('the timer of a hole is given up when the hole is filled', () => {
    const { mag, lma } = pair();
    const sent = numbered(mag, 0, 3);
    const timers = (): number => lma.memory.u32[(lma.worker + L.WORKER_TIMER_COUNT) / 4]!;
    deliver(lma, sent, [0, 2]);
    expect(lma.wasm.nextDeadline(lma.worker)).toBeGreaterThan(lma.now);
    expect(timers()).toBe(1);
    deliver(lma, sent, [1]);
    expect(lma.wasm.nextDeadline(lma.worker)).toBe(0);
    expect(timers()).toBe(0);
  });

  test('a loss is proven as soon as both paths have delivered a later number, without any time passing', () => {
    const { mag, lma } = pair();
    const sent = numbered(mag, 0, 8);
    // Even numbers travel on path 1, odd ones on path 2; number 2 is lost.
    expect(deliver(lma, sent, [0, 1, 3])).toEqual([0, 1]);
    expect(deliver(lma, sent, [4])).toEqual([3, 4]);
    expect(lma.resequencer()).toMatchObject({ lostProven: 1, lostTimeout: 0 });
  });

  test('after a pause a path is not silent just because another one is read first', () => {
    const { mag, lma } = pair();
    const before = numbered(mag, 0, 40);
    for (const packet of before) {
      lma.decapsulate(packet.endpoint, [packet.bytes]);
      lma.now += MAX_WAIT / 20;
    }
    // Path 2 delivered last; then nobody does for longer than the maximum wait.
    lma.advance(lma.now + 3 * MAX_WAIT);
    const after = numbered(mag, 40, 40);
    const batchOf = (path: number): SentPacket[] => after.filter((_, i) => i % 2 === path);
    const first = lma.decapsulate(
      batchOf(0)[0]!.endpoint,
      batchOf(0).map((sent) => sent.bytes),
    );
    expect(first.map(numberOf)).toEqual([40]);
    const rest = lma.decapsulate(
      batchOf(1)[0]!.endpoint,
      batchOf(1).map((sent) => sent.bytes),
    );
    expect(rest.map(numberOf)).toEqual(Array.from({ length: 39 }, (_, i) => 41 + i));
    expect(lma.resequencer()).toMatchObject({ late: 0, lostProven: 0, lostTimeout: 0 });
  });

  test('a path that stays silent while the other delivers stops holding up the proof', () => {
    const { mag, lma } = pair();
    const sent = numbered(mag, 0, 400);
    deliver(lma, sent, [0, 1, 2, 3]);
    const out: number[] = [];
    for (let i = 4; i < 400; i += 2) {
      out.push(...deliver(lma, sent, [i]));
      lma.now += MAX_WAIT / 16;
    }
    // Path 2 is dead: once that is known, its numbers are given up as soon as path 1 is past them.
    expect(out.at(-1)).toBe(398);
    expect(lma.resequencer().lostProven).toBeGreaterThan(150);
  });

  test('while something is unread a gap is not given up before the maximum wait', () => {
    const { mag, lma } = pair({ provenLoss: false });
    const sent = numbered(mag, 0, 40);
    // Teaches the session that packets come within a millisecond.
    for (let i = 0; i < 20; i += 2) deliver(lma, sent, [i + 1, i]);
    deliver(lma, sent, [21]);
    const held = lma.now;
    const expire = (now: number, drained: number): number[] => {
      lma.now = now;
      lma.wasm.expire(lma.worker, now, drained);
      return lma.deliveries().map(numberOf);
    };
    expect(expire(held + MAX_WAIT / 2, held)).toEqual([]);
    // The thread was late, not the packet: it is found unread, and nothing was given up.
    expect(deliver(lma, sent, [20])).toEqual([20, 21]);
    expect(deliver(lma, sent, [23])).toEqual([]);
    // It taught the session a wait of more than half the maximum, though.
    expect(expire(lma.now + MAX_WAIT * 0.9, lma.now + MAX_WAIT * 0.9)).toEqual([23]);
    expect(deliver(lma, sent, [25])).toEqual([]);
    expect(expire(lma.now + MAX_WAIT, 0)).toEqual([25]);
    expect(lma.resequencer()).toMatchObject({ late: 0, lostTimeout: 2 });
  });

  test('while another worker may have something unread, neither', () => {
    const { mag, lma } = pair({ provenLoss: false });
    const sent = numbered(mag, 0, 40);
    for (let i = 0; i < 20; i += 2) deliver(lma, sent, [i + 1, i]);
    deliver(lma, sent, [21]);
    const held = lma.now;
    lma.memory.setControl(L.CONTROL_WORKER_COUNT, 2);
    const other = lma.wasm.workerAddress(1);
    lma.wasm.startRound(other, held);
    lma.advance(held + MAX_WAIT / 2);
    expect(lma.resequencer()).toMatchObject({ lostTimeout: 0, held: 1 });
    lma.wasm.passBatchEnd(other, true);
    expect(lma.advance(held + MAX_WAIT / 2 + 1).map(numberOf)).toEqual([21]);
  });

  test('with provenLoss off the same loss waits for the time-out', () => {
    const { mag, lma } = pair({ provenLoss: false });
    const sent = numbered(mag, 0, 8);
    expect(deliver(lma, sent, [0, 1, 3, 4, 5])).toEqual([0, 1]);
    expect(lma.advance(lma.now + MAX_WAIT).map(numberOf)).toEqual([3, 4, 5]);
    expect(lma.resequencer()).toMatchObject({ lostProven: 0, lostTimeout: 1 });
  });

  test('a late packet is delivered by default and dropped when so configured', () => {
    for (const late of ['deliver', 'drop'] as const) {
      const { mag, lma } = pair({ late });
      const sent = numbered(mag, 0, 4);
      deliver(lma, sent, [0, 2]);
      lma.advance(lma.now + MAX_WAIT);
      expect(deliver(lma, sent, [1])).toEqual(late === 'deliver' ? [1] : []);
      expect(deliver(lma, sent, [1])).toEqual([]);
      expect(lma.resequencer()).toMatchObject({ late: 1, duplicates: 1 });
      expect(lma.drops).toEqual(late === 'deliver' ? { duplicate: 1 } : { duplicate: 1, late: 1 });
    }
  });

  test('a full window gives up the oldest numbers', () => {
    const { mag, lma } = pair({ provenLoss: false });
    const sent = numbered(mag, 0, 100);
    expect(deliver(lma, sent, [0])).toEqual([0]);
    const held = Array.from({ length: 63 }, (_, i) => i + 2);
    expect(deliver(lma, sent, held)).toEqual([]);
    expect(deliver(lma, sent, [65])).toEqual([...held, 65]);
    expect(lma.resequencer()).toMatchObject({ lostWindow: 1 });
  });

  test('a restarted sender is recognised within a few packets, none of which is lost', () => {
    const { mag, lma } = pair();
    startAt(mag, 1_000_000n);
    const old = numbered(mag, 0, 200);
    expect(deliver(lma, old, [...old.keys()]).length).toBe(200);
    startAt(mag, 0n);
    const fresh = numbered(mag, 1000, 10);
    expect(deliver(lma, fresh, [...fresh.keys()])).toEqual(Array.from({ length: 10 }, (_, i) => 1000 + i));
    expect(lma.resequencer()).toMatchObject({ restarts: 1 });
    expect(lma.drops).toEqual({});
  });

  test('a sender that is known to have begun anew: its numbers are no duplicates, and only the first one moves the window', () => {
    const { mag, lma } = pair();
    const old = numbered(mag, 0, 20);
    expect(deliver(lma, old, [...old.keys()]).length).toBe(20);
    startAt(mag, 0n);
    const fresh = numbered(mag, 1000, 20);
    expect(deliver(lma, fresh, [0, 1])).toEqual([]);
    renumber(lma);
    expect(deliver(lma, fresh, [2, 3, 5])).toEqual([1002, 1003]);
    expect(deliver(lma, fresh, [4, 3, 6])).toEqual([1004, 1005, 1006]);
    expect(deliver(lma, fresh, [7, 8, 9])).toEqual([1007, 1008, 1009]);
    expect(lma.resequencer()).toMatchObject({ restarts: 1, duplicates: 3 });
    // What it sends far away moves the window as ever, and then nothing is left to be expected.
    renumber(lma);
    startAt(mag, 5_000_000n);
    const far = numbered(mag, 2000, 6);
    expect(deliver(lma, far, [0, 1, 2, 3, 4])).toEqual([2000, 2001, 2002, 2003, 2004]);
    expect(deliver(lma, far, [3, 5])).toEqual([2005]);
    expect(lma.resequencer()).toMatchObject({ restarts: 2, duplicates: 4 });
  });

  test('a single stray number far away is dropped and does no harm', () => {
    const { mag, lma } = pair();
    const sent = numbered(mag, 0, 10);
    startAt(mag, 500_000n);
    const stray = numbered(mag, 9999, 1);
    expect(deliver(lma, sent, [0, 1, 2])).toEqual([0, 1, 2]);
    expect(deliver(lma, stray, [0])).toEqual([]);
    expect(deliver(lma, sent, [3, 4, 5])).toEqual([3, 4, 5]);
    expect(lma.drops).toEqual({ 'sequence-jump': 1 });
    expect(lma.resequencer()).toMatchObject({ restarts: 0 });
  });

  test('an old duplicate that stays alone goes out late and does not move the window', () => {
    const { mag, lma } = pair();
    startAt(mag, 1_000_000n);
    const sent = numbered(mag, 0, 210);
    expect(deliver(lma, sent, [...sent.keys()].slice(0, 200)).length).toBe(200);
    expect(deliver(lma, sent, [10])).toEqual([]);
    expect(lma.advance(lma.now + MAX_WAIT).map(numberOf)).toEqual([10]);
    expect(deliver(lma, sent, [200, 201, 202, 203, 204, 205])).toEqual([200, 201, 202, 203, 204, 205]);
    // A later one finds no trace of it.
    expect(deliver(lma, sent, [11])).toEqual([]);
    expect(deliver(lma, sent, [206, 207])).toEqual([206, 207]);
    expect(lma.resequencer()).toMatchObject({ restarts: 0, late: 1 });
    expect(lma.drops).toEqual({ 'sequence-jump': 1 });
  });

  test('a restarted sender that sends seldom: the first goes out after the maximum wait, the second at once', () => {
    const { mag, lma } = pair();
    startAt(mag, 1_000_000n);
    const old = numbered(mag, 0, 100);
    deliver(lma, old, [...old.keys()]);
    lma.advance(lma.now + 10 * MAX_WAIT);
    startAt(mag, 0n);
    const fresh = numbered(mag, 500, 5);
    expect(deliver(lma, fresh, [0])).toEqual([]);
    expect(lma.advance(lma.now + MAX_WAIT).map(numberOf)).toEqual([500]);
    lma.advance(lma.now + 10 * MAX_WAIT);
    expect(deliver(lma, fresh, [0])).toEqual([]);
    expect(deliver(lma, fresh, [1])).toEqual([501]);
    expect(deliver(lma, fresh, [2, 3, 4])).toEqual([502, 503, 504]);
    expect(lma.resequencer()).toMatchObject({ restarts: 1, duplicates: 1 });
    expect(lma.drops).toEqual({ duplicate: 1 });
  });

  test('other keys are another other end: neither its first numbers nor ours are taken for old ones', () => {
    const { mag, lma } = pair();
    const first = numbered(mag, 0, 20);
    expect(deliver(lma, first, [...first.keys()]).length).toBe(20);
    const downlink = { family: 4, source: '203.0.113.200', destination: '192.0.2.10' } as const;
    const answer = (): SentPacket[] =>
      lma.encapsulate([innerPacket({ ...downlink, payload: new Uint8Array(4) })]).sent;
    answer();
    const before = lma.sessions.spec('mn1');
    // More often than there are records and heap for.
    for (let round = 1; round <= 100; round++) {
      const moved = before.paths.map((path) => ({ ...path, remote: `198.51.100.${100 + path.bid}` }));
      const after = { ...before, sendKey: round, paths: moved };
      const other = new BenchNode('mag').add(mirrored(after));
      lma.sessions.update(after);
      lma.grace.collect();
      const sent = numbered(other, 500, 10);
      expect(deliver(lma, sent, [...sent.keys()])).toEqual(Array.from({ length: 10 }, (_, i) => 500 + i));
      const [back] = answer();
      expect(other.decapsulate(back!.endpoint, [back!.bytes])).toHaveLength(1);
    }
    expect(lma.drops).toEqual({});
    const { resequencer, paths } = lma.sessions.status('mn1');
    expect(resequencer).toMatchObject({ inOrder: 10, duplicates: 0, lostTimeout: 0 });
    expect(paths.map(({ rxPackets }) => rxPackets)).toEqual([510, 510]);
  });

  test('a receiver that joins later starts with the first number it sees', () => {
    const { mag, lma } = pair();
    startAt(mag, 77_777_777n);
    const sent = numbered(mag, 0, 5);
    expect(deliver(lma, sent, [0, 1, 2, 3, 4])).toEqual([0, 1, 2, 3, 4]);
  });
});

test('a path that was idle and is used again is taken for silent once, not again and again', () => {
  const session = testSession({
    resequencer: { window: 4096, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
  });
  const mag = new BenchNode('mag').add(session);
  const lma = new BenchNode('lma').add(mirrored(session));
  const packet = innerPacket({ family: 4, payload: new Uint8Array(20) });
  const feed = (sent: readonly SentPacket[]): void => {
    for (const { endpoint, bytes } of sent) {
      lma.now += 1000;
      lma.advance(lma.now);
      lma.decapsulate(endpoint, [bytes]);
    }
  };
  const send = (count: number): readonly SentPacket[] =>
    mag.encapsulate(Array.from({ length: count }, () => packet)).sent;
  /** Path 2 is left out for a while; then it is used again, and its packets come after those of path 1. */
  const idleAndBack = (): void => {
    mag.sessions.setWeights('mn1', new Map([[2, 0]]));
    feed(send(600));
    mag.sessions.setWeights('mn1', new Map([[2, 1]]));
    const sent = send(20);
    const [first, second] = [sent[0]!.endpoint, sent[1]!.endpoint];
    feed(sent.filter(({ endpoint }) => endpoint === first));
    feed(sent.filter(({ endpoint }) => endpoint === second));
    feed(send(20));
  };
  feed(send(20));
  idleAndBack();
  const { lostProven } = lma.resequencer();
  expect(lostProven).toBeGreaterThan(0);
  idleAndBack();
  idleAndBack();
  expect(lma.resequencer().lostProven).toBe(lostProven);
  lma.advance(lma.now + 1_000_000);
  expect(lma.resequencer().held).toBe(0);
});

describe('paths made equally long', () => {
  test('what comes over the shorter path goes when it is due, in order; what comes over the longer one at once', () => {
    const { mag, lma } = pair();
    const sent = numbered(mag, 0, 12);
    lma.sessions.setPathEstimates('mn1', 1, { holdUs: 20_000 });
    const start = lma.now;
    const out: { number: number; at: number }[] = [];
    const collect = (packets: readonly Uint8Array[]): void => {
      for (const packet of packets) out.push({ number: numberOf(packet), at: lma.now - start });
    };
    const arrive = (index: number): void =>
      collect(lma.decapsulate(sent[index]!.endpoint, [sent[index]!.bytes]));
    // Path 1 has the even numbers; all six come within 5 ms, those of path 2 20 ms later than their neighbours.
    for (let i = 0; i < 12; i += 2) {
      collectUntil(lma, start + i * 500, collect);
      arrive(i);
    }
    for (let i = 1; i < 12; i += 2) {
      collectUntil(lma, start + 20_000 + i * 500, collect);
      arrive(i);
    }
    collectUntil(lma, start + 60_000, collect);
    expect(out.map(({ number }) => number)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    for (const { number, at } of out) {
      expect(at).toBeGreaterThanOrEqual(20_000 + number * 500);
      // A timer's step.
      expect(at).toBeLessThanOrEqual(21_000 + number * 500);
    }
    expect(lma.resequencer()).toMatchObject({ late: 0, lostTimeout: 0, lostProven: 0, held: 0 });
  });

  test('a single packet of the shorter path is held too, as if it had come over the longer one', () => {
    const { mag, lma } = pair();
    lma.sessions.setPathEstimates('mn1', 1, { holdUs: 20_000 });
    const [sent] = numbered(mag, 0, 1);
    expect(lma.decapsulate(sent!.endpoint, [sent!.bytes])).toEqual([]);
    expect(lma.advance(lma.now + 19_000)).toEqual([]);
    expect(lma.advance(lma.now + 2_000)).toHaveLength(1);
  });

  test('a full window does not wait', () => {
    const { mag, lma } = pair();
    lma.sessions.setPathEstimates('mn1', 1, { holdUs: 40_000 });
    lma.sessions.setPathEstimates('mn1', 2, { holdUs: 40_000 });
    const sent = numbered(mag, 0, 200);
    const early = deliver(
      lma,
      sent,
      Array.from({ length: 200 }, (_, i) => i),
    );
    // All but a window of 64 are out.
    expect(early).toEqual(Array.from({ length: 136 }, (_, i) => i));
    expect(lma.advance(lma.now + 50_000).map(numberOf)).toEqual(
      Array.from({ length: 64 }, (_, i) => 136 + i),
    );
    expect(lma.resequencer()).toMatchObject({ lostWindow: 0, held: 0 });
  });
});

test('an idle path over which probes come may be used at any moment: its numbers are not given up by proof', () => {
  const { mag, lma } = pair();
  const sent = numbered(mag, 0, 400);
  deliver(lma, sent, [0, 1, 2, 3]);
  const path = lma.memory.path(lma.sessions.installed('mn1', 2)!.number);
  for (let i = 4; i < 200; i += 2) {
    lma.memory.u64[(path + L.PATH_RX_PROBED) / 8] = BigInt(lma.now);
    deliver(lma, sent, [i]);
    lma.now += MAX_WAIT / 16;
  }
  expect(lma.resequencer().lostProven).toBe(0);
  // Its probes cease as well: it is silent.
  for (let i = 200; i < 400; i += 2) {
    deliver(lma, sent, [i]);
    lma.now += MAX_WAIT / 16;
  }
  expect(lma.resequencer().lostProven).toBeGreaterThan(0);
});
