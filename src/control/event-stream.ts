/**
 * GET /v1/events: what happens to sessions, paths and workers, one JSON object a line (application/x-ndjson), for as long as
 * the reader stays. The first line says how things stand; a reader that missed something reads /v1/sessions again.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { DataplaneControl, DataplaneEvent } from '../dataplane/status.ts';
import type { NodeEvent } from './signaling-status.ts';

type Listener = (event: DataplaneEvent | NodeEvent) => void;

/** A data plane, or a MAG or LMA around one. */
export interface EventSource {
  on(name: 'event', listener: Listener): unknown;
  off(name: 'event', listener: Listener): unknown;
}

/** A reader that is so many octets behind is cut off, lest it eat the memory. */
const MOST_UNREAD = 1 << 20;
/** So that both sides notice when the other is gone. */
const SIGN_OF_LIFE_MS = 15_000;

/** Adds the request. Streams end when the server closes; without readers nobody listens to `events`. */
export function addEventStream(
  server: FastifyInstance,
  control: DataplaneControl,
  events: EventSource,
): void {
  const readers = new Set<ServerResponse>();
  const tell = (line: Readonly<Record<string, unknown>>): void => {
    const text = `${JSON.stringify(line)}\n`;
    for (const reader of readers) {
      if (reader.writableLength > MOST_UNREAD) reader.destroy();
      else reader.write(text);
    }
  };
  const listener: Listener = (event) => tell(event);
  const signOfLife = setInterval(() => tell({ event: 'alive' }), SIGN_OF_LIFE_MS);
  signOfLife.unref();
  server.addHook('preClose', (done) => {
    clearInterval(signOfLife);
    events.off('event', listener);
    for (const reader of readers) reader.end();
    done();
  });
  server.get('/v1/events', (_request, reply) => {
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    const { role, sessions, paths } = control.status();
    raw.write(`${JSON.stringify({ event: 'connected', role, sessions, paths })}\n`);
    if (!readers.size) events.on('event', listener);
    readers.add(raw);
    raw.on('close', () => {
      if (readers.delete(raw) && !readers.size) events.off('event', listener);
    });
  });
}
