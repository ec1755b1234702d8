/** RFC 5213 §5.5: a PBU that was long on its way is refused by its timestamp; that is no fault of the MAG's clock. */
import { expect, it } from 'vitest';
import { Status } from '../../../src/pmipv6/wire/numbers.ts';
import { timestampOf } from '../../../src/pmipv6/wire/option/timestamp.ts';
import { LTE, MagBench } from '../../support/mag-bench.ts';

/** Milliseconds until the PBU after one that status 156 has answered; `theirs` is the LMA's clock less ours. */
function wait(theirs: number): number {
  const bench = new MagBench();
  const [first] = bench.up('lte', LTE);
  bench.advance(700);
  const replace = [timestampOf(bench.now.utc + theirs)];
  bench.answer(first!, { status: Status.TIMESTAMP_MISMATCH, replace });
  const start = bench.now.elapsed;
  for (let waited = 0; waited < 60_000; waited += 10)
    if (bench.pass(10).length) return bench.now.elapsed - start;
  throw new Error('nothing was sent');
}

it('156 with a time of the LMA that agrees with ours: the next transmission comes as if there had been no answer', () => {
  expect(wait(0)).toBeLessThanOrEqual(300);
  expect(wait(-600)).toBeLessThanOrEqual(300);
});

it('156 with a time that differs: only a corrected clock helps, so the LMA is left alone for long', () => {
  expect(wait(5000)).toBeGreaterThan(20_000);
  expect(wait(-5000)).toBeGreaterThan(20_000);
});
