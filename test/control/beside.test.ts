/** The examples of docs/beside.md, run as they stand there against a control socket; and the event stream. */
import { execFile } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FastifyInstance } from 'fastify';
import { buildControlServer, listenControl } from '../../src/control/server.ts';
import type { DataplaneControl, DataplaneEvent } from '../../src/dataplane/status.ts';
import { BenchNode } from '../support/bench-node.ts';
import { controlOf } from '../support/control.ts';

const run = promisify(execFile);
const page = readFileSync(new URL('../../docs/beside.md', import.meta.url), 'utf8');

function example(language: string): string {
  const block = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(page)?.[1];
  if (!block) throw new Error(`docs/beside.md has no ${language} example`);
  return block;
}

let directory: string;
let socket: string;
let control: DataplaneControl;
let server: FastifyInstance;
const events = new EventEmitter<{ event: [DataplaneEvent] }>();

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tunloom-beside-'));
  socket = join(directory, 'control.sock');
  control = controlOf(new BenchNode('lma'));
  server = buildControlServer({
    control,
    changed: () => {},
    reload: () => Promise.reject(new Error('not here')),
    events,
  });
  await listenControl(server, socket);
});

afterEach(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

test('the shell example', async () => {
  const env = { ...process.env, TUNLOOM_SOCKET: socket };
  const { stdout } = await run('sh', ['-c', example('sh')], { env });
  expect(stdout).toContain('"schedule":[1,2,1,2,1]');
  expect(stdout).toContain('"name":"wlan"');
  expect(control.sessions()).toEqual([]);
});

test('the Python example', async () => {
  // What an earlier life of the daemon left, and does not know any more.
  await server.inject({
    method: 'PUT',
    url: '/v1/sessions/stale',
    payload: {
      prefixes: ['2001:db8:cafe::/64'],
      sendKey: 1,
      receiveKey: 2,
      paths: [{ bid: 1, local: '203.0.113.1', remote: '198.51.100.9' }],
    },
  });
  const env = { ...process.env, TUNLOOM_SOCKET: socket };
  const { stdout } = await run('python3', ['-c', example('python')], { env });
  expect(stdout).toBe('schedule 1 2 1 2 1\n');
  expect(control.sessions().map(({ name }) => name)).toEqual(['mn1']);
  expect(control.spec('mn1')).toMatchObject({
    prefixes: ['2001:db8:cafe::/64', '192.0.2.7/32'],
    sendKey: 0x11111111,
    receiveKey: 0x22222222,
    paths: [{ bid: 2, name: 'label9', remote: '198.51.100.5', weight: 2 }],
  });
});

test('events come one a line, and a stopping server ends the stream', async () => {
  const call = request({ socketPath: socket, path: '/v1/events' });
  call.end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  expect(response.headers['content-type']).toBe('application/x-ndjson');
  const lines = createInterface({ input: response })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value));
  expect(await next()).toMatchObject({ event: 'connected', sessions: 0 });
  events.emit('event', { event: 'sessionAdded', session: 'mn1' });
  events.emit('event', { event: 'weightsChanged', session: 'mn1', weights: { 1: 3, 2: 2 } });
  expect(await next()).toEqual({ event: 'sessionAdded', session: 'mn1' });
  expect(await next()).toEqual({ event: 'weightsChanged', session: 'mn1', weights: { 1: 3, 2: 2 } });
  await server.close();
  expect((await lines.next()).done).toBe(true);
  expect(events.listenerCount('event')).toBe(0);
});
