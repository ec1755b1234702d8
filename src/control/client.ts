/** Talks to a running instance over its control socket. */
import { request } from 'node:http';
import { TunloomError } from '../errors.ts';

/** One request; the parsed JSON answer. Throws NOT_RUNNING, or the error that the instance reported. */
export function callControl(socketPath: string, method: string, path: string, body?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath,
        method,
        path,
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' } }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const answer = JSON.parse(Buffer.concat(chunks).toString()) as {
            error?: { code: string; message: string };
          };
          if (answer.error) reject(new TunloomError(answer.error.code, answer.error.message));
          else resolve(answer);
        });
      },
    );
    call.on('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EACCES' ? 'permission denied' : 'no instance answers';
      reject(new TunloomError('NOT_RUNNING', `${socketPath}: ${reason}`, { cause: error }));
    });
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
