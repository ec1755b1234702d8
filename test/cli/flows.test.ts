/** `tunloom flows`: what moves a flow, and what is no path to move it to. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildControlServer, listenControl } from '../../src/control/server.ts';
import { BenchNode } from '../support/bench-node.ts';
import { controlOf } from '../support/control.ts';
import { testSession } from '../support/session.ts';

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;
const FLOW = 'udp 203.0.113.9:443 192.0.2.10:5000';

const folder = mkdtempSync(join(tmpdir(), 'tunloom-flows-'));
const socket = join(folder, 'control.sock');
const node = new BenchNode('lma');
const moves: [flow: string, bid: number | null][] = [];
const control = controlOf(node);
const server = buildControlServer({
  control: {
    ...control,
    moveFlow: (_session, { source, destination }, bid) => {
      moves.push([`${source} ${destination}`, bid]);
    },
  },
  changed: () => {},
  reload: () => Promise.resolve({}),
});

beforeAll(async () => {
  node.sessions.add(testSession());
  await listenControl(server, socket);
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Exit status and what was printed on standard error. */
function flows(...options: string[]): Promise<{ status: number; errors: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, '--socket', socket, 'flows', 'mn1', ...options],
      (error, _output, errors) => {
        resolve({ status: error ? Number(error.code) : 0, errors });
      },
    );
  });
}

test('a flow is moved to a path, and let go again', async () => {
  expect(await flows('--move', FLOW, '--bid', '2')).toEqual({ status: 0, errors: '' });
  expect(await flows('--release', FLOW)).toEqual({ status: 0, errors: '' });
  expect(moves.splice(0)).toEqual([
    ['203.0.113.9 192.0.2.10', 2],
    ['203.0.113.9 192.0.2.10', null],
  ]);
});

test.each([
  [['--move', FLOW, '--bid', 'two'], /--bid two: expected 1\.\.254/],
  [['--move', FLOW], /--move needs --bid/],
  [['--move', FLOW, '--release', FLOW, '--bid', '2'], /--move or --release, not both/],
])('%j moves nothing', async (options, message) => {
  const { status, errors } = await flows(...options);
  expect(status).toBe(2);
  expect(errors).toMatch(message);
  expect(moves).toEqual([]);
});
