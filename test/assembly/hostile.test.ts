/** Hostile input, a million packets and more: no trap, no bad delivery, each one counted. Seeded, so repeatable. */
import { describe, expect, test } from 'vitest';
import { ENCAPSULATIONS } from '../../src/dataplane/session-spec.ts';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket, slowChecksum } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';

/** xorshift32: the same mutations every time. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

function mutate(packet: Uint8Array, random: (limit: number) => number): Uint8Array {
  const copy = Uint8Array.from(packet);
  switch (random(4)) {
    case 0:
      return copy.subarray(0, random(copy.length + 1));
    case 1:
      copy[random(copy.length)]! ^= 1 << random(8);
      return copy;
    case 2:
      for (let i = 0; i <= random(8); i++) copy[random(Math.min(copy.length, 64))] = random(256);
      return copy;
    default:
      return copy.map(() => random(256)).subarray(0, random(copy.length + 1));
  }
}

const totalDrops = (node: BenchNode): number =>
  Object.values(node.drops).reduce((sum, count) => sum + count, 0);
const ROUNDS = 100_000;

for (const encapsulation of ENCAPSULATIONS) {
  test(`${encapsulation}: ${ROUNDS} mutated outer packets`, () => {
    const random = generator(0x5eed + encapsulation.length);
    const paths = [1, 2].map((bid) =>
      testPath(bid, {
        encapsulation,
        family: bid === 1 ? 4 : 6,
        gre: { key: true, sequence: true, checksum: bid === 1 },
      }),
    );
    const session = testSession({ paths });
    const mag = new BenchNode('mag').add(session);
    const lma = new BenchNode('lma').add(mirrored(session));
    const packets = ([4, 6] as const).flatMap((family) =>
      [0, 40, 500].map((size) => innerPacket({ family, payload: new Uint8Array(size).fill(7) })),
    );
    let delivered = 0;
    let fed = 0;
    for (let round = 0; round < ROUNDS; round += 50) {
      const { sent } = mag.encapsulate(Array.from({ length: 50 }, () => packets[random(packets.length)]!));
      lma.now += 1000;
      for (const endpoint of new Set(sent.map((packet) => packet.endpoint))) {
        const batch = sent
          .filter((packet) => packet.endpoint === endpoint)
          .map((packet) => (random(4) ? mutate(packet.bytes, random) : packet.bytes));
        fed += batch.length;
        for (const packet of lma.decapsulate(endpoint, batch)) {
          delivered++;
          expectOwn(packet);
        }
      }
    }
    for (const packet of lma.advance(lma.now + 10_000_000)) {
      delivered++;
      expectOwn(packet);
    }
    expect(delivered).toBeGreaterThan(0);
    expect(lma.resequencer().held).toBe(0);
    expect(delivered + totalDrops(lma)).toBe(fed);
  });
}

/** Whatever is delivered is an IP packet from the session's prefixes with a right header. */
function expectOwn(packet: Uint8Array): void {
  if (packet[0]! >> 4 === 4) {
    expect([...packet.subarray(12, 15)]).toEqual([192, 0, 2]);
    expect(slowChecksum(packet.subarray(0, (packet[0]! & 15) * 4))).toBe(0);
    expect((packet[2]! << 8) | packet[3]!).toBe(packet.length);
  } else {
    expect([...packet.subarray(8, 14)]).toEqual([0x20, 0x01, 0x0d, 0xb8, 0xca, 0xfe]);
    expect(((packet[4]! << 8) | packet[5]!) + 40).toBe(packet.length);
  }
}

