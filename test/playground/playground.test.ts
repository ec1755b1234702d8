/** The playground in a real browser, opened from disk: it runs, its controls work, it fits a phone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildPlayground } from '../../src/playground/build.ts';
import { WATCH, openPage } from '../support/chromium.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'tunloom-playground-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let page = '';
beforeAll(async () => {
  page = await buildPlayground();
});

/** Moves sliders, takes another scheduler and another traffic, switches the resequencer off, pauses, and notes what the page says. */
const PROBE = `<script>
const text = () => document.getElementById('figures').textContent;
const change = (element, value, event) => {
  element.value = value;
  element.dispatchEvent(new Event(event));
};
change(document.getElementById('speed'), '1', 'change');
setTimeout(() => {
  document.documentElement.dataset.first = text();
  const [weight, rate] = document.querySelectorAll('#links input');
  change(weight, '3', 'input');
  change(rate, '2', 'input');
  document.getElementById('restart').click();
}, 1500);
setTimeout(() => {
  document.documentElement.dataset.weighted = text();
  document.getElementById('resequencing').click();
  change(document.getElementById('traffic'), 'cubic', 'change');
}, 2500);
setTimeout(() => {
  document.documentElement.dataset.unordered = text();
  document.getElementById('resequencing').click();
  change(document.getElementById('traffic'), 'stream', 'change');
  change(document.getElementById('scheduler'), 'redundant', 'change');
}, 3500);
setTimeout(() => {
  document.documentElement.dataset.overflow = document.documentElement.scrollWidth - innerWidth;
  document.documentElement.dataset.last = text();
  document.getElementById('pause').click();
}, 4300);
setTimeout(() => {
  document.documentElement.dataset.paused = text() === document.documentElement.dataset.last;
}, 4700);
</script>`;

it.each([1280, 500])('runs at a width of %d', async (width) => {
  const file = path.join(folder, `${width}.html`);
  writeFileSync(file, page.replace('<head>', `<head>${WATCH}`).replace('</body>', `${PROBE}</body>`));
  const dom = await openPage(file, width, path.join(folder, `profile-${width}`));
  expect(dom).not.toContain('data-error');
  expect(dom).toMatch(/data-first="virtual time\d+\.\d\d s/);
  expect(dom).toMatch(/data-weighted="[^"]*shares[567]\d % · [12]\d % · [12]\d %/);
  expect(dom).toMatch(/data-unordered="[^"]*after waiting in the resequencer0missing/);
  expect(dom).toMatch(/data-paused="true"/);
  expect(dom).toMatch(/data-last="[^"]*shares33 % · 33 % · 33 %/);
  expect(Number(/data-overflow="(-?\d+)"/.exec(dom)![1])).toBeLessThanOrEqual(0);
  expect(page).not.toMatch(/(src|href)="(?!data:)/);
});
