/** Reads the configuration file of `tunloom dataplane`: schema, then what needs more than one key. */
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import type { Adaptation } from '../paths/adaptive-weights.ts';
import type { HealthConfig } from '../paths/path-health.ts';
import type { SessionSpec } from '../dataplane/session-spec.ts';
import { TunloomError } from '../errors.ts';
import { type Complaint, checkSession, checkSessions } from './cross-checks.ts';
import { checkServices, distributionOf, flowRulesOf } from './flow-rules.ts';
import { type FileServices, schedulerBody, servicesSchema } from './flow-schema.ts';
import { adaptationOf, probeSpecOf } from './probe-settings.ts';
import {
  type FileConfig,
  configSchema,
  defaultsSchema,
  sessionAdaptation,
  sessionProbes,
  sessionSchema,
} from './schema.ts';
import { type Gateway, completeSession, gatewaysOf } from './session-defaults.ts';
import { type Checked, describeIssues, formatKey, parseYaml, readConfigFile } from './yaml-file.ts';

export interface DataplaneConfig extends Omit<FileConfig, 'sessions' | 'defaults'> {
  readonly sessions: readonly SessionSpec[];
  readonly gateways: readonly Gateway[];
}

/** Reads and checks `file`. Throws BAD_CONFIG with one line an error. */
export function loadConfig(file: string): DataplaneConfig {
  const config = parseConfig(readConfigFile(file), file);
  if (config.customScheduler === null) return config;
  return Object.freeze({ ...config, customScheduler: resolve(dirname(file), config.customScheduler) });
}

/** The same for text; `file` is only a name. The result is frozen. */
export function parseConfig(text: string, file: string): DataplaneConfig {
  return parseYaml(text, file, check);
}

/** Checks one session given as an object (control socket). Throws BAD_SESSION. */
export function parseSession(value: unknown, services: FileServices = {}): SessionSpec {
  const checked = sessionSchema.safeParse(value);
  const complaints = checked.success ? [] : describeIssues(checked.error, sessionSchema);
  const session = checked.success ? completeSession(checked.data, defaultsSchema.parse({}), services) : null;
  if (session) complaints.push(...checkSession(session));
  if (checked.success) complaints.push(...checkServices(checked.data.flows ?? [], services));
  if (!session || complaints.length) {
    throw new TunloomError(
      'BAD_SESSION',
      complaints.map(({ path, message }) => `${formatKey(path) || 'session'}: ${message}`).join('\n'),
    );
  }
  return session;
}

/**
 * The session with the path `value` (as in the file, control socket) in the place of the one of its BID, or added to the
 * others. Throws BAD_PATH.
 */
export function withPath(session: SessionSpec, value: unknown): SessionSpec {
  const alone = { name: session.name, prefixes: [...session.prefixes], paths: [value] };
  const checked = sessionSchema.safeParse(alone);
  const complaints = checked.success ? [] : describeIssues(checked.error, sessionSchema);
  const path = checked.success
    ? completeSession(checked.data, defaultsSchema.parse({})).paths[0]!
    : undefined;
  const others = session.paths.filter((other) => other.bid !== path?.bid);
  const paths = path ? [...others, path].sort((a, b) => a.bid - b.bid) : [];
  const result = { ...session, paths };
  const position = path ? paths.indexOf(path) : 0;
  if (path) complaints.push(...checkSession(result));
  if (!complaints.length) return result;
  const text = complaints.map((complaint) => {
    // What is wrong with the path itself is named by the path's own key.
    const own = complaint.path[0] === 'paths' && complaint.path[1] === position;
    return `${formatKey(own ? complaint.path.slice(2) : complaint.path) || 'path'}: ${complaint.message}`;
  });
  throw new TunloomError('BAD_PATH', text.join('\n'));
}

/** The session with a scheduler and its parameters as `value` says them (control socket). Throws BAD_SCHEDULER. */
export function withScheduler(session: SessionSpec, value: unknown): SessionSpec {
  const checked = schedulerBody.safeParse(value);
  const { scheduler, ...parameters } = checked.success ? checked.data : {};
  const distribution = { ...session.distribution, ...distributionOf(scheduler, parameters) };
  const result = { ...session, distribution };
  const complaints = checked.success ? checkSession(result) : describeIssues(checked.error, schedulerBody);
  return checkedOr('BAD_SCHEDULER', 'scheduler', result, complaints);
}

