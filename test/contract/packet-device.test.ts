/** One suite for every PacketDevice: what one end sends the other receives, whole and in order, without blocking. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import type { PacketDevice } from '../../src/dataplane/device/device.ts';
import { MemoryDevice, createRing } from '../../src/dataplane/device/memory-device.ts';
import { SocketDevice } from '../../src/dataplane/device/socket-device.ts';
import { TunDevice } from '../../src/dataplane/device/tun-device.ts';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import { addressOf, close } from '../../src/net/libc.ts';
import { createNamespace, deleteNamespace, withNamespace } from '../../src/net/network-namespace.ts';
import { openPathSocket } from '../../src/net/path-socket.ts';
import { openTunQueues } from '../../src/net/tun.ts';
import { innerPacket, slowChecksum } from '../support/inner-packet.ts';

const NAMESPACE = `tlcontract-${process.pid}`;
const COUNT = 16;
const SLOT = 2048;

beforeAll(() => {
  createNamespace(NAMESPACE);
  ip(['link', 'set', 'lo', 'up']);
});
afterAll(() => deleteNamespace(NAMESPACE));

function ip(args: readonly string[]): void {
  execFileSync('ip', ['-n', NAMESPACE, ...args]);
}

/** A vector of COUNT messages in a memory of its own, as the hot path lays it out. */
class Vector {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #base: number;
  readonly headers = 0;
  static readonly #iovecs = COUNT * L.MMSGHDR_SIZE;
  static readonly #names = Vector.#iovecs + COUNT * L.IOVEC_SIZE;
  static readonly #slots = 4096;

  constructor(memory: WebAssembly.Memory, base: number) {
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#base = base;
  }

  /** Prepares message `i`: room to receive, or a packet to send to a peer. */
  set(i: number, packet?: Uint8Array, to?: { bytes: Uint8Array; length: number }): void {
    const iovec = Vector.#iovecs + i * L.IOVEC_SIZE;
    const slot = Vector.#slots + i * SLOT;
    const name = Vector.#names + i * L.NAME_SIZE;
    this.#bytes.fill(0, i * L.MMSGHDR_SIZE, (i + 1) * L.MMSGHDR_SIZE);
    if (packet) this.#bytes.set(packet, slot);
    this.#view.setBigUint64(iovec, BigInt(this.#base + slot), true);
    this.#view.setBigUint64(iovec + 8, BigInt(packet ? packet.length : SLOT), true);
    this.#view.setBigUint64(i * L.MMSGHDR_SIZE + L.MMSGHDR_IOV, BigInt(this.#base + iovec), true);
    this.#view.setBigUint64(i * L.MMSGHDR_SIZE + L.MMSGHDR_IOVLEN, 1n, true);
    if (to) {
      this.#bytes.set(to.bytes, name);
      this.#view.setBigUint64(i * L.MMSGHDR_SIZE + L.MMSGHDR_NAME, BigInt(this.#base + name), true);
      this.#view.setUint32(i * L.MMSGHDR_SIZE + L.MMSGHDR_NAMELEN, to.length, true);
    }
  }

  get(i: number): Uint8Array {
    const slot = Vector.#slots + i * SLOT;
    return this.#bytes.slice(slot, slot + this.#view.getUint32(i * L.MMSGHDR_SIZE + L.MMSGHDR_LEN, true));
  }
}

interface Pair {
  readonly memory: WebAssembly.Memory;
  readonly base: number;
  readonly sender: PacketDevice;
  readonly receiver: PacketDevice;
  /** Where the sender has to address its messages. */
  readonly to?: { bytes: Uint8Array; length: number };
  /** What the receiver gets for a packet that was sent. */
  readonly arrives: (packet: Uint8Array) => Uint8Array;
  readonly close: () => void;
}

const newMemory = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });

