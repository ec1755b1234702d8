/**
 * Small scenarios as tables: a change of a scheduler, the resequencer or a model shows here. Look at the difference, and
 * update the snapshot only if it is meant.
 */
import { expect, it } from 'vitest';
import { simulate, testLink, testSpec } from './support.ts';

const SCENARIOS = {
  'equal delay, 2:1 rate': [testLink(40, 10), testLink(20, 10)],
  'equal rate, 1:4 delay': [testLink(30, 10), testLink(30, 40)],
  'loss on one': [testLink(30, 10, { loss: { model: 'random', probability: 0.01 } }), testLink(30, 10)],
};
const SCHEDULERS = [
  'weighted',
  'deficit',
  'flow-hash',
  'lowest-delay',
  'edpf',
  'blest',
  'ecf',
  'redundant',
] as const;
const STREAM = { model: 'poisson', rate: 24e6, packet: 1200 } as const;

it.each(Object.entries(SCENARIOS))('%s, 24 Mbit/s of datagrams', (_, links) => {
  const rows = SCHEDULERS.map((scheduler) => {
    const { goodput, delay, reorderedBefore, reorderedAfter, lossRatio, directions } = simulate(
      testSpec(links, [STREAM], { duration: 2e9 }),
      { scheduler },
    );
    const share = directions.downlink.paths[0]!.share;
    return [
      scheduler.padEnd(13),
      `${(goodput / 1e6).toFixed(1)} Mbit/s`,
      `first ${(100 * share).toFixed(0).padStart(3)} %`,
      `p50 ${delay.p50.toFixed(1)} p99 ${delay.p99.toFixed(1)} ms`,
      `reordered ${(100 * reorderedBefore).toFixed(1)} -> ${(100 * reorderedAfter).toFixed(2)} %`,
      `lost ${(100 * lossRatio).toFixed(2)} %`,
    ].join('  ');
  });
  expect(`\n${rows.join('\n')}\n`).toMatchSnapshot();
});
