/** The report in a real browser: no errors, charts and tables are there, a click sorts; on a phone's width too. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { rank } from '../../src/compare/ranking.ts';
import { renderPage } from '../../src/compare/report/page.ts';
import { WATCH, openPage } from '../support/chromium.ts';
import { simulate, testLink, testSpec } from '../sim/support.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'tunloom-page-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Sorts by goodput and measures whether anything sticks out. */
const PROBE = `<script>
document.querySelectorAll('th button')[1].click();
document.querySelectorAll('th button')[1].click();
document.documentElement.dataset.first = document.querySelector('tbody td').textContent;
document.documentElement.dataset.overflow = document.documentElement.scrollWidth - innerWidth;
</script>`;

it.each([1280, 500])('opens at a width of %d', async (width) => {
  const spec = testSpec(
    [testLink(20, 5), testLink(20, 25)],
    [{ model: 'tcp', congestion: 'cubic', octets: null }],
    {
      duration: 1e9,
    },
  );
  const results = (['weighted', 'flow-hash'] as const).map((scheduler) => ({
    scheduler,
    scenario: '<b>&"',
    seed: 1,
    parameters: {},
    digests: { scheduler, scenario: '' },
    metrics: simulate(spec, { scheduler }),
  }));
  const swapped = results.map((result, i) => ({
    ...result,
    scenario: 'x',
    metrics: results[1 - i]!.metrics,
  }));
  const page = renderPage(rank([...results, ...swapped]));
  const file = path.join(folder, `${width}.html`);
  writeFileSync(file, page.replace('<head>', `<head>${WATCH}`).replace('</body>', `${PROBE}</body>`));
  const dom = await openPage(file, width, path.join(folder, `profile-${width}`));
  expect(dom).not.toContain('data-error');
  expect(dom.match(/<svg /g)).toHaveLength(16);
  // In the second scenario the ranking is the other one; colours stay with the schedulers.
  const colours = [...dom.matchAll(/<rect class="(c\d)"[^>]*><title>([\w-]+):/g)].map(([, colour, name]) => [
    name,
    colour,
  ]);
  expect(new Set(colours.map(String)).size).toBe(2);
  expect(colours).toHaveLength(4);
  expect(colours[0]![0]).not.toBe(colours[2]![0]);
  expect(dom).toContain('&lt;b&gt;&amp;"</h2>');
  const worst = results.reduce((least, result) =>
    result.metrics.goodput < least.metrics.goodput ? result : least,
  );
  expect(dom).toContain(`data-first="${worst.scheduler}"`);
  expect(Number(/data-overflow="(-?\d+)"/.exec(dom)![1])).toBeLessThanOrEqual(0);
});
