/** Readiness: what is readable is reported until it is read, and a busy descriptor leaves others and the event loop their turns. */
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { EventCounter } from '../../src/net/event-counter.ts';
import { Readiness } from '../../src/net/readiness.ts';

test('descriptors that are never read are reported again and again, timers run meanwhile, and a watch ends when told to', async () => {
  const readiness = new Readiness();
  const counters = [new EventCounter(), new EventCounter(), new EventCounter()];
  try {
    const reports = counters.map(() => 0);
    const unwatch = counters.map(({ fd }, i) => readiness.watch(fd, () => reports[i]!++));
    const [busy, other] = counters;
    busy!.signal();
    while (reports[0]! < 100) await pause(1);
    expect(reports).toEqual([expect.any(Number), 0, 0]);
    other!.signal();
    while (reports[1]! < 100) await pause(1);
    unwatch[0]!();
    const last = reports[0];
    const before = reports[1]!;
    while (reports[1]! < before + 100) await pause(1);
    expect(reports[0]).toBe(last);
  } finally {
    await readiness.stop();
    for (const counter of counters) counter.close();
  }
});
