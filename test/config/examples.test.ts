/** The configurations that the documentation offers are good ones, and MAG and LMA fit each other. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadLmaConfig, parseLmaConfig } from '../../src/config/lma-config.ts';
import { loadMagConfig, parseMagConfig } from '../../src/config/mag-config.ts';

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

test('a link-aggregation box and its concentrator', () => {
  const folder = new URL('../../docs/examples/aggregation/', import.meta.url).pathname;
  const keys = mkdtempSync(join(tmpdir(), 'tunloom-keys-'));
  for (const box of [1, 2]) writeFileSync(`${keys}/box${box}.key`, `${box}`.repeat(40));
  const text = (name: string): string => readFileSync(folder + name, 'utf8').replaceAll('/etc/tunloom', keys);
  const box = parseMagConfig(text('box.yaml'), 'box.yaml');
  const lma = parseLmaConfig(text('concentrator.yaml'), 'concentrator.yaml');
  rmSync(keys, { recursive: true });
  expect(lma.addresses).toContain(box.machine.lma.ipv4);
  const [key] = box.keys;
  expect(lma.keys.find(({ identity }) => identity === box.machine.identity)).toMatchObject({
    spi: key!.spi,
    key: key!.key,
  });
  const site = lma.machine.nodes.find(({ identity }) => identity === box.machine.logicalNodes[0]!.identity);
  expect(site?.mags).toEqual([box.machine.identity]);
  // What one end does to arrivals, the other has to reckon with.
  expect(box.tunnels.resequencer?.equalDelay).toBe(lma.tunnels.distribution?.peerEqualDelay);
});
