/** What a reload has to do, also when sessions have been changed through the control socket meanwhile. */
import { expect, test } from 'vitest';
import { applyChanges, diffSessions } from '../../src/config/session-changes.ts';
import { BenchNode } from '../support/bench-node.ts';
import { controlOf } from '../support/control.ts';
import { testPath, testSession } from '../support/session.ts';

test('added, removed and changed sessions are told apart', () => {
  const before = [testSession()];
  const after = [testSession({ paths: [testPath(1), testPath(2, { mtu: 1400 })] })];
  expect(diffSessions(before, before)).toMatchObject({ added: [], removed: [], changed: [] });
  expect(diffSessions(before, after).changed).toEqual(after);
  expect(diffSessions(before, []).removed).toEqual(['mn1']);
  expect(diffSessions([], after).added).toEqual(after);
});

test('other weights of a session that lacks a path since a request', () => {
  const before = [testSession()];
  const after = [testSession({ paths: [testPath(1, { weight: 3 }), testPath(2, { weight: 2 })] })];
  const node = new BenchNode('lma').add(testSession({ paths: [testPath(1)] }));
  const changes = diffSessions(before, after);
  expect(changes.weightsOnly).toEqual(after);
  applyChanges(controlOf(node), changes);
  expect(node.sessions.specs()).toEqual(after);
});
