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

/** Frames go with the page's own time: otherwise their number depends on how fast the machine is. */
const FRAMES = `<script>requestAnimationFrame = (step) => setTimeout(() => step(performance.now()), 16);</script>`;

/** Moves sliders, takes a link down and up, takes another set of links, another scheduler and another traffic, switches the resequencer off, pauses, and notes what the page says. */
const PROBE = `<script>
const text = () => document.getElementById('figures').textContent;
const change = (element, value, event) => {
  element.value = value;
  element.dispatchEvent(new Event(event));
};
const click = (id) => document.getElementById(id).click();
const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
const delivered = async (packets) => {
  // What is shown is still of before.
  for (let i = 0; i < 2; i++) await new Promise((resolve) => requestAnimationFrame(resolve));
  while (!(Number(/delivered(\\d+)/.exec(text())?.[1]) >= packets)) await pause(20);
  return text();
};
const notes = document.documentElement.dataset;
(async () => {
  change(document.getElementById('speed'), '1', 'change');
  notes.first = await delivered(1);
  const [weight, rate] = document.querySelectorAll('#links input');
  change(weight, '3', 'input');
  change(rate, '2', 'input');
  click('restart');
  notes.weighted = await delivered(50);
  notes.address = location.hash;
  document.querySelector('#links input[type=checkbox]').click();
  const before = Number(/delivered(\\d+)/.exec(text())[1]);
  notes.down = await delivered(before + 800);
  change(document.getElementById('link-set'), 'DSL, LTE', 'change');
  notes.two = await delivered(50);
  change(document.getElementById('link-set'), 'DSL, LTE, Wi-Fi', 'change');
  click('resequencing');
  change(document.getElementById('traffic'), 'cubic', 'change');
  notes.unordered = await delivered(50);
  click('resequencing');
  change(document.getElementById('traffic'), 'stream', 'change');
  change(document.getElementById('scheduler'), 'redundant', 'change');
  notes.overflow = document.documentElement.scrollWidth - innerWidth;
  notes.last = await delivered(50);
  click('pause');
  await pause(100);
  const stopped = text();
  await pause(300);
  notes.paused = text() === stopped;
})();
</script>`;

it.each([1280, 500])('runs at a width of %d', async (width) => {
  const file = path.join(folder, `${width}.html`);
  writeFileSync(
    file,
    page.replace('<head>', `<head>${WATCH}${FRAMES}`).replace('</body>', `${PROBE}</body>`),
  );
  const dom = await openPage(file, width, path.join(folder, `profile-${width}`));
  expect(dom).not.toContain('data-error');
  expect(dom).toMatch(/data-first="virtual time\d+\.\d\d s/);
  expect(dom).toMatch(/data-weighted="[^"]*shares(5\d|6\d) % · [12]\d % · [12]\d %/);
  expect(dom).toMatch(
    /data-address="#links=DSL%2C\+LTE%2C\+Wi-Fi&amp;scheduler=weighted&amp;.*link1=3%2C2%2C12%2C0/,
  );
  // 3 of 5 packets went there while it was up.
  expect(Number(/data-down="[^"]*shares(\d+) %/.exec(dom)![1])).toBeLessThan(50);
  expect(dom).toMatch(/data-two="[^"]*shares50 % · 50 %packets/);
  expect(dom).toMatch(/data-unordered="[^"]*after waiting in the resequencer0missing/);
  expect(dom).toMatch(/data-paused="true"/);
  expect(dom).toMatch(/data-last="[^"]*shares33 % · 33 % · 33 %/);
  expect(Number(/data-overflow="(-?\d+)"/.exec(dom)![1])).toBeLessThanOrEqual(0);
  expect(page).not.toMatch(/(src|href)="(?!data:)/);
});

it('an address brings its settings', async () => {
  const file = path.join(folder, 'address.html');
  const note = `<script>setTimeout(() => {
    document.documentElement.dataset.shown = document.getElementById('links').innerText.replaceAll('\\n', ' ');
    document.documentElement.dataset.hash = location.hash;
  }, 300);</script>`;
  const address = `<script>location.hash = '#links=two+alike&scheduler=nonsense&traffic=bbr&link1=2,50,900,1';</script>`;
  writeFileSync(
    file,
    page.replace('<head>', `<head>${WATCH}${address}`).replace('</body>', `${note}</body>`),
  );
  const dom = await openPage(file, 1280, path.join(folder, 'profile-address'));
  expect(dom).not.toContain('data-error');
  expect(dom).toMatch(
    /data-shown="one weight 2 rate 50 Mbit\/s delay 300 ms loss 1 % .* other weight 1 rate 20 Mbit/,
  );
});
