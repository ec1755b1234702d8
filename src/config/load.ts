/** Reads the configuration file: YAML to a checked config. All errors at once, each with file, line, column and key. */
import { readFileSync } from 'node:fs';
import { type Document, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import type { SessionSpec } from '../dataplane/session-spec.ts';
import { TunloomError } from '../errors.ts';
import { type Complaint, checkSession, checkSessions } from './cross-checks.ts';
import { type KeyPath, offsetOf, pathAt } from './positions.ts';
import { keysAt, nearest } from './schema-keys.ts';
import { type FileConfig, configSchema, defaultsSchema, sessionSchema } from './schema.ts';
import { type Gateway, completeSession, gatewaysOf } from './session-defaults.ts';

export interface DataplaneConfig extends Omit<FileConfig, 'sessions' | 'defaults'> {
  readonly sessions: readonly SessionSpec[];
  readonly gateways: readonly Gateway[];
}

/** Reads and checks `file`. Throws BAD_CONFIG with one line an error. */
export function loadConfig(file: string): DataplaneConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file' : message;
    throw new TunloomError('BAD_CONFIG', `${file}: ${reason}`, { cause: error });
  }
  return parseConfig(text, file);
}

/** The same for text; `file` is only a name. The result is frozen. */
export function parseConfig(text: string, file: string): DataplaneConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const place = (offset: number, path: KeyPath): string => {
    // An empty document has no lines to count.
    const { line, col } = lines.linePos(offset);
    return `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}: ${path.length ? `${formatKey(path)}: ` : ''}`;
  };
  const faults = [...document.errors, ...document.warnings];
  if (faults.length) {
    throw badConfig(
      faults.map(({ pos: [at], message }) => ({ at, line: place(at, pathAt(document, at)) + message })),
    );
  }
  const value: unknown = toValue(document, file) ?? {};
  const { config, complaints } = check(value);
  if (config && !complaints.length) return config;
  throw badConfig(
    complaints.map((complaint) => {
      const at = offsetOf(document, complaint.path, complaint.atKey ?? false);
      return { at, line: place(at, complaint.path) + complaint.message };
    }),
  );
}

/** Checks one session given as an object (control socket). Throws BAD_SESSION. */
export function parseSession(value: unknown): SessionSpec {
  const checked = sessionSchema.safeParse(value);
  const complaints = checked.success ? [] : describeIssues(checked.error, sessionSchema);
  const session = checked.success ? completeSession(checked.data, defaultsSchema.parse({})) : null;
  if (session) complaints.push(...checkSession(session));
  if (!session || complaints.length) {
    throw new TunloomError(
      'BAD_SESSION',
      complaints.map(({ path, message }) => `${formatKey(path) || 'session'}: ${message}`).join('\n'),
    );
  }
  return session;
}

function toValue(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: -1 });
  } catch (error) {
    // Such as a merge key whose value is no map.
    throw new TunloomError('BAD_CONFIG', `${file}:1:1: ${(error as Error).message}`, { cause: error });
  }
}

/** Schema first; sessions that pass it are compared with each other even if something else does not. */
function check(value: unknown): { config: DataplaneConfig | null; complaints: Complaint[] } {
  const checked = configSchema.safeParse(value);
  const complaints = checked.success ? [] : describeIssues(checked.error, configSchema);
  const { sessions: list, defaults: given } = (value ?? {}) as { sessions?: unknown; defaults?: unknown };
  const defaults = checked.success ? checked.data.defaults : defaultsSchema.safeParse(given ?? {}).data;
  const written = checked.success
    ? [...checked.data.sessions.entries()]
    : (Array.isArray(list) ? list : []).flatMap((session: unknown, i) => {
        const { data } = sessionSchema.safeParse(session);
        return data ? [[i, data] as const] : [];
      });
  // With bad defaults every session would complain about the same thing.
  const sessions = defaults
    ? written.map(([i, session]) => [i, completeSession(session, defaults)] as const)
    : [];
  for (const [i, session] of sessions) {
    for (const complaint of checkSession(session)) {
      complaints.push({ ...complaint, path: ['sessions', i, ...complaint.path] });
    }
  }
  for (const complaint of checkSessions(sessions)) {
    complaints.push({ ...complaint, path: ['sessions', ...complaint.path] });
  }
  if (!checked.success || complaints.length) return { config: null, complaints };
  const { sessions: _sessions, defaults: fallback, ...rest } = checked.data;
  const config = {
    ...rest,
    sessions: sessions.map(([, session]) => session),
    gateways: checked.data.sessions.flatMap((session) => gatewaysOf(session, fallback)),
  };
  return { config: deepFreeze(config), complaints };
}

function badConfig(faults: { at: number; line: string }[]): TunloomError {
  const lines = faults.sort((a, b) => a.at - b.at).map(({ line }) => line);
  return new TunloomError('BAD_CONFIG', [...new Set(lines)].join('\n'));
}

function describeIssues(error: z.ZodError, schema: z.core.$ZodType): Complaint[] {
  return error.issues.flatMap((issue): Complaint[] => {
    if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, message: issue.message }];
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const hint = meant === undefined ? `expected one of ${known.join(', ')}` : `did you mean ${meant}?`;
      return { path: [...issue.path, key], message: `there is no such key; ${hint}`, atKey: true };
    });
  });
}

function formatKey(path: KeyPath): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text ? `${text}.${String(key)}` : String(key);
  }, '');
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
