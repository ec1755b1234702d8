/** The report in a real browser: no errors, charts and tables are there, a click sorts; on a phone's width too. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { rank } from '../../src/compare/ranking.ts';
import { renderPage } from '../../src/compare/report/page.ts';
import { simulate, testLink, testSpec } from '../sim/support.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'tunloom-page-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SWITCHES = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--virtual-time-budget=3000',
  '--dump-dom',
];

/** The page's document after its scripts ran. */
function openPage(file: string, width: number): Promise<string> {
  const profile = path.join(folder, `profile-${width}`);
  return new Promise((resolve, reject) => {
    const args = [...SWITCHES, `--user-data-dir=${profile}`, `--window-size=${width},900`, `file://${file}`];
    execFile('chromium', args, { maxBuffer: 64 << 20, timeout: 50_000 }, (error, stdout) => {
      if (error) reject(error);
      else resolve(stdout);
    });
  });
}

/** Notes errors where the dumped document shows them, sorts by goodput, and measures whether anything sticks out. */
const PROBE = `<script>
document.querySelectorAll('th button')[1].click();
document.querySelectorAll('th button')[1].click();
document.documentElement.dataset.first = document.querySelector('tbody td').textContent;
document.documentElement.dataset.overflow = document.documentElement.scrollWidth - innerWidth;
</script>`;
const WATCH = `<script>addEventListener('error', (e) => { document.documentElement.dataset.error = e.message; });</script>`;

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
    metrics: simulate(spec, { scheduler }),
  }));
  const page = renderPage(rank(results));
  const file = path.join(folder, `${width}.html`);
  writeFileSync(file, page.replace('<head>', `<head>${WATCH}`).replace('</body>', `${PROBE}</body>`));
  const dom = await openPage(file, width);
  expect(dom).not.toContain('data-error');
  expect(dom.match(/<svg /g)).toHaveLength(8);
  expect(dom).toContain('&lt;b&gt;&amp;"</h2>');
  const worst = results.reduce((least, result) =>
    result.metrics.goodput < least.metrics.goodput ? result : least,
  );
  expect(dom).toContain(`data-first="${worst.scheduler}"`);
  expect(Number(/data-overflow="(-?\d+)"/.exec(dom)![1])).toBeLessThanOrEqual(0);
});
