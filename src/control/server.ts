/** The control socket: HTTP and JSON over a unix domain socket of mode 0600 (docs/control-socket.md). */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import { z } from 'zod';
import { parseSession } from '../config/load.ts';
import type { DataplaneControl } from '../dataplane/status.ts';
import { TunloomError } from '../errors.ts';
import { formatMetrics } from './metrics.ts';

export interface ControlOptions {
  readonly control: DataplaneControl;
  /** Called after a session was put or deleted. */
  readonly changed: () => void;
  /** Reads the configuration again; rejects with what is wrong in it. */
  readonly reload: () => Promise<void>;
}

const STATUS_CODES: Readonly<Record<string, number>> = {
  UNKNOWN_SESSION: 404,
  UNKNOWN_BID: 404,
  SESSION_EXISTS: 409,
  PREFIX_IN_USE: 409,
  KEY_IN_USE: 409,
};

const weightsBody = z.strictObject({
  weights: z.record(z.string().regex(/^\d{1,3}$/), z.int().min(0).max(65535)),
});

/** Builds the server without listening: for inject() and listen(). */
export function buildControlServer({ control, changed, reload }: ControlOptions): FastifyInstance {
  const server = Fastify({ bodyLimit: 1 << 20 });
  server.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const code = error instanceof TunloomError ? error.code : 'BAD_REQUEST';
    const status = error instanceof TunloomError ? (STATUS_CODES[error.code] ?? 400) : (error.statusCode ?? 400);
    return reply.status(status).send({ error: { code, message: error.message } });
  });
  server.get('/v1/status', () => control.status());
  server.get('/v1/sessions', () => control.sessions());
  server.get<{ Params: { name: string } }>('/v1/sessions/:name', ({ params }) => control.session(params.name));
  server.put<{ Params: { name: string } }>('/v1/sessions/:name', ({ params, body }) => {
    const session = parseSession({ ...(body as object), name: params.name });
    const exists = control.sessions().some((other) => other.name === session.name);
    if (exists) control.updateSession(session);
    else control.addSession(session);
    changed();
    return control.session(session.name);
  });
  server.delete<{ Params: { name: string } }>('/v1/sessions/:name', ({ params }) => {
    control.removeSession(params.name);
    changed();
    return {};
  });
  server.put<{ Params: { name: string } }>('/v1/sessions/:name/weights', ({ params, body }) => {
    const parsed = weightsBody.safeParse(body);
    if (!parsed.success) {
      throw new TunloomError('BAD_WEIGHT', 'expected {"weights": {"BID": weight 0..65535, ...}}');
    }
    const weights = Object.entries(parsed.data.weights).map(([bid, weight]) => [Number(bid), weight] as const);
    control.setWeights(params.name, new Map(weights));
    changed();
    return control.session(params.name);
  });
  server.post('/v1/reload', async () => {
    await reload();
    return {};
  });
  server.get('/metrics', (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(formatMetrics(control.status(), control.sessions())),
  );
  return server;
}

/** Listens on `path`. Throws ALREADY_RUNNING if another instance answers there; a dead socket file is replaced. */
export async function listenControl(server: FastifyInstance, path: string): Promise<void> {
  if (await answers(path)) {
    throw new TunloomError('ALREADY_RUNNING', `another instance answers on ${path}`);
  }
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  const mask = process.umask(0o177);
  try {
    await server.listen({ path });
  } finally {
    process.umask(mask);
  }
  chmodSync(path, 0o600);
  server.addHook('onClose', () => rmSync(path, { force: true }));
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
