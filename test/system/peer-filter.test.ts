/**
 * Path sockets of several workers in the kernel: every packet of a known peer reaches exactly one worker, always the same, also while
 * filters are exchanged; of anybody else nothing reaches any, or with raw sockets a sample the first, and it is counted. Needs root.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EndpointSpec } from '../../src/dataplane/endpoints.ts';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import { bind, close, receive, sendTo, socket } from '../../src/net/libc.ts';
import { withNamespace } from '../../src/net/network-namespace.ts';
import { HostPorts } from '../../src/node/host-ports.ts';
import { addNamespace, run } from '../support/daemon.ts';

const NAMESPACE = `tlpf-${process.pid}`;
const WORKERS = 3;
const FLAGS = 0o4000 | 0o2000000;

const peerOf = (family: 4 | 6, n: number): string => (family === 4 ? `198.51.100.${n}` : `2001:db8:5::${n}`);
const localOf = (family: 4 | 6): string => (family === 4 ? '203.0.113.1' : '2001:db8:f::1');

beforeAll(() => {
  addNamespace(NAMESPACE);
  for (const family of [4, 6] as const) {
    const length = family === 4 ? 32 : 128;
    for (const address of [localOf(family), ...Array.from({ length: 8 }, (_, i) => peerOf(family, i + 1))])
      run('ip', '-n', NAMESPACE, 'address', 'add', `${address}/${length}`, 'dev', 'lo', 'nodad');
  }
});

afterAll(() => {
  spawnSync('ip', ['netns', 'delete', NAMESPACE]);
});

/** Sends numbered packets from a peer's address. */
class Sender {
  readonly #fd: number;
  readonly #to: { bytes: Uint8Array; length: number };
  readonly #peer: number;
  #next = 0;

