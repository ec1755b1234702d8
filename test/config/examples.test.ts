/** The configurations that the documentation offers are good ones, and MAG and LMA fit each other. */
import { expect, test } from 'vitest';
import { loadLmaConfig } from '../../src/config/lma-config.ts';
import { loadMagConfig } from '../../src/config/mag-config.ts';

const FOLDER = new URL('../../docs/examples/rfc8278/', import.meta.url).pathname;

test('figures 1 and 2 of RFC 8278', () => {
  const mag = loadMagConfig(`${FOLDER}mag.yaml`);
  const lma = loadLmaConfig(`${FOLDER}lma.yaml`);
  expect(lma.addresses).toContain(mag.machine.lma.ipv6);
  for (const { careOf } of mag.machine.interfaces) {
    const trusted = lma.machine.mags.find(({ prefix }) => prefix === `${careOf}/128`);
    expect(trusted?.identity).toBe(mag.machine.identity);
  }
  expect(mag.machine.interfaces.map(({ name, bid }) => [name, bid])).toEqual([
    ['lte0', 1],
    ['wlan0', 2],
  ]);
  // What the LMA falls back on is by the labels that the MAG uses.
  expect([...lma.weights.labels.keys()].sort((a, b) => a - b)).toEqual(
    mag.machine.interfaces.map(({ label }) => label).sort((a, b) => a - b),
  );
});
