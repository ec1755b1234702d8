/** The control socket: HTTP and JSON over a unix domain socket of mode 0600 (docs/control-socket.md). */
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { dirname } from 'node:path';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { DataplaneControl } from '../dataplane/status.ts';
import { TunloomError } from '../errors.ts';
import { type EventSource, addEventStream } from './event-stream.ts';
import { formatMetrics } from './metrics.ts';
import type { FileServices } from '../config/flow-schema.ts';
import { TEXT_FORMAT } from './prometheus-text.ts';
import { addDistributionRoutes } from './distribution-routes.ts';
import { type PathControl, addPathRoutes } from './path-routes.ts';
import { addSessionRoutes } from './session-routes.ts';
import { type SignalingControl, addSignalingRoutes, ownerOf } from './signaling-routes.ts';

/** How many sessions a reload touched. */
export interface ReloadResult {
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** Sessions in which nothing but weights changed. */
  readonly weightsOnly: number;
}

export interface ControlOptions {
  readonly control: DataplaneControl;
  /** Called after a session was put or deleted. */
  readonly changed: () => void;
  /** Reads the configuration again; rejects with what is wrong in it. */
  readonly reload: () => Promise<object>;
  /** Services that the configuration names, for flow rules in requests. */
  readonly services?: () => FileServices;
  /** What GET /v1/events tells; without it there is no such request. */
  readonly events?: EventSource;
  /** Without it, or null, paths are not measured. */
  readonly paths?: PathControl | null;
  /** Of a MAG or LMA. */
  readonly signaling?: SignalingControl | undefined;
}

const STATUS_CODES: Readonly<Record<string, number>> = {
  UNKNOWN_SESSION: 404,
  UNKNOWN_BID: 404,
  UNKNOWN_NODE: 404,
  UNKNOWN_INTERFACE: 404,
  SESSION_BY_SIGNALING: 409,
  ALREADY_ATTACHED: 409,
  SESSION_EXISTS: 409,
  PREFIX_IN_USE: 409,
  ROUTE_IN_USE: 409,
  KEY_IN_USE: 409,
  LAST_PATH: 409,
  NEEDS_RESTART: 409,
  NO_PROBES: 409,
  BAD_CONFIG: 422,
  SYSTEM_CALL: 500,
  NETLINK: 500,
  TOO_MANY_SESSIONS: 507,
  TOO_MANY_PATHS: 507,
  TOO_MANY_ENDPOINTS: 507,
  OUT_OF_MEMORY: 507,
};

const BODY_LIMIT = 1 << 20;

/** Builds the server without listening: for inject() and listen(). */
export function buildControlServer({
  control,
  changed,
  reload,
  services = () => ({}),
  events,
  paths = null,
  signaling,
}: ControlOptions): FastifyInstance {
  const answer = (error: Error & { statusCode?: number }, _request: unknown, reply: FastifyReply): void => {
    const { code, status } = classify(error);
    reply.status(status).send({ error: { code, message: error.message } });
  };
  const server = Fastify({
    bodyLimit: BODY_LIMIT,
    // Names of sessions are NAIs, each octet of which may be written with three.
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: answer,
    clientErrorHandler: refuseMalformed,
  });
  server.setErrorHandler(answer);
  // Many clients announce JSON with every request, also where there is none.
  const parseJson = server.getDefaultJsonParser('error', 'error');
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else void parseJson(request, body as string, done);
  });
  server.setNotFoundHandler((request, reply) =>
    reply.status(404).send({
      error: {
        code: 'NOT_FOUND',
        message: `there is no ${request.method} ${request.url}${ownerOf(request.url)}`,
      },
    }),
  );
  server.get('/v1/status', () => control.status());
  addDistributionRoutes(server, control, changed, services);
  addPathRoutes(server, control, paths);
  addSessionRoutes(server, control, changed, services);
  if (events) addEventStream(server, control, events);
  server.post('/v1/reload', () => reload());
  server.get('/metrics', (_request, reply) =>
    reply.type(TEXT_FORMAT).send(metricsText({ control, paths, signaling })),
  );
  if (signaling) addSignalingRoutes(server, signaling);
  return server;
}

/** What GET /metrics tells. */
export function metricsText({
  control,
  paths,
  signaling,
}: Pick<ControlOptions, 'control' | 'paths'> & {
  signaling?: Pick<SignalingControl, 'signaling'> | undefined;
}): string {
  const sessions = control.sessions();
  const health = sessions.flatMap(({ name }) => paths?.paths(name) ?? []);
  return formatMetrics(control.status(), sessions, health, signaling?.signaling());
}

/** What is not HTTP gets an answer of the usual form. */
function refuseMalformed(error: Error, socket: Socket): void {
  if (!socket.writable) return;
  const body = JSON.stringify({ error: { code: 'BAD_REQUEST', message: error.message } });
  const head = `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`);
}

function classify(error: Error & { statusCode?: number }): { code: string; status: number } {
  if (error instanceof TunloomError) return { code: error.code, status: STATUS_CODES[error.code] ?? 400 };
  const status = error.statusCode ?? 500;
  return { code: status < 500 ? 'BAD_REQUEST' : 'INTERNAL', status };
}

/**
 * To be called before anything is started: a second instance of the same file must not touch what the first one uses. Throws
 * ALREADY_RUNNING if another instance answers on `path` and BAD_CONFIG if something other than a socket is there.
 */
export async function refuseSecondInstance(path: string): Promise<void> {
  const present = lstatSync(path, { throwIfNoEntry: false });
  if (!present) return;
  if (!present.isSocket()) {
    throw new TunloomError('BAD_CONFIG', `control: ${path} exists and is not a socket`);
  }
  if (await answers(path)) throw new TunloomError('ALREADY_RUNNING', `another instance answers on ${path}`);
}

/** Listens on `path`, which goes away when the server closes; the socket of a dead instance is replaced. Throws as refuseSecondInstance. */
export async function listenControl(server: FastifyInstance, path: string): Promise<void> {
  await refuseSecondInstance(path);
  rmSync(path, { force: true });
  mkdirSync(dirname(path), { recursive: true });
  const mask = process.umask(0o177);
  try {
    await server.listen({ path });
  } finally {
    process.umask(mask);
  }
  chmodSync(path, 0o600);
}

/** Whether somebody accepts connections; throws if that cannot be found out (EACCES), lest a live socket be removed. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(new TunloomError('ALREADY_RUNNING', `${path}: ${error.message}`, { cause: error }));
    });
  });
}
