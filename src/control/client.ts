/** Talks to a running instance over its control socket. */
import { request } from 'node:http';
import { TunloomError } from '../errors.ts';

const TIMEOUT_MS = 10_000;

/** Why nobody answers, in words, by errno. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket; is tunloom running? (--socket names another)',
  ECONNREFUSED: 'nobody answers there; the instance has died, or this is not its socket',
  EACCES: 'permission denied; the socket belongs to the user that runs tunloom',
  ENOTSOCK: 'is not a socket',
};

/** One request; the parsed JSON answer. Throws NOT_RUNNING, or the error that the instance reported. */
export function callControl(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath,
        method,
        path,
        timeout: TIMEOUT_MS,
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' } }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', (error) => reject(notRunning(socketPath, error)));
        response.on('end', () => {
          try {
            resolve(readAnswer(Buffer.concat(chunks).toString(), response.statusCode ?? 0));
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    call.on('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    call.on('error', (error) => reject(notRunning(socketPath, error)));
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Follows a stream of JSON lines until it ends; `take` gets each. Throws as callControl(). */
export function followControl(
  socketPath: string,
  path: string,
  take: (data: unknown) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method: 'GET', path }, (response) => {
      const stream = response.statusCode === 200;
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (!stream) return;
        const lines = text.split('\n');
        text = lines.pop()!;
        for (const line of lines) take(JSON.parse(line));
      });
      response.on('error', (error) => reject(notRunning(socketPath, error)));
      response.on('end', () => {
        try {
          if (!stream) readAnswer(text, response.statusCode ?? 0);
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    call.on('error', (error) => reject(notRunning(socketPath, error)));
    call.end();
  });
}

function notRunning(socketPath: string, error: NodeJS.ErrnoException): TunloomError {
  const reason = REASONS[error.code ?? ''] ?? error.message;
  return new TunloomError('NOT_RUNNING', `${socketPath}: ${reason}`, { cause: error });
}

function readAnswer(text: string, status: number): unknown {
  let answer: { error?: { code?: unknown; message?: unknown } };
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch (error) {
    throw new TunloomError('BAD_ANSWER', `the answer (status ${status}) is not JSON`, { cause: error });
  }
  if (status < 400) return answer;
  const { code, message } = answer.error ?? {};
  throw new TunloomError(String(code ?? 'BAD_ANSWER'), String(message ?? `status ${status}`));
}
