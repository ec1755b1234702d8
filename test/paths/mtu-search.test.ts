/** The search for a path's MTU by padded probes (RFC 8899), on a path that is made up. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MtuSearch } from '../../src/paths/mtu-search.ts';

const INTERVAL_US = 100_000;
const ROUND_US = 30_000;

/** A path that takes packets of `mtu` octets, probed for `seconds`; gives what was found, and the sizes of probes. */
class Path {
  now = 0;
  answered = 0;
  readonly search: MtuSearch;
  readonly findings: (number | null)[] = [];
  readonly sizes: number[] = [];
  mtu: number;
  alive = true;
  idle = false;

  constructor(mtu: number, most: number) {
    this.mtu = mtu;
    this.search = new MtuSearch(most, 0);
  }

  run(seconds: number): this {
    for (const end = this.now + seconds * 1e6; this.now < end; this.now += INTERVAL_US) {
      const { size, finding } = this.search.next(this.now, this.answered, ROUND_US, 0, this.idle);
      if (finding) this.findings.push(finding.octets);
      if (this.alive) this.answered++;
      if (size === null) continue;
      this.sizes.push(size);
      if (!this.alive || size > this.mtu) continue;
      const found = this.search.answered(this.now + ROUND_US);
      if (found) this.findings.push(found.octets);
    }
    return this;
  }
}

test('a path that takes what is sent is asked now and then, and nothing else', () => {
  const path = new Path(1500, 1500).run(60);
  expect(path.findings).toEqual([]);
  expect(new Set(path.sizes)).toEqual(new Set([1500]));
  expect(path.sizes.length).toBeLessThan(13);
});

test('without data nobody asks', () => {
  const path = new Path(1500, 1500);
  path.idle = true;
  expect(path.run(60).sizes).toEqual([]);
});

test('any black hole is found, and what gets through to eight octets, in less than half a minute', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1280, max: 9000 }), fc.integer({ min: 1200, max: 8999 }), (most, mtu) => {
      fc.pre(mtu < most);
      const path = new Path(most, most).run(10);
      path.mtu = mtu;
      path.run(40);
      expect(path.search.found).toBeLessThanOrEqual(mtu);
      expect(path.search.found).toBeGreaterThan(mtu - 8);
      expect(path.findings.at(-1)).toBe(path.search.found);
      // What it says on the way gets through as well.
      for (const octets of path.findings) expect(octets).toBeLessThanOrEqual(mtu);
    }),
  );
});

test('after ten minutes the largest is tried again, and taken if it arrives', () => {
  const path = new Path(1400, 1500).run(60);
  expect(path.search.found).toBeGreaterThan(1392);
  path.mtu = 1500;
  path.run(500);
  expect(path.search.found).not.toBeNull();
  path.run(120);
  expect(path.search.found).toBeNull();
  expect(path.findings.at(-1)).toBeNull();
});

test('a path that is dead, or loses large and small ones alike, has no black hole', () => {
  const path = new Path(1500, 1500).run(10);
  path.alive = false;
  path.run(60);
  path.alive = true;
  path.run(60);
  expect(path.findings).toEqual([]);
});

test('not even the base arrives: nothing is said, and asked again later', () => {
  const path = new Path(600, 1500).run(120);
  expect(path.findings).toEqual([]);
  path.mtu = 1300;
  path.run(60);
  expect(path.search.found).toBeGreaterThan(1292);
});

test('who else learns of a smaller size ends the search', () => {
  const path = new Path(1400, 1500).run(60);
  expect(path.search.setMost(1380, path.now)).toBe(true);
  path.run(30);
  expect(path.search.found).toBeNull();
  expect(path.sizes.at(-1)).toBe(1380);
});
