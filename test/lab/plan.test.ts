/** Paths of a lab from the command line. */
import { expect, it } from 'vitest';
import { planPaths } from '../../src/lab/plan.ts';

const COMMON = { weights: null, encapsulation: null, family: '4' };

it('takes names, weights and links', () => {
  const paths = planPaths({
    ...COMMON,
    weights: '3:2',
    paths: ['lte,rate=10mbit/50mbit', 'wlan,family=6,weight=5'],
  });
  expect(paths).toMatchObject([
    {
      name: 'lte',
      weight: 3,
      encapsulation: 'udp-gre',
      link: { uplink: { rate: 10e6 }, downlink: { rate: 50e6 } },
    },
    { name: 'wlan', weight: 5, encapsulation: 'gre', link: null },
  ]);
});

it.each([
  [null, [], [3, 2]],
  ['7:1:1', [], [7, 1, 1]],
  [null, ['a', 'b'], [1, 1]],
  [null, ['dsl,rate=10mbit/50mbit', 'lte,rate=20mbit/80mbit'], [3, 5]],
  [null, ['dsl,rate=50mbit', 'lte,rate=80mbit,weight=1'], [1, 1]],
  [null, ['dsl,rate=50mbit', 'lte,delay=20ms'], [1, 1]],
  ['1:9', ['dsl,rate=50mbit', 'lte,rate=80mbit'], [1, 9]],
])('--weights %s with %j: %j', (weights, paths, expected) => {
  expect(planPaths({ ...COMMON, weights, paths }).map(({ weight }) => weight)).toEqual(expected);
});

it.each([
  ['3:2:1', ['a', 'b'], '--weights 3:2:1: 3 weight(s) for 2 path(s)'],
  ['3', ['a', 'b'], '--weights 3: 1 weight(s) for 2 path(s)'],
])('--weights %s with %j is refused', (weights, paths, message) => {
  expect(() => planPaths({ ...COMMON, weights, paths })).toThrow(message);
});

it.each([
  [['a', 'a'], '--path a: there is a device of this name already'],
  [['lo', 'b'], '--path lo: there is a device of this name already'],
  [['b', 'tun0'], '--path tun0: there is a device of this name already'],
  [['a,trace=/nonexistent/x=y'], '/nonexistent/x=y: ENOENT'],
  [['a,weight=0'], 'all weights are 0'],
])('%j is refused', (paths, message) => {
  expect(() => planPaths({ ...COMMON, paths })).toThrow(message);
});
