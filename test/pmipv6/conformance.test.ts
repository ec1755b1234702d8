/** docs/conformance.md names a test for each rule: this keeps it true. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const page = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8');
const rules = page.split('\n').filter((line) => /^\| (§|RFC|\d{4})/.test(line));
const named = [...page.matchAll(/`([\w./-]+)` "([^"]+)"/g)].map(
  ([, file, title]) => [file!, title!] as const,
);

it('every rule names a test, or says that it is not implemented and why', () => {
  expect(rules.length).toBeGreaterThan(100);
  for (const rule of rules) expect(rule).toMatch(/` "|not implemented: \S+/);
});

it.each([...new Set(named.map(([file]) => file))])('%s has every test that the page names', (file) => {
  const url = new URL(`${file}.test.ts`, import.meta.url);
  expect(existsSync(url)).toBe(true);
  const source = readFileSync(url, 'utf8');
  for (const [, title] of named.filter(([other]) => other === file)) expect(source).toContain(`'${title}'`);
});
