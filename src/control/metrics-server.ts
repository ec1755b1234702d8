/** GET /metrics for scrapers that do not come to the control socket: nothing else is offered there, and nothing can be changed. */
import Fastify from 'fastify';
import { TunloomError } from '../errors.ts';
import { closeServer } from './close-server.ts';
import { TEXT_FORMAT } from './prometheus-text.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** A few scrapers. */
const MOST_CONNECTIONS = 32;

/** Serves `text` until the result is called. Throws SYSTEM_CALL if it cannot listen. */
export async function listenMetrics(
  { host, port }: ListenAddress,
  text: () => string,
): Promise<() => Promise<void>> {
  const server = Fastify();
  // Whoever connects again and again must not take the descriptors that paths need.
  server.server.maxConnections = MOST_CONNECTIONS;
  server.get('/metrics', (_request, reply) => reply.type(TEXT_FORMAT).send(text()));
  try {
    await server.listen({ host, port });
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new TunloomError('SYSTEM_CALL', `metrics.listen: ${host} port ${port}: ${reason}`, {
      cause: error,
    });
  }
  return () => closeServer(server);
}
