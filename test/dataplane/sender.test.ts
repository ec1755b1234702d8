/** The sender with real sockets, with UDP_SEGMENT and without: the same datagrams in the same order, and the same counters. */
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { SocketDevice } from '../../src/dataplane/device/socket-device.ts';
import { Sender } from '../../src/dataplane/sender.ts';
import { addressOf, close, receive, setIntOption } from '../../src/net/libc.ts';
import { createNamespace, deleteNamespace, withNamespace } from '../../src/net/network-namespace.ts';
import { openPathSocket } from '../../src/net/path-socket.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket } from '../support/inner-packet.ts';
import { testPath, testSession } from '../support/session.ts';

const NAMESPACE = `tlsender-${process.pid}`;
const PATHS = 3;
const SEGMENT = L.ENDPOINT_OFFLOAD_SEGMENT;
const SO_NO_CHECK = 11;
const session = testSession({
  paths: Array.from({ length: PATHS }, (_, i) => testPath(i + 1, { weight: i + 1, dontFragment: 'clear' })),
});
const packet = (size: number, i: number): Uint8Array =>
  innerPacket({ family: 4, payload: Uint8Array.from({ length: size }, (_, at) => (at * 7 + i) & 255) });
/** A batch with one message a path, and one with several. */
const alike = Array.from({ length: L.BATCH }, (_, i) => packet(700, i));
const mixed = [20, 20, 700, 700, 700, 100, 1300, 1300, 20].flatMap((size) => [size, size, size]).map(packet);

beforeAll(() => {
  createNamespace(NAMESPACE);
  const ip = (...args: string[]): unknown => execFileSync('ip', ['-n', NAMESPACE, ...args]);
  ip('link', 'set', 'lo', 'up');
  for (const { local, remote } of session.paths) {
    for (const address of [local, remote]) ip('address', 'add', `${address}/32`, 'dev', 'lo');
  }
});
afterAll(() => deleteNamespace(NAMESPACE));

const open = new Set<number>();
afterEach(() => {
  for (const fd of open) close(fd);
  open.clear();
});

function openSocket(local: string): number {
  const spec = { local, protocol: 17, port: 5437, hopLimit: 64, dontFragment: false, merge: false };
  const fd = withNamespace(NAMESPACE, () => openPathSocket(spec));
  open.add(fd);
  return fd;
}

/** A node whose three paths have sockets of their own, and the sockets at their far ends. */
class Bed {
  readonly node: BenchNode;
  readonly base: number;
  readonly sender: Sender;
  readonly sockets = session.paths.map(({ local }) => openSocket(local));
  readonly far = session.paths.map(({ remote }) => openSocket(remote));

  constructor(offload: number) {
    this.node = new BenchNode('mag', {}, { mode: L.MODE_UDP4, offload }).add(session);
    const { memory } = this.node;
    this.base = addressOf(memory.memory);
    memory.u64[(L.CONTROL + L.CONTROL_HOST_BASE) / 8] = BigInt(this.base);
    this.sender = new Sender(this.node.wasm, this.node.worker, memory.u32);
    this.sockets.forEach((fd, endpoint) => this.sender.setDevice(endpoint, new SocketDevice(fd, this.base)));
  }

  /** Sends the packets as batches of the TUN. */
  send(packets: readonly Uint8Array[]): void {
    for (let start = 0; start < packets.length; start += L.BATCH) {
      const batch = packets.slice(start, start + L.BATCH);
      this.node.loadTun(batch);
      for (let done = 0; done < batch.length;) {
        done = this.node.wasm.encapsulate(this.node.worker, done, batch.length, 1, 0);
        this.sender.send();
      }
    }
  }

  /** What has arrived at the far ends, in hexadecimal, by path. */
  arrived(): string[][] {
    const into = new Uint8Array(2048);
    return this.far.map((fd) => {
      const datagrams: string[] = [];
      for (let length = receive(fd, into); length >= 0; length = receive(fd, into)) {
        datagrams.push(Buffer.from(into.subarray(0, length)).toString('hex'));
      }
      return datagrams;
    });
  }

  get counters(): { sent: number[]; drops: Record<string, number> } {
    const { paths } = this.node.sessions.status('mn1');
    return { sent: paths.map((path) => path.txPackets), drops: this.node.drops };
  }
}

/** What a bed does, and what it has counted. */
function observe(bed: Bed, packets: readonly Uint8Array[]): { arrived: string[][] } & Bed['counters'] {
  bed.send(packets);
  return { arrived: bed.arrived(), ...bed.counters };
}

/** One after the other: both have the same addresses. */
function expectAlike(packets: readonly Uint8Array[], prepare: (bed: Bed) => void = () => {}): Bed {
  const plain = new Bed(0);
  prepare(plain);
  const wanted = observe(plain, packets);
  for (const fd of open) close(fd);
  open.clear();
  const bed = new Bed(SEGMENT);
  prepare(bed);
  expect(observe(bed, packets)).toEqual(wanted);
  expect(bed.node.freeBuffers).toBe(plain.node.freeBuffers);
  return bed;
}

test('messages of several and of single packets', () => {
  const bed = expectAlike([...alike, ...alike, ...mixed]);
  expect(bed.counters.sent.reduce((sum, packets) => sum + packets)).toBe(2 * alike.length + mixed.length);
  expect(bed.counters.drops).toEqual({});
});

test('an endpoint that is gone: its packets are counted, the others arrive', () => {
  const bed = expectAlike(alike, ({ sender }) => sender.setDevice(1, null));
  const { sent, drops } = bed.counters;
  expect(sent[1]).toBe(0);
  expect(Object.values(drops)).toEqual([alike.length - sent[0]! - sent[2]!]);
});

test('a socket that refuses segmentation: its packets go one by one, once', () => {
  const bed = expectAlike([...alike, ...mixed, ...alike], ({ sockets }) =>
    // Segments need checksums: udp(7) refuses them without (EINVAL).
    setIntOption(sockets[1]!, 1, SO_NO_CHECK, 1, 'SO_NO_CHECK'),
  );
  expect(bed.counters.drops).toEqual({});
  const { memory } = bed.node;
  const offloadOf = (endpoint: number): number =>
    memory.u32[(memory.endpoints + endpoint * L.ENDPOINT_STRIDE + L.ENDPOINT_OFFLOAD) / 4]!;
  expect([0, 1, 2].map(offloadOf)).toEqual([SEGMENT, 0, SEGMENT]);
});
