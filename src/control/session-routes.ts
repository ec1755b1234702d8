/**
 * /v1/sessions: what a daemon beside tunloom installs, changes and removes (docs/control-socket.md, docs/beside.md). Every PUT
 * says what shall be, so it can be repeated; one that changes nothing touches nothing.
 */
import { isDeepStrictEqual } from 'node:util';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { FileServices } from '../config/flow-schema.ts';
import { parseSession, withPath } from '../config/load.ts';
import type { SessionSpec } from '../dataplane/session-spec.ts';
import type { DataplaneControl, SessionStatus } from '../dataplane/status.ts';
import { TunloomError } from '../errors.ts';
import { canonicalAddress, canonicalPrefix, parseAddress, parsePrefix, prefixContains } from '../ip.ts';

interface Named {
  Params: { name: string };
}
interface Path {
  Params: { name: string; bid: string };
}

const weightsBody = z.strictObject({
  weights: z.record(z.string().regex(/^\d{1,3}$/), z.int().min(0).max(65535)),
});

/** Adds the requests; `changed` is called after each change. */
export function addSessionRoutes(
  server: FastifyInstance,
  control: DataplaneControl,
  changed: () => void,
  services: () => FileServices = () => ({}),
): void {
  const done = (name: string): SessionStatus => {
    changed();
    return control.session(name);
  };
  /** Adds the session or goes over to it; without effect if its routes cannot be had. */
  const put = (session: SessionSpec, before: SessionSpec | null): SessionStatus => {
    if (before) control.updateSession(session);
    else control.addSession(session);
    try {
      return done(session.name);
    } catch (error) {
      if (before) control.updateSession(before);
      else control.removeSession(session.name);
      changed();
      throw error;
    }
  };
  server.get<{ Querystring: Record<string, string> }>('/v1/sessions', ({ query }) => {
    const tests = Object.entries(query).map(([key, value]) => filterOf(key, value));
    return control.sessions().filter((session) => tests.every((test) => test(session)));
  });
  server.get<Named>('/v1/sessions/:name', ({ params }) => control.session(params.name));
  server.put<Named>('/v1/sessions/:name', ({ params, body }) => {
    const session = parseSession(withKey(body, 'name', params.name, 'BAD_SESSION'), services());
    const before = installed(control, session.name);
    return isDeepStrictEqual(before, session) ? control.session(session.name) : put(session, before);
  });
  server.delete<Named>('/v1/sessions/:name', ({ params }) => {
    control.removeSession(params.name);
    changed();
    return {};
  });
  server.put<Named>('/v1/sessions/:name/weights', ({ params, body }) => {
    const parsed = weightsBody.safeParse(body);
    if (!parsed.success) {
      throw new TunloomError('BAD_WEIGHT', 'expected {"weights": {"BID": weight 0..65535, ...}}');
    }
    const weights = Object.entries(parsed.data.weights).map(
      ([bid, weight]) => [Number(bid), weight] as const,
    );
    control.setWeights(params.name, new Map(weights));
    return done(params.name);
  });
  server.put<Path>('/v1/sessions/:name/paths/:bid', ({ params, body }) => {
    const before = control.spec(params.name);
    const after = withPath(before, withKey(body, 'bid', bidOf(params.bid), 'BAD_PATH'));
    return isDeepStrictEqual(before, after) ? control.session(params.name) : put(after, before);
  });
  server.delete<Path>('/v1/sessions/:name/paths/:bid', ({ params }) => {
    const session = control.spec(params.name);
    const bid = bidOf(params.bid);
    const paths = session.paths.filter((path) => path.bid !== bid);
    if (paths.length === session.paths.length) {
      throw new TunloomError('UNKNOWN_BID', `session "${params.name}" has no path with BID ${bid}`);
    }
    if (!paths.length) {
      throw new TunloomError(
        'LAST_PATH',
        `BID ${bid} is the last path of "${params.name}"; remove the session`,
      );
    }
    control.updateSession({ ...session, paths });
    return done(params.name);
  });
}

/** The body with the key that the URL gives; one in the body has to be the same. */
function withKey(body: unknown, key: string, value: string | number, code: string): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const given = (body as Record<string, unknown>)[key];
  if (given !== undefined && given !== value) {
    throw new TunloomError(
      code,
      `${key}: got ${JSON.stringify(given)}, but the URL says ${JSON.stringify(value)}`,
    );
  }
  return { ...body, [key]: value };
}

function bidOf(text: string): number {
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 254) return Number(text);
  throw new TunloomError('BAD_PATH', `"${text}" is not a BID, expected 1..254`);
}

/** Null: there is no session of this name. */
function installed(control: DataplaneControl, name: string): SessionSpec | null {
  try {
    return control.spec(name);
  } catch (error) {
    if (error instanceof TunloomError && error.code === 'UNKNOWN_SESSION') return null;
    throw error;
  }
}

/** A condition of GET /v1/sessions?key=value. Throws BAD_REQUEST. */
function filterOf(key: string, value: string): (session: SessionStatus) => boolean {
  try {
    switch (key) {
      case 'prefix': {
        const wanted = canonicalPrefix(value);
        return ({ prefixes }) => prefixes.some((prefix) => canonicalPrefix(prefix) === wanted);
      }
      case 'address': {
        const { bytes } = parseAddress(value);
        return ({ prefixes }) => prefixes.some((prefix) => prefixContains(parsePrefix(prefix), bytes));
      }
      case 'local':
      case 'remote': {
        const wanted = canonicalAddress(value);
        return ({ paths }) => paths.some((path) => canonicalAddress(path[key]) === wanted);
      }
      case 'key': {
        if (!/^(\d+|0x[\da-f]+)$/i.test(value)) throw new Error('is not a GRE key');
        const wanted = Number(value);
        return ({ sendKey, receiveKey }) => sendKey === wanted || receiveKey === wanted;
      }
      default:
        throw new Error('is not one of prefix, address, local, remote, key');
    }
  } catch (error) {
    throw new TunloomError('BAD_REQUEST', `${key}=${value}: ${(error as Error).message}`, { cause: error });
  }
}