function memoryPair(): Pair {
  const memory = newMemory();
  const ring = createRing();
  const bytes = new Uint8Array(memory.buffer);
  const u32 = new Uint32Array(memory.buffer);
  return {
    memory,
    base: 0,
    sender: new MemoryDevice(null, ring, bytes, u32),
    receiver: new MemoryDevice(ring, null, bytes, u32),
    arrives: (packet) => packet,
    close: () => {},
  };
}

function socketPair(): Pair {
  const memory = newMemory();
  const base = addressOf(memory);
  const [from, to] = withNamespace(NAMESPACE, () => [socket(7001), socket(7002)] as const);
  return {
    memory,
    base,
    sender: new SocketDevice(from, base),
    receiver: new SocketDevice(to, base),
    to: encodeSockaddr(parseAddress('127.0.0.1'), 7002),
    arrives: (packet) => packet,
    close: () => {
      close(from);
      close(to);
    },
  };
}

function socket(port: number): number {
  return openPathSocket({
    local: '127.0.0.1',
    protocol: 17,
    port,
    hopLimit: 64,
    dontFragment: false,
    merge: false,
  });
}

/** Two TUN devices with the kernel forwarding between them, which takes one from the TTL. */
function tunPair(): Pair {
  const memory = newMemory();
  const base = addressOf(memory);
  const u32 = new Uint32Array(memory.buffer);
  const [from, to] = withNamespace(NAMESPACE, () => {
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    // Nothing but what the test sends: no multicast listener reports.
    writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1');
    return [openTunQueues('tla', 1, false), openTunQueues('tlb', 1, false)] as const;
  });
  for (const { name } of [from, to]) ip(['link', 'set', 'dev', name, 'up']);
  ip(['route', 'add', '192.0.2.0/24', 'dev', 'tla']);
  ip(['route', 'add', '203.0.113.0/24', 'dev', 'tlb']);
  return {
    memory,
    base,
    sender: new TunDevice(from.fds[0]!, false, base, u32),
    receiver: new TunDevice(to.fds[0]!, false, base, u32),
    arrives: (packet) => {
      const forwarded = Uint8Array.from(packet);
      forwarded[8]!--;
      forwarded.fill(0, 10, 12);
      const sum = slowChecksum(forwarded.subarray(0, 20));
      forwarded.set([sum >> 8, sum & 255], 10);
      return forwarded;
    },
    close: () => {
      for (const fd of [...from.fds, ...to.fds]) close(fd);
    },
  };
}

describe.each([
  ['in-memory', memoryPair],
  ['socket', socketPair],
  ['TUN', tunPair],
] as const)('%s device', (_, open) => {
  const packets = Array.from({ length: COUNT }, (_unused, i) =>
    innerPacket({ family: 4, payload: new Uint8Array(i * 90).fill(i) }),
  );

  test('nothing to receive is 0 and does not block', () => {
    const pair = open();
    try {
      const vector = new Vector(pair.memory, pair.base);
      for (let i = 0; i < COUNT; i++) vector.set(i);
      expect(pair.receiver.receive(vector.headers, COUNT)).toBe(0);
    } finally {
      pair.close();
    }
  });

  test('a batch arrives whole, in order, with its lengths', () => {
    const pair = open();
    try {
      const vector = new Vector(pair.memory, pair.base);
      packets.forEach((packet, i) => vector.set(i, packet, pair.to));
      expect(pair.sender.send(vector.headers, COUNT)).toBe(COUNT);
      for (let i = 0; i < COUNT; i++) vector.set(i);
      const first = pair.receiver.receive(vector.headers, 5);
      expect(first).toBe(5);
      const got = Array.from({ length: first }, (_unused, i) => vector.get(i));
      for (let i = 0; i < COUNT; i++) vector.set(i);
      const rest = pair.receiver.receive(vector.headers, COUNT);
      expect(rest).toBe(COUNT - 5);
      got.push(...Array.from({ length: rest }, (_unused, i) => vector.get(i)));
      expect(got).toEqual(packets.map(pair.arrives));
    } finally {
      pair.close();
    }
  });
});
