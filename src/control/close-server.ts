/** The end of an HTTP server, which must not keep its daemon from ending. */
import type { FastifyInstance } from 'fastify';

/** So long for answers that are under way. */
const PATIENCE_MS = 1000;

/** Listens no more, and cuts off connections that are still there after a while: one on which nothing is asked would stay for a minute. */
export async function closeServer(server: FastifyInstance): Promise<void> {
  const impatience = setTimeout(() => server.server.closeAllConnections(), PATIENCE_MS);
  await server.close();
  clearTimeout(impatience);
}