test('600,000 mutated inner packets from the TUN', () => {
  const random = generator(0xbadf00d);
  const mag = new BenchNode('mag').add(testSession());
  const packets = ([4, 6] as const).flatMap((family) =>
    [0, 40, 1400].map((size) =>
      innerPacket({ family, payload: new Uint8Array(size).fill(7), dontFragment: true }),
    ),
  );
  let sent = 0;
  const rounds = 600_000;
  for (let round = 0; round < rounds; round += 64) {
    mag.now += 1000;
    const batch = Array.from({ length: 64 }, () => mutate(packets[random(packets.length)]!, random));
    sent += mag.encapsulate(batch).sent.length;
  }
  const { 'icmp-limit': answersLimited = 0, ...drops } = mag.drops;
  expect(answersLimited).toBeGreaterThanOrEqual(0);
  const dropped = Object.values(drops).reduce((sum, count) => sum + count, 0);
  expect(sent + dropped).toBe(Math.ceil(rounds / 64) * 64);
});

describe('every refusal has its reason', () => {
  const session = testSession({ paths: [testPath(1)] });
  const inner = innerPacket({ family: 4, payload: new Uint8Array(8) });
  const outer = (): Uint8Array => new BenchNode('mag').add(session).encapsulate([inner]).sent[0]!.bytes;
  const lma = (): BenchNode => new BenchNode('lma').add(mirrored(session));

  /** Changes octets and mends the outer IPv4 header checksum; the UDP checksum is switched off. */
  function changed(change: (packet: Uint8Array) => void): Uint8Array {
    const packet = outer();
    packet.fill(0, 26, 28);
    change(packet);
    packet.fill(0, 10, 12);
    const sum = slowChecksum(packet.subarray(0, 20));
    packet.set([sum >> 8, sum & 255], 10);
    return packet;
  }

  test.each([
    ['unknown-key', (packet: Uint8Array) => void (packet[36] = 0x99)],
    ['unknown-peer', (packet: Uint8Array) => void (packet[15] = 99)],
    ['gre-malformed', (packet: Uint8Array) => void (packet[32]! |= 0x40)],
    ['gre-malformed', (packet: Uint8Array) => void (packet[33] = 1)],
    ['gre-protocol', (packet: Uint8Array) => void (packet[34] = 0x99)],
    ['tlv-malformed', (packet: Uint8Array) => void packet[31]!++],
    ['tlv-malformed', (packet: Uint8Array) => void (packet[29] = 99)],
    ['outer-destination', (packet: Uint8Array) => void (packet[19] = 99)],
    ['outer-fragment', (packet: Uint8Array) => void (packet[6] = 0x20)],
    ['inner-checksum', (packet: Uint8Array) => void packet[44 + 4]!++],
    ['ecn', (packet: Uint8Array) => void (packet[1] = 3)],
  ])('%s', (reason, change) => {
    const node = lma();
    expect(node.decapsulate(0, [changed(change)])).toEqual([]);
    expect(node.drops).toEqual({ [reason]: 1 });
  });

  test.each([
    ['inner-address', '192.0.3.10'],
    ['inner-martian', '127.0.0.1'],
    ['inner-martian', '224.0.0.1'],
    ['inner-martian', '169.254.1.1'],
  ])('%s for a packet from %s', (reason, source) => {
    const node = lma();
    const foreign = innerPacket({ family: 4, payload: new Uint8Array(8), source });
    const packet = changed((bytes) => bytes.set(foreign.subarray(0, 20), 44));
    expect(node.decapsulate(0, [packet])).toEqual([]);
    expect(node.drops).toEqual({ [reason]: 1 });
  });

  test.each([
    ['no-session', innerPacket({ family: 4, payload: new Uint8Array(8), source: '192.0.3.1' })],
    ['inner-expired', innerPacket({ family: 6, payload: new Uint8Array(8), hopLimit: 0 })],
    ['inner-truncated', inner.subarray(0, 24)],
    ['inner-malformed', Uint8Array.from([0x15, ...inner.subarray(1)])],
    ['inner-checksum', Uint8Array.from([...inner.subarray(0, 4), 9, ...inner.subarray(5)])],
  ])('%s on the way in', (reason, packet) => {
    const node = new BenchNode('mag').add(session);
    expect(node.encapsulate([packet]).sent).toEqual([]);
    expect(node.drops).toEqual({ [reason]: 1 });
  });
});
