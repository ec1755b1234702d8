/** Reads the configuration file: YAML to a checked config. All errors at once, each with file, line, column and key. */
import { readFileSync } from 'node:fs';
import { type Document, LineCounter, isMap, isNode, isPair, parseDocument } from 'yaml';
import type { z } from 'zod';
import type { SessionSpec } from '../dataplane/session-spec.ts';
import { TunloomError } from '../errors.ts';
import { type Complaint, checkSession, checkSessions } from './cross-checks.ts';
import { type FileConfig, configSchema, defaultsSchema, sessionSchema } from './schema.ts';
import { type Gateway, completeSession, gatewaysOf } from './session-defaults.ts';

export interface DataplaneConfig extends Omit<FileConfig, 'sessions' | 'defaults'> {
  readonly sessions: readonly SessionSpec[];
  readonly gateways: readonly Gateway[];
}

type KeyPath = readonly (string | number)[];

/** Reads and checks `file`. Throws BAD_CONFIG with one line an error. */
export function loadConfig(file: string): DataplaneConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new TunloomError('BAD_CONFIG', `${file}: ${(error as Error).message}`, { cause: error });
  }
  return parseConfig(text, file);
}

/** The same for text; `file` is only a name. */
export function parseConfig(text: string, file: string): DataplaneConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  if (document.errors.length) {
    const messages = document.errors.map((error) => {
      const { line, col } = lines.linePos(error.pos[0]);
      return `${file}:${line}:${col}: ${error.message}`;
    });
    throw new TunloomError('BAD_CONFIG', messages.join('\n'));
  }
  const where = (path: KeyPath): string => {
    const { line, col } = lines.linePos(positionOf(document, path));
    return `${file}:${line}:${col}: ${formatKey(path)}`;
  };
  const checked = configSchema.safeParse(document.toJS({ maxAliasCount: -1 }) ?? {});
  if (!checked.success) {
    throw new TunloomError('BAD_CONFIG', describeIssues(checked.error).map(atPlace(where)).join('\n'));
  }
  const { sessions: written, defaults, ...rest } = checked.data;
  const sessions = written.map((session) => completeSession(session, defaults));
  const complaints: Complaint[] = sessions.flatMap((session, i) =>
    checkSession(session).map(({ path, message }) => ({ path: ['sessions', i, ...path], message })),
  );
  complaints.push(
    ...checkSessions(sessions).map(({ path, message }) => ({ path: ['sessions', ...path], message })),
  );
  if (complaints.length) throw new TunloomError('BAD_CONFIG', complaints.map(atPlace(where)).join('\n'));
  return { ...rest, sessions, gateways: written.flatMap((session) => gatewaysOf(session, defaults)) };
}

/** Checks one session given as an object (control socket). Throws BAD_SESSION. */
export function parseSession(value: unknown): SessionSpec {
  const checked = sessionSchema.safeParse(value);
  const complaints = checked.success ? [] : describeIssues(checked.error);
  const session = checked.success ? completeSession(checked.data, defaultsSchema.parse({})) : null;
  if (session) complaints.push(...checkSession(session));
  if (!session || complaints.length) {
    throw new TunloomError(
      'BAD_SESSION',
      complaints.map(({ path, message }) => `${formatKey(path)}: ${message}`).join('\n'),
    );
  }
  return session;
}

function atPlace(where: (path: KeyPath) => string): (complaint: Complaint) => string {
  return ({ path, message }) => `${where(path)}: ${message}`;
}

function describeIssues(error: z.ZodError): Complaint[] {
  return error.issues.flatMap((issue): Complaint[] => {
    const path = issue.path as KeyPath;
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: [...path, key], message: 'there is no such key' }));
    }
    return [{ path, message: issue.message }];
  });
}

function formatKey(path: KeyPath): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text ? `${text}.${key}` : key),
    '',
  );
}

/** Offset of the key, or of the nearest part of its path that is there. */
function positionOf(document: Document, path: KeyPath): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length > 1 ? document.getIn(path.slice(0, length - 1), true) : document.contents;
    const key = path[length - 1]!;
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isPair(item) && String(item.key) === String(key));
      if (pair && isNode(pair.key) && pair.key.range) return pair.key.range[0];
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

/** What changed between two session lists, by name. */
export interface SessionChanges {
  readonly added: readonly SessionSpec[];
  readonly removed: readonly string[];
  readonly changed: readonly SessionSpec[];
}

export function diffSessions(before: readonly SessionSpec[], after: readonly SessionSpec[]): SessionChanges {
  const old = new Map(before.map((session) => [session.name, JSON.stringify(session)]));
  const names = new Set(after.map((session) => session.name));
  return {
    added: after.filter((session) => !old.has(session.name)),
    removed: before.filter((session) => !names.has(session.name)).map((session) => session.name),
    changed: after.filter((session) => old.has(session.name) && old.get(session.name) !== JSON.stringify(session)),
  };
}
