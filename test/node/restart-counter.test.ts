import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { raiseRestartCounter } from '../../src/node/restart-counter.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('RFC 5847 §3.2: one more at each start, over 32 bits and into a directory that is not there yet', () => {
  const state = join(folder, 'a/b');
  expect([raiseRestartCounter(state), raiseRestartCounter(state)]).toEqual([1, 2]);
  writeFileSync(join(state, 'restart-counter'), '4294967295');
  expect(raiseRestartCounter(state)).toBe(0);
  expect(readFileSync(join(state, 'restart-counter'), 'utf8')).toBe('0\n');
});

test('something else in the file is not taken for a counter', () => {
  writeFileSync(join(folder, 'restart-counter'), 'many');
  expect(() => raiseRestartCounter(folder)).toThrow(/restart-counter holds "many", expected a number/);
});
