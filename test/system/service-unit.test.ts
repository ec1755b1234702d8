/** MAG and LMA as the service unit of docs/examples/systemd runs them: another user, few capabilities, sd_notify(3). Needs root. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { run, waitFor } from '../support/daemon.ts';
import { Deployment } from '../support/deployment.ts';

const NOBODY = '65534';
const unit = readFileSync(new URL('../../docs/examples/systemd/tunloom@.service', import.meta.url), 'utf8');
const capabilities = [...unit.match(/^AmbientCapabilities=(.*)$/m)![1]!.matchAll(/CAP_(\w+)/g)].map(
  ([, name]) => name!.toLowerCase(),
);
const only = ['-all', ...capabilities.map((name) => `+${name}`)].join();
const SETPRIV = [
  ...['setpriv', '--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', '--no-new-privs'],
  ...[`--inh-caps=${only}`, `--ambient-caps=${only}`, `--bounding-set=${only}`],
];
/** Prints each datagram that it gets as a line. */
const LISTENER = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
print("bound", flush=True)
while True: print(s.recv(4096).decode().replace("\\n", " "), flush=True)
`;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** What arrives at a datagram socket of that path, one line each. */
async function listen(path: string): Promise<() => string[]> {
  const child = spawn('python3', ['-c', LISTENER, path]);
  undo.push(() => child.kill());
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  await waitFor(() => output.startsWith('bound'));
  return () => output.trim().split('\n').slice(1);
}

test('they need no more, and tell when they are ready, reload and stop', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
  undo.push(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const socket = join(folder, 'notify');
  const heard = await listen(socket);
  const told = (): string[] => heard().filter((line) => line !== 'WATCHDOG=1');
  const journal = ['sh', '-c', 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"', 'sh'];
  const notify = ['env', `NOTIFY_SOCKET=${socket}`, 'WATCHDOG_USEC=200000'];
  const deployment = new Deployment('unit', [...journal, ...notify, ...SETPRIV]);
  undo.push(() => deployment.stop());
  chmodSync(deployment.folder, 0o777);
  await deployment.startLma(`metrics: { listen: '127.0.0.1:9278' }`);
  await waitFor(() => told().join() === 'READY=1');
  await deployment.startMag();
  deployment.host.set(true);
  await deployment.pathsAre([1, 2]);
  await deployment.address();
  await waitFor(() => deployment.pings());
  const status = readFileSync(`/proc/${deployment.lmaDaemon!.child.pid}/status`, 'utf8');
  expect(status).toMatch(/^Uid:\s65534\s65534/m);
  const scraped = run('ip', 'netns', 'exec', deployment.lma, 'curl', '-s', 'http://127.0.0.1:9278/metrics');
  expect(scraped).toMatch(/^tunloom_signaling_acknowledgements_total\{status="0"\} [1-9]/m);
  deployment.lmaDaemon!.child.kill('SIGHUP');
  await waitFor(() => told().length === 4);
  await waitFor(() => heard().includes('WATCHDOG=1'));
  expect(await deployment.magDaemon!.end()).toBe(0);
  expect(await deployment.lmaDaemon!.end()).toBe(0);
  await waitFor(() => told().length === 6);
  const reloading = expect.stringMatching(/^RELOADING=1 MONOTONIC_USEC=\d+$/) as string;
  expect(told()).toEqual(['READY=1', 'READY=1', reloading, 'READY=1', 'STOPPING=1', 'STOPPING=1']);
  // What journalctl -p goes by.
  expect(deployment.lmaDaemon!.log).toMatch(/^<6>\{"level":30,.*"event":"listening"/m);
  expect(deployment.lmaDaemon!.log).toMatch(/^<4>\{"level":40,.*"event":"notForwarding"/m);
  // Not a word about something that was refused.
  expect(deployment.magDaemon!.log + deployment.lmaDaemon!.log).not.toMatch(/EPERM|EACCES|"level":[56]0/);
});
