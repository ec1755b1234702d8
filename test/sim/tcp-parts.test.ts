/** Parts of the TCP model by themselves, against the RFCs and the formulas of Linux that they follow. */
import { describe, expect, it } from 'vitest';
import { Rack } from '../../src/sim/traffic/rack.ts';
import { RateReduction } from '../../src/sim/traffic/rate-reduction.ts';
import { ReceiveWindow } from '../../src/sim/traffic/receive-window.ts';
import { ReorderingWindow } from '../../src/sim/traffic/reordering-window.ts';
import { RetransmissionTimeout } from '../../src/sim/traffic/tcp-rto.ts';
import { Undo } from '../../src/sim/traffic/tcp-undo.ts';
import { WindowUsage } from '../../src/sim/traffic/window-usage.ts';

const MS = 1e6;

describe('retransmission time-out', () => {
  it('is a second before anything is measured (RFC 6298 §2.1), and twice as long after each time-out', () => {
    const rto = new RetransmissionTimeout();
    expect([1, 2, 4].map((backoff) => rto.wait(backoff))).toEqual([1e9, 2e9, 4e9]);
    expect(rto.wait(1024)).toBe(120e9);
  });

  it('is 200 ms above an even round trip, and three round trips after the first (RFC 6298 §2.2)', () => {
    const rto = new RetransmissionTimeout();
    rto.measure(400 * MS, 0, 10);
    expect(rto.wait(1)).toBe(1200 * MS);
    for (let round = 1; round < 100; round++) rto.measure(400 * MS, 10 * round, 10 * round + 10);
    expect(rto.wait(1) / MS).toBeCloseTo(600, 0);
  });

  it('grows at once with a longer round trip, and hardly with a shorter one', () => {
    const settled = (): RetransmissionTimeout => {
      const rto = new RetransmissionTimeout();
      for (let round = 0; round < 100; round++) rto.measure(400 * MS, 10 * round, 10 * round + 10);
      return rto;
    };
    const longer = settled();
    longer.measure(1000 * MS, 1000, 1010);
    expect(longer.wait(1) / MS).toBeCloseTo(400 + 600 / 8 + 600, 0);
    const shorter = settled();
    shorter.measure(10 * MS, 1000, 1010);
    expect(shorter.wait(1) / MS).toBeCloseTo(400 - 390 / 8 + 200, 0);
  });
});

describe('undo', () => {
  it('by timestamp: the echo is older than the first repetition (RFC 3522)', () => {
    const undo = new Undo();
    undo.begin(0);
    expect(undo.isDelayed(5)).toBe(false);
    undo.repeat(100);
    undo.repeat(120);
    expect([99, 100, 110].map((echo) => undo.isDelayed(echo))).toEqual([true, false, false]);
    undo.end();
    expect(undo.isDelayed(99)).toBe(false);
  });

  it('by D-SACK: everything sent again came twice (RFC 3708)', () => {
    const undo = new Undo();
    undo.begin(0);
    undo.duplicate(1);
    expect(undo.isRefuted).toBe(false);
    undo.repeat(100);
    undo.repeat(100);
    undo.duplicate(1);
    expect(undo.isRefuted).toBe(false);
    undo.duplicate(1);
    expect(undo.isRefuted).toBe(true);
  });

  it('by D-SACK: what was on its way before counts as well', () => {
    const undo = new Undo();
    undo.begin(1);
    undo.repeat(100);
    undo.duplicate(1);
    expect(undo.isRefuted).toBe(false);
    undo.duplicate(1);
    expect(undo.isRefuted).toBe(true);
  });
});

describe('what is due (RACK)', () => {
  it('is what was sent before the latest that has arrived, in a burst before its number', () => {
    const rack = new Rack();
    expect(rack.isOvertaken(0, 0)).toBe(false);
    rack.advance(5, 100, 150);
    const overtaken = ([segment, sentAt]: [number, number]): boolean => rack.isOvertaken(segment, sentAt);
    expect(
      (
        [
          [9, 99],
          [4, 100],
          [5, 100],
          [6, 100],
          [1, 101],
        ] as [number, number][]
      ).map(overtaken),
    ).toEqual([true, true, false, false, false]);
  });

  it('has the round trip of what arrived last, though it was sent earlier', () => {
    const rack = new Rack();
    rack.advance(5, 100, 150);
    rack.advance(2, 20, 160);
    expect(rack.rtt).toBe(140);
    expect(rack.isOvertaken(4, 100)).toBe(true);
  });

  it('is looked at again when the last of them will be, and 2 ms later, but not after a time-out', () => {
    const rack = new Rack();
    expect(rack.nextLook(10 * MS, 30 * MS, 200 * MS)).toBe(42 * MS);
    expect(rack.nextLook(10 * MS, 300 * MS, 200 * MS)).toBe(210 * MS);
  });
});

