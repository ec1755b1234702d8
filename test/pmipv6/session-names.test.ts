import { expect, it, vi } from 'vitest';
import { SessionNames } from '../../src/pmipv6/session-names.ts';

it('a name is a node’s identity as far as a name allows, with a number if it is taken', () => {
  const names = new SessionNames();
  expect(names.take('mn1@example.org')).toBe('mn1@example.org');
  expect(names.take('mn1@example.org')).toBe('mn1@example.org.2');
  expect(names.take('a b/c')).toBe('a_b_c');
  expect(names.take('')).toBe('node');
  names.release('mn1@example.org');
  expect(names.take('mn1@example.org')).toBe('mn1@example.org');
  names.release('never taken');
  const long = `${'x'.repeat(100)}@example.org`;
  expect(names.take(long)).toHaveLength(56);
  // Somebody else may be called so.
  expect(names.take('mn1@example.org.3')).toBe('mn1@example.org.3');
  expect(names.take('mn1@example.org')).toBe('mn1@example.org.4');
});

it('20,000 of the same letters: each has its own, and none is looked for among all', () => {
  const names = new SessionNames();
  const looks = vi.spyOn(Map.prototype, 'has');
  const taken = Array.from({ length: 20_000 }, () => names.take('node'));
  const count = looks.mock.calls.length;
  looks.mockRestore();
  expect(new Set(taken).size).toBe(20_000);
  expect(count).toBeLessThan(100_000);
  for (const name of taken) names.release(name);
  expect(names.take('node')).toBe('node');
});
