/** A worker that never comes back from a batch, as with a user's scheduler that loops for ever. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { Dataplane } from '../../src/dataplane/dataplane.ts';
import { PacketRing, createRing } from '../../src/dataplane/device/memory-device.ts';
import { compileScheduler } from '../../src/dataplane/scheduler-compiler.ts';
import type { DataplaneEvent } from '../../src/dataplane/status.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { testSession } from '../support/session.ts';

const ENDLESS = `
import { pathCount } from 'tunloom/scheduler';
export function pick(group: usize, length: u32, flow: u64, now: u64): u32 {
  while (length > 1000) {}
  return pathCount(group) - 1;
}`;

test(
  'a worker in an endless loop is reported, replaced, and does not keep the data plane from stopping',
  { timeout: 120_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tunloom-endless-'));
    const file = join(folder, 'endless.ts');
    writeFileSync(file, ENDLESS);
    const tun = createRing();
    const path = createRing();
    const bell = new SharedArrayBuffer(4);
    const signal = (): void => {
      Atomics.add(new Int32Array(bell), 0, 1);
      Atomics.notify(new Int32Array(bell), 0);
    };
    const dataplane = await Dataplane.start({
      role: 'mag',
      hotPath: await compileScheduler(file).finally(() => rmSync(folder, { recursive: true })),
      sizes: {
        workers: 1,
        sessions: 1,
        paths: 2,
        buffers: 1024,
        bufferSize: 2048,
        heap: 1 << 20,
        supers: false,
      },
      hostBase: () => 0,
      ports: {
        mode: () => L.MODE_WHOLE,
        offload: () => 0,
        open: () => [{ kind: 'memory', receive: null, send: path }],
        close: () => {},
      },
      tun: {
        name: 'memory',
        mtu: () => 1500,
        devices: [{ kind: 'memory', receive: tun, send: createRing() }],
      },
      wake: [{ fd: -1, bell, signal }],
    });
    const events: DataplaneEvent[] = [];
    dataplane.on('event', (event) => events.push(event));
    const packets = new PacketRing(tun);
    const sent = new PacketRing(path);
    const send = (octets: number): void => {
      packets.push(innerPacket({ family: 4, payload: new Uint8Array(octets) }));
      signal();
    };
    const state = (): string => dataplane.status().workers[0]!.state;
    let stopped: Promise<void> | null = null;
    try {
      dataplane.addSession(testSession({ distribution: { scheduler: 'custom' } }));
      send(100);
      await expect.poll(() => sent.take(new Uint8Array(2048))).toBeGreaterThan(100);

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
      await expect.poll(() => sent.take(new Uint8Array(2048))).toBeGreaterThan(100);

      send(1200);
    } finally {
      stopped = dataplane.stop();
    }
    await stopped;
    expect(state()).not.toBe('running');
  },
);