/** The session with the flow rules in `value` (a list as in the file) in the place of its own; `services` are those of the file. Throws BAD_FLOW. */
export function withFlows(session: SessionSpec, value: unknown, services: FileServices = {}): SessionSpec {
  const schema = sessionSchema.shape.flows.unwrap();
  const checked = schema.safeParse(value);
  if (!checked.success) {
    return checkedOr('BAD_FLOW', 'flows', session, describeIssues(checked.error, schema));
  }
  const result = { ...session, flows: flowRulesOf(checked.data, services) };
  return checkedOr('BAD_FLOW', 'flows', result, [
    ...checkServices(checked.data, services),
    ...checkSession(result),
  ]);
}

/** Keys of `probes` as an object (control socket). Throws BAD_PROBES. */
export function parseProbes(value: unknown): Partial<HealthConfig> {
  return probeSpecOf(parsedBy(sessionProbes, value, 'BAD_PROBES', 'probes'));
}

/** Keys of `adaptation` as an object (control socket). Throws BAD_ADAPTATION. */
export function parseAdaptation(value: unknown): Adaptation {
  return adaptationOf(parsedBy(sessionAdaptation, value, 'BAD_ADAPTATION', 'adaptation'));
}

function parsedBy<S extends z.ZodType>(schema: S, value: unknown, code: string, what: string): z.output<S> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const lines = describeIssues(checked.error, schema).map(
    ({ path, message }) => `${formatKey(path) || what}: ${message}`,
  );
  throw new TunloomError(code, lines.join('\n'));
}

function checkedOr(
  code: string,
  what: string,
  session: SessionSpec,
  complaints: readonly Complaint[],
): SessionSpec {
  if (!complaints.length) return session;
  const lines = complaints.map(({ path, message }) => `${formatKey(path) || what}: ${message}`);
  throw new TunloomError(code, lines.join('\n'));
}

/** Schema first; sessions that pass it are compared with each other even if something else does not. */
function check(value: unknown): Checked<DataplaneConfig> {
  const checked = configSchema.safeParse(value);
  const complaints: Complaint[] = checked.success ? [] : describeIssues(checked.error, configSchema);
  const {
    sessions: list,
    defaults: given,
    services: named,
  } = (value ?? {}) as { sessions?: unknown; defaults?: unknown; services?: unknown };
  const services = (checked.success ? checked.data.services : servicesSchema.safeParse(named).data) ?? {};
  const defaults = checked.success ? checked.data.defaults : defaultsSchema.safeParse(given ?? {}).data;
  const written = checked.success
    ? [...checked.data.sessions.entries()]
    : (Array.isArray(list) ? list : []).flatMap((session: unknown, i) => {
        const { data } = sessionSchema.safeParse(session);
        return data ? [[i, data] as const] : [];
      });
  // With bad defaults every session would complain about the same thing.
  const sessions = defaults
    ? written.map(([i, session]) => [i, completeSession(session, defaults, services)] as const)
    : [];
  complaints.push(
    ...checkServices(defaults?.flows ?? [], services).map(({ path, message }) => ({
      path: ['defaults', ...path],
      message,
    })),
  );
  for (const [i, session] of written) {
    for (const { path, message } of checkServices(session.flows ?? [], services)) {
      complaints.push({ path: ['sessions', i, ...path], message });
    }
  }
  for (const [i, session] of sessions) {
    for (const complaint of checkSession(session)) {
      complaints.push({ ...complaint, path: ['sessions', i, ...complaint.path] });
    }
  }
  const custom = checked.success && checked.data.customScheduler !== null;
  for (const [i, { distribution }] of custom ? [] : sessions) {
    if (distribution?.scheduler !== 'custom') continue;
    complaints.push({ path: ['sessions', i, 'scheduler'], message: 'custom needs the key customScheduler' });
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
  return { config, complaints };
}
