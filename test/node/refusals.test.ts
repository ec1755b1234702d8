import { expect, test } from 'vitest';
import { Refusals } from '../../src/node/refusals.ts';

test('each peer and reason is told once in ten minutes, also after the clock has been set back', () => {
  const told: string[] = [];
  const refusals = new Refusals((peer, why) => told.push(`${peer} ${why}`));
  const start = 1_700_000_000_000;
  for (let second = 0; second < 1201; second++) refusals.note('2001:db8::1', 'wrong', start + second * 1000);
  expect(told).toHaveLength(3);
  refusals.note('2001:db8::1', 'absent', start + 1_200_000);
  refusals.note('2001:db8::2', 'wrong', start + 1_200_000);
  expect(told.slice(3)).toEqual(['2001:db8::1 absent', '2001:db8::2 wrong']);
  refusals.note('2001:db8::2', 'wrong', start);
  expect(told).toHaveLength(6);
});

test('a flood of invented addresses is told ten times a minute', () => {
  let told = 0;
  const refusals = new Refusals(() => void told++);
  for (let n = 0; n < 60_000; n++)
    refusals.note(`2001:db8::${n.toString(16)}`, 'absent', 1_700_000_000_000 + n * 2);
  expect(told).toBe(20);
});
