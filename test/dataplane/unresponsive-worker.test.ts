/** A worker that never comes back from a batch, as with a user's scheduler that loops for ever. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileScheduler } from '../../src/dataplane/scheduler-compiler.ts';
import type { DataplaneEvent } from '../../src/dataplane/status.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { startMemoryDataplane } from '../support/memory-dataplane.ts';
import { testSession } from '../support/session.ts';

const ENDLESS = `
import { pathCount } from 'tunloom/scheduler';
export function pick(group: usize, length: u32, flow: u64, now: u64): u32 {
  while (length > 1000) {}
  return pathCount(group) - 1;
}`;

test('a worker in an endless loop is reported, replaced, and does not keep the data plane from stopping', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-endless-'));
  const file = join(folder, 'endless.ts');
  writeFileSync(file, ENDLESS);
  const hotPath = await compileScheduler(file).finally(() => rmSync(folder, { recursive: true }));
  const { dataplane, send: sendPacket, takeSent } = await startMemoryDataplane({ hotPath });
  const events: DataplaneEvent[] = [];
  dataplane.on('event', (event) => events.push(event));
  const send = (octets: number): void =>
    sendPacket(innerPacket({ family: 4, payload: new Uint8Array(octets) }));
  const state = (): string => dataplane.status().workers[0]!.state;
  let stopped: Promise<void> | null = null;
  try {
    dataplane.addSession(testSession({ distribution: { scheduler: 'custom' } }));
    send(100);
    await expect.poll(takeSent).toBeGreaterThan(100);

    send(1200);
    await expect.poll(state).toBe('unresponsive');
    expect(events).toContainEqual({ event: 'workerUnresponsive', worker: 0 });
    await expect.poll(() => events).toContainEqual({ event: 'workerRestarted', worker: 0 });
    expect(events).toContainEqual({
      event: 'workerFailed',
      worker: 0,
      error: 'it did not come back from a batch',
    });
    await expect.poll(state).toBe('running');
    send(100);
    await expect.poll(takeSent).toBeGreaterThan(100);

    send(1200);
  } finally {
    stopped = dataplane.stop();
  }
  await stopped;
  expect(state()).not.toBe('running');
});
