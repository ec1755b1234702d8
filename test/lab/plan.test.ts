/** Paths of a lab from the command line. */
import { expect, it } from 'vitest';
import { planPaths } from '../../src/lab/plan.ts';

const COMMON = { weights: '1:1', encapsulation: null, family: '4' };

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
  [['a', 'a'], '--path a: there is a device of this name already'],
  [['lo', 'b'], '--path lo: there is a device of this name already'],
  [['b', 'tun0'], '--path tun0: there is a device of this name already'],
  [['a,trace=/nonexistent/x=y'], '/nonexistent/x=y: ENOENT'],
  [['a,weight=0'], 'all weights are 0'],
])('%j is refused', (paths, message) => {
  expect(() => planPaths({ ...COMMON, paths })).toThrow(message);
});
