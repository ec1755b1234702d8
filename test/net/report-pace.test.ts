/** The pace of reports: prompt for a few, in even steps for many, prompt again after a while. */
import { expect, test } from 'vitest';
import { ReportPace } from '../../src/net/report-pace.ts';

/** Milliseconds between reports of something that is always readable, if reporting itself takes none. */
function stepsFrom(pace: ReportPace, start: number, count: number): number[] {
  let now = start;
  return Array.from({ length: count }, () => {
    const rest = pace.restAfterReport(now);
    now += rest;
    return rest;
  });
}

test('the first reports follow each other at once, the rest every 10 ms', () => {
  const pace = new ReportPace();
  expect(stepsFrom(pace, 5000, 12)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 10, 10, 10, 10]);
});

test('who has been silent is prompt again, by as many reports as 10 ms fit into the silence', () => {
  const pace = new ReportPace();
  stepsFrom(pace, 0, 12);
  expect(stepsFrom(pace, 40 + 30, 5)).toEqual([0, 0, 0, 10, 10]);
  expect(stepsFrom(pace, 10_000, 9)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 10]);
});

test('messages further apart than 10 ms never wait', () => {
  const pace = new ReportPace();
  expect(Array.from({ length: 100 }, (_, i) => pace.restAfterReport(i * 11))).toEqual(
    Array.from({ length: 100 }, () => 0),
  );
});
