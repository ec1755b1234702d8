/** What a reload has to do: the difference between two session lists, and its application to a running data plane. */
import { isDeepStrictEqual } from 'node:util';
import type { SessionSpec } from '../dataplane/session-spec.ts';
import type { DataplaneControl } from '../dataplane/status.ts';
import { TunloomError } from '../errors.ts';

/** What changed between two session lists, by name; a session is in one of the four at most. */
export interface SessionChanges {
  readonly added: readonly SessionSpec[];
  readonly removed: readonly string[];
  readonly changed: readonly SessionSpec[];
  /** Sessions in which nothing but weights is different. */
  readonly weightsOnly: readonly SessionSpec[];
}

/** What has to be done to get from the sessions `before` to those `after`, told apart by name. */
export function diffSessions(before: readonly SessionSpec[], after: readonly SessionSpec[]): SessionChanges {
  const old = new Map(before.map((session) => [session.name, session]));
  const names = new Set(after.map((session) => session.name));
  const different = after.filter((session) => {
    const previous = old.get(session.name);
    return previous !== undefined && !isDeepStrictEqual(previous, session);
  });
  const [weightsOnly, changed] = partition(different, (session) =>
    isDeepStrictEqual(withoutWeights(old.get(session.name)!), withoutWeights(session)),
  );
  return {
    added: after.filter((session) => !old.has(session.name)),
    removed: before.filter((session) => !names.has(session.name)).map((session) => session.name),
    changed,
    weightsOnly,
  };
}

/**
 * Makes the changes. Sessions put or deleted through the control socket meanwhile are no obstacle: what should be there is
 * added or updated, what should not be there is removed if it is. Throws the data plane's error if one cannot be made;
 * the changes before it stay, and applying the same changes again is safe.
 */
export function applyChanges(control: DataplaneControl, changes: SessionChanges): void {
  const installed = new Map(control.sessions().map(({ name, paths }) => [name, paths]));
  for (const name of changes.removed) {
    if (installed.delete(name)) control.removeSession(name);
  }
  const [known, others] = partition(changes.weightsOnly, ({ name, paths }) =>
    paths.every(({ bid }) => installed.get(name)?.some((path) => path.bid === bid)),
  );
  for (const { name, paths } of known) {
    control.setWeights(name, new Map(paths.map(({ bid, weight }) => [bid, weight])));
  }
  const put = (session: SessionSpec): void => {
    if (installed.has(session.name)) control.updateSession(session);
    else control.addSession(session);
    installed.set(session.name, []);
  };
  let waiting: readonly SessionSpec[] = [...changes.changed, ...changes.added, ...others];
  while (waiting.length) {
    // A prefix may move from one session to another: then the one that gives it up has to go first.
    const blocked = waiting.filter((session) => !succeeds(() => put(session)));
    if (blocked.length === waiting.length) {
      // Two sessions exchange prefixes: no order helps, so they start anew.
      for (const { name } of blocked) if (installed.delete(name)) control.removeSession(name);
      for (const session of blocked) put(session);
      return;
    }
    waiting = blocked;
  }
}

/** False if the action failed because another session holds a prefix or key. */
function succeeds(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof TunloomError && /^(PREFIX|KEY)_IN_USE$/.test(error.code)) return false;
    throw error;
  }
}

function withoutWeights(session: SessionSpec): unknown {
  return { ...session, paths: session.paths.map((path) => ({ ...path, weight: 0 })) };
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