describe('receive window', () => {
  it('is 64 KiB at first, and never the limit of a slow start after that', () => {
    const window = new ReceiveWindow(0);
    expect(window.segments).toBe(46);
    window.measure(50 * MS);
    let came = 0;
    for (let round = 1; round <= 6; round++) {
      came += 10 * 2 ** (round - 1);
      window.advance(came, came, round * 50 * MS);
      expect(window.segments).toBeGreaterThan(10 * 2 ** round);
    }
  });

  it('is twice what a round trip brings where that grows slowly, and does not shrink', () => {
    const window = new ReceiveWindow(0);
    window.measure(100 * MS);
    window.advance(100, 100, 100 * MS);
    const opened = window.segments;
    window.advance(210, 210, 200 * MS);
    // 110 after 100: 2 * 110, and twice a tenth of that.
    expect(window.segments).toBe(Math.max(opened, 264));
    window.advance(220, 220, 300 * MS);
    expect(window.segments).toBe(Math.max(opened, 264));
  });

  it('has room for what waits for a hole, beside what a round trip brings', () => {
    const window = new ReceiveWindow(0);
    window.hold(10, 200);
    expect(window.segments).toBe(2 * 10 + 190);
    window.hold(10, 100);
    expect(window.segments).toBe(2 * 10 + 190);
  });

  it('smooths longer round trips and takes a shorter one at once', () => {
    const window = new ReceiveWindow(0);
    window.measure(80 * MS);
    window.measure(160 * MS);
    // 90 ms: too early after 85.
    window.advance(1000, 1000, 85 * MS);
    expect(window.segments).toBe(46);
    window.measure(40 * MS);
    window.advance(1000, 1000, 86 * MS);
    expect(window.segments).toBe(4096);
  });
});

it('proportional rate reduction sends half of what arrives, and comes down to the threshold (RFC 6937 §3)', () => {
  const reduction = new RateReduction();
  reduction.begin(100);
  let inFlight = 99;
  let sent = 0;
  for (let i = 0; i < 99; i++) {
    inFlight--;
    for (let window = reduction.window(1, inFlight, 50, true); inFlight < Math.floor(window); inFlight++) {
      reduction.send();
      sent++;
    }
  }
  expect(inFlight).toBe(50);
  expect(sent).toBe(50);
});

it('proportional rate reduction adds a segment only where losses are being mended (tcp_cwnd_reduction)', () => {
  const window = (isSound: boolean): number => {
    const reduction = new RateReduction();
    reduction.begin(100);
    reduction.send();
    reduction.send();
    return reduction.window(2, 20, 50, isSound);
  };
  expect([window(false), window(true)]).toEqual([22, 23]);
});

it('a window that is not used does not grow, but for slow start up to twice what is used', () => {
  const usage = new WindowUsage();
  usage.note(0, 10, 10, 10);
  expect(usage.mayGrow(10, false)).toBe(true);
  // A round trip later only 8 are there to be sent.
  usage.note(10, 18, 8, 20);
  expect([usage.mayGrow(20, false), usage.mayGrow(20, true), usage.mayGrow(15, true)]).toEqual([
    false,
    false,
    true,
  ]);
});

it('the reordering window is a quarter of a round trip, wider with each round of D-SACK, for 16 recoveries (RFC 8985 §6.2)', () => {
  const window = new ReorderingWindow();
  const width = (isRecovering: boolean, sacked: number): number =>
    window.width(40, 100, isRecovering, sacked);
  expect([width(false, 1), width(false, 3), width(true, 1)]).toEqual([10, 0, 0]);
  // D-SACK alone says nothing of reordering.
  window.widen(99);
  expect([width(false, 1), width(true, 1)]).toEqual([10, 0]);
  window.overtaken(1);
  expect([width(false, 3), width(true, 3), window.isLarge]).toEqual([10, 10, false]);
  window.overtaken(4);
  expect(window.isLarge).toBe(true);
  window.widen(100);
  window.widen(100);
  expect(width(true, 3)).toBe(20);
  for (let round = 101; round < 120; round++) window.widen(round);
  expect(width(true, 3)).toBe(100);
  for (let i = 0; i < 15; i++) window.recovered();
  expect(width(true, 3)).toBe(100);
  window.recovered();
  expect(width(true, 3)).toBe(10);
});