  constructor(family: 4 | 6, protocol: number, peer: number) {
    const udp = protocol === 17;
    this.#peer = peer;
    this.#to = encodeSockaddr(parseAddress(localOf(family)), udp ? 5437 : 0);
    this.#fd = withNamespace(NAMESPACE, () => socket(family === 4 ? 2 : 10, (udp ? 2 : 3) | FLAGS, protocol));
    const own = encodeSockaddr(parseAddress(peerOf(family, peer)), udp ? 40_000 + peer : 0);
    bind(this.#fd, own.bytes, own.length, 'peer');
  }

  send(): void {
    const data = new Uint8Array(8);
    new DataView(data.buffer).setUint32(0, this.#peer);
    new DataView(data.buffer).setUint32(4, this.#next++);
    sendTo(this.#fd, data, this.#to.bytes, this.#to.length, 'local');
  }

  get sent(): number {
    return this.#next;
  }

  close(): void {
    close(this.#fd);
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test.each([
  [4, 17],
  [6, 17],
  [4, 47],
  [6, 47],
] as const)('IPv%d protocol %d', async (family, protocol) => {
  const ports = new HostPorts(NAMESPACE, {
    segment: false,
    merge: false,
    link: 'off',
    xdp: 'off',
  });
  const endpoint: EndpointSpec = {
    family,
    local: localOf(family),
    encapsulation: protocol === 17 ? 'udp-gre' : 'gre',
    protocol,
    port: protocol === 17 ? 5437 : 0,
    hopLimit: 64,
    dontFragment: true,
  };
  const devices = ports.open(endpoint, WORKERS);
  const fds = devices.map((device) => (device.kind === 'socket' ? device.fd : -1));
  const senders = Array.from({ length: 8 }, (_, i) => new Sender(family, protocol, i + 1));
  /** Numbers received, by worker and peer. */
  const received = fds.map(() => new Map<number, number[]>());
  const drain = (): void => {
    fds.forEach((fd, worker) => {
      const buffer = new Uint8Array(256);
      for (let length = receive(fd, buffer); length > 0; length = receive(fd, buffer)) {
        const view = new DataView(buffer.buffer, length - 8, 8);
        const numbers = received[worker]!.get(view.getUint32(0)) ?? [];
        numbers.push(view.getUint32(4));
        received[worker]!.set(view.getUint32(0), numbers);
      }
    });
  };
  try {
    // Peers 1..6 are known, 7 and 8 are not. 9 and more come and go.
    for (let peer = 1; peer <= 6; peer++) ports.admit(endpoint, peerOf(family, peer));
    await settled();
    for (let round = 0; round < 100; round++) {
      for (const sender of senders) sender.send();
      const guest = peerOf(family, 9 + (round % 5));
      ports.admit(endpoint, guest);
      await settled();
      for (const sender of senders) sender.send();
      ports.dismiss(endpoint, guest);
      await settled();
      drain();
    }
    const everything = Array.from({ length: 200 }, (_, i) => i);
    // The kernel counts for us with UDP; of raw sockets it does not, and a small sample comes through.
    if (protocol === 17) expect(ports.drops()).toEqual({ 'peer-filter': 2 * everything.length });
    else {
      const strangers = [7, 8].flatMap((peer) => received.flatMap((byPeer) => byPeer.get(peer) ?? []));
      expect(strangers.length).toBeLessThan(everything.length / 2);
      expect(ports.drops()).toEqual({});
      for (let sent = 0; sent < 5000 && !received[0]!.has(7) && !received[0]!.has(8); sent++) {
        senders[6]!.send();
        if (sent % 100 === 99) drain();
      }
      expect(received.slice(1).some((byPeer) => byPeer.has(7) || byPeer.has(8))).toBe(false);
      expect(received[0]!.delete(7) || received[0]!.delete(8)).toBe(true);
      received[0]!.delete(8);
    }
    for (let peer = 1; peer <= 6; peer++) {
      const places = received.flatMap((byPeer, worker) => (byPeer.has(peer) ? [worker] : []));
      expect([peer, places.length]).toEqual([peer, 1]);
      expect(received[places[0]!]!.get(peer)).toEqual(everything);
    }
    expect(received.map((byPeer) => byPeer.size)).toEqual([2, 2, 2]);

    // More peers than a filter holds: nobody is refused any more, and still each packet reaches one worker.
    for (const byPeer of received) byPeer.clear();
    const before = senders.map((sender) => sender.sent);
    const blocks = ['192.0.2', '198.51.100', '203.0.113'];
    const crowd = Array.from({ length: family === 4 ? 600 : 2000 }, (_, n) =>
      family === 4 ? `${blocks[n % 3]}.${50 + Math.floor(n / 3)}` : `2001:db8:77::${n.toString(16)}`,
    );
    for (const address of crowd) ports.admit(endpoint, address);
    await settled();
    for (let round = 0; round < 50; round++) for (const sender of senders) sender.send();
    await settled();
    drain();
    for (let peer = 1; peer <= 8; peer++) {
      const numbers = received.flatMap((byPeer) => byPeer.get(peer) ?? []);
      expect(numbers).toEqual(Array.from({ length: 50 }, (_, i) => before[peer - 1]! + i));
    }
    for (const address of crowd) ports.dismiss(endpoint, address);
    await settled();
    for (const sender of senders) sender.send();
    for (const byPeer of received) byPeer.clear();
    drain();
    const reached = received.flatMap((byPeer, worker) =>
      [...byPeer.keys()].filter((peer) => peer > 6 && worker > 0),
    );
    expect(reached).toEqual([]);

    // A full receive buffer is another reason.
    const drops = ports.drops()['peer-filter'];
    const [known] = senders;
    while (!ports.drops()['receive-queue-full']) for (let i = 0; i < 1000; i++) known!.send();
    expect(ports.drops()['peer-filter']).toBe(drops);
  } finally {
    ports.close(devices);
    for (const sender of senders) sender.close();
  }
});

test.each([4, 6] as const)(
  'IPv%d: a UDP end that is opened anew while its old sockets still close keeps strangers and peers apart',
  async (family) => {
    const ports = new HostPorts(NAMESPACE, {
      segment: false,
      merge: false,
      link: 'off',
      xdp: 'off',
    });
    const endpoint: EndpointSpec = {
      family,
      local: localOf(family),
      encapsulation: 'udp-gre',
      protocol: 17,
      port: 5437,
      hopLimit: 64,
      dontFragment: true,
    };
    ports.admit(endpoint, peerOf(family, 1));
    const generations = [ports.open(endpoint, WORKERS)];
    const known = new Sender(family, 17, 1);
    const stranger = new Sender(family, 17, 2);
    try {
      ports.admit(endpoint, peerOf(family, 1));
      for (let generation = 0; generation < 5; generation++) {
        generations.push(ports.open(endpoint, WORKERS));
        ports.close(generations.shift()!);
        await settled();
        const before = ports.drops()['peer-filter'] ?? 0;
        const arrive = (sender: Sender): number => {
          sender.send();
          const buffer = new Uint8Array(256);
          return generations[0]!.filter(
            (device) => device.kind === 'socket' && receive(device.fd, buffer) > 0,
          ).length;
        };
        expect([arrive(known), arrive(stranger)]).toEqual([1, 0]);
        expect(ports.drops()['peer-filter']).toBe(before + 1);
      }
    } finally {
      for (const devices of generations) ports.close(devices);
      for (const sender of [known, stranger]) sender.close();
    }
  },
);
