/** What does not fit: ICMP answers, fragments, and the MSS of TCP SYNs. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BenchNode } from '../support/bench-node.ts';
import { innerPacket, slowChecksum } from '../support/inner-packet.ts';
import { mirrored, testPath, testSession } from '../support/session.ts';

// udp-gre over IPv4 costs 44 octets: an inner MTU of 1456.
const session = testSession({ paths: [testPath(1)] });
const MTU = 1456;

/** One's complement sum over the IPv6 pseudo-header and the upper layer (RFC 8200 §8.1): 0 if the checksum is right. */
function upperChecksum6(packet: Uint8Array, protocol: number): number {
  const length = packet.length - 40;
  return slowChecksum(
    Uint8Array.from([
      ...packet.subarray(8, 40),
      0,
      0,
      length >> 8,
      length & 255,
      0,
      0,
      0,
      protocol,
      ...packet.subarray(40),
    ]),
  );
}

test('a link that is too narrow for a tunnel at all is no reason to crash: fragments are as small as any', () => {
  const path = testPath(1);
  const mag = new BenchNode('mag').add(testSession({ prefixes: ['192.0.2.0/24'], paths: [path] }));
  for (let mtu = 68; mtu < 80; mtu++) {
    mag.sessions.setPathMtu(path.local, path.remote, mtu);
    const { sent } = mag.encapsulate([innerPacket({ family: 4, payload: new Uint8Array(200) })]);
    // 48 octets each of 208.
    expect(sent).toHaveLength(5);
  }
});

describe('packets too big', () => {
  test('IPv4 with DF is answered by "fragmentation needed" (RFC 1191)', () => {
    const mag = new BenchNode('mag').add(session);
    const packet = innerPacket({ family: 4, payload: new Uint8Array(1472), dontFragment: true });
    const { sent, delivered } = mag.encapsulate([packet]);
    expect(sent).toEqual([]);
    expect(delivered).toHaveLength(1);
    const answer = delivered[0]!;
    expect([...answer.subarray(12, 20)]).toEqual([192, 0, 0, 8, 192, 0, 2, 10]);
    expect(slowChecksum(answer.subarray(0, 20))).toBe(0);
    expect([...answer.subarray(20, 22)]).toEqual([3, 4]);
    expect(slowChecksum(answer.subarray(20))).toBe(0);
    expect((answer[26]! << 8) | answer[27]!).toBe(MTU);
    expect(answer.subarray(28)).toEqual(packet.subarray(0, 548));
    expect(mag.drops).toEqual({ 'too-big': 1 });
  });

  test('no path leaves 1280 octets: IPv4 is answered by what they leave, IPv6 packets of 1280 are sent', () => {
    const mag = new BenchNode('mag').add(testSession({ paths: [testPath(1, { mtu: 1280 })] }));
    const packet = innerPacket({ family: 4, payload: new Uint8Array(1236 - 27), dontFragment: true });
    const [answer] = mag.encapsulate([packet]).delivered;
    expect((answer![26]! << 8) | answer![27]!).toBe(1236);
    const fits = innerPacket({ family: 4, payload: new Uint8Array(1236 - 28), dontFragment: true });
    const ipv6 = innerPacket({ family: 6, payload: new Uint8Array(1280 - 48) });
    expect(mag.encapsulate([fits, ipv6]).sent.map(({ bytes }) => bytes.length)).toEqual([1280, 1324]);
    expect(mag.drops).toEqual({ 'too-big': 1 });
  });

  test('IPv6 is answered by "packet too big" (RFC 4443 §3.2)', () => {
    const mag = new BenchNode('mag').add(session);
    const packet = innerPacket({ family: 6, payload: new Uint8Array(1452) });
    const { sent, delivered } = mag.encapsulate([packet]);
    expect(sent).toEqual([]);
    const answer = delivered[0]!;
    expect(answer.length).toBe(1280);
    expect(answer.subarray(24, 40)).toEqual(packet.subarray(8, 24));
    expect([...answer.subarray(40, 42)]).toEqual([2, 0]);
    expect(upperChecksum6(answer, 58)).toBe(0);
    expect(new DataView(answer.buffer).getUint32(44)).toBe(MTU);
    expect(answer.subarray(48)).toEqual(packet.subarray(0, 1232));
  });

  test('nothing is answered to an ICMP error, a later fragment or a multicast', () => {
    const mag = new BenchNode('mag').add(session);
    const change = (mutate: (packet: Uint8Array) => void): Uint8Array => {
      const packet = innerPacket({ family: 4, payload: new Uint8Array(1472), dontFragment: true });
      mutate(packet);
      packet.fill(0, 10, 12);
      const sum = slowChecksum(packet.subarray(0, 20));
      packet.set([sum >> 8, sum & 255], 10);
      return packet;
    };
    const packets = [
      change((packet) => {
        packet[9] = 1;
        packet[20] = 3;
      }),
      change((packet) => (packet[7] = 10)),
      change((packet) => packet.set([239, 1, 1, 1], 16)),
    ];
    expect(mag.encapsulate(packets)).toEqual({ sent: [], delivered: [] });
    expect(mag.drops).toEqual({ 'too-big': 3 });
  });

  test('answers are rate-limited, and what is not answered is counted', () => {
    const mag = new BenchNode('mag').add(session);
    const packet = innerPacket({ family: 4, payload: new Uint8Array(1472), dontFragment: true });
    const first = mag.encapsulate(Array.from({ length: 300 }, () => packet)).delivered.length;
    expect(first).toBe(100);
    expect(mag.drops).toEqual({ 'too-big': 300, 'icmp-limit': 200 });
    mag.now += 50_000;
    expect(mag.encapsulate(Array.from({ length: 300 }, () => packet)).delivered.length).toBe(50);
  });

  test('IPv4 without DF goes in fragments that make the packet again', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: MTU - 27, max: 1800 }),
        fc.integer({ min: 700, max: 1500 }),
        (size, mtu) => {
          const payload = Uint8Array.from({ length: size }, (_, i) => (i * 7) & 255);
          const small = testSession({ prefixes: ['192.0.2.0/24'], paths: [testPath(1, { mtu })] });
          const mag = new BenchNode('mag').add(small);
          const lma = new BenchNode('lma').add(mirrored(small));
          const packet = innerPacket({ family: 4, payload });
          const { sent } = mag.encapsulate([packet]);
          const pieces = lma.decapsulate(
            0,
            sent.map(({ bytes }) => bytes),
          );
          expect(sent.every(({ bytes }) => bytes.length <= mtu)).toBe(true);
          const whole = new Uint8Array(packet.length - 20);
          let covered = 0;
          pieces.forEach((piece, i) => {
            const field = (piece[6]! << 8) | piece[7]!;
            expect((field & 0x2000) !== 0).toBe(i < pieces.length - 1);
            expect(slowChecksum(piece.subarray(0, 20))).toBe(0);
            whole.set(piece.subarray(20), (field & 0x1fff) * 8);
            covered += piece.length - 20;
          });
          expect(covered).toBe(whole.length);
          expect(whole).toEqual(packet.subarray(20));
          expect(mag.drops).toEqual({});
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('MSS clamping', () => {
  /** A TCP SYN with the given options, checksum right. */
  function syn(family: 4 | 6, options: readonly number[], flags = 2): Uint8Array {
    const padded = [...options, ...Array.from({ length: (4 - (options.length % 4)) % 4 }, () => 0)];
    const udp = innerPacket({ family, payload: new Uint8Array(12 + padded.length) });
    const header = family === 4 ? 20 : 40;
    const packet = Uint8Array.from(udp);
    packet[family === 4 ? 9 : 6] = 6;
    packet.fill(0, header);
    packet[header + 12] = ((20 + padded.length) / 4) << 4;
    packet[header + 13] = flags;
    packet.set(padded, header + 20);
    packet.fill(0, 10, family === 4 ? 12 : 10);
    if (family === 4) {
      const sum = slowChecksum(packet.subarray(0, 20));
      packet.set([sum >> 8, sum & 255], 10);
    }
    const sum = tcpChecksum(packet, family);
    packet.set([sum >> 8, sum & 255], header + 16);
    return packet;
  }

  function tcpChecksum(packet: Uint8Array, family: 4 | 6): number {
    if (family === 6) return upperChecksum6(packet, 6);
    const length = packet.length - 20;
    return slowChecksum(
      Uint8Array.from([...packet.subarray(12, 20), 0, 6, length >> 8, length & 255, ...packet.subarray(20)]),
    );
  }

  for (const family of [4, 6] as const) {
    const limit = MTU - (family === 4 ? 40 : 60);
    test.each([
      ['alone', [2, 4, 0x05, 0xb4], 2],
      ['behind a no-operation, at an odd offset', [1, 2, 4, 0x05, 0xb4], 3],
      ['behind other options', [4, 2, 1, 1, 2, 4, 0x23, 0x00, 3, 3, 7], 6],
    ])(`IPv${family}: %s`, (_, options, at) => {
      const mag = new BenchNode('mag').add(session);
      const lma = new BenchNode('lma').add(mirrored(session));
      const packet = syn(family, options);
      const out = lma.decapsulate(0, [mag.encapsulate([packet]).sent[0]!.bytes])[0]!;
      const header = family === 4 ? 20 : 40;
      const place = header + 20 + at;
      expect((out[place]! << 8) | out[place + 1]!).toBe(limit);
      expect(tcpChecksum(out, family)).toBe(0);
      const rest = Uint8Array.from(packet);
      rest.set(out.subarray(place, place + 2), place);
      rest.set(out.subarray(header + 16, header + 18), header + 16);
      expect(out).toEqual(rest);
    });

    test(`IPv${family}: a smaller value, a segment that is no SYN, and broken options stay as they are`, () => {
      const mag = new BenchNode('mag').add(session);
      const lma = new BenchNode('lma').add(mirrored(session));
      const packets = [
        syn(family, [2, 4, 0x02, 0x00]),
        syn(family, [2, 4, 0x05, 0xb4], 0x10),
        syn(family, [2, 0, 0x05, 0xb4]),
        syn(family, [8, 200, 1, 1]),
      ];
      const { sent } = mag.encapsulate(packets);
      expect(
        lma.decapsulate(
          0,
          sent.map(({ bytes }) => bytes),
        ),
      ).toEqual(packets);
    });
  }
});

describe('ECN, RFC 6040 §4.2 figure 4', () => {
  // Rows: inner Not-ECT, ECT(1), ECT(0), CE; columns: outer likewise; -1 is a drop.
  const table = [
    [0, 0, 0, -1],
    [1, 1, 1, 3],
    [2, 1, 2, 3],
    [3, 3, 3, 3],
  ];
  for (const family of [4, 6] as const) {
    table.forEach((row, inner) => {
      row.forEach((wanted, outer) => {
        test(`IPv${family}: inner ${inner}, outer ${outer} gives ${wanted}`, () => {
          const mag = new BenchNode('mag').add(session);
          const lma = new BenchNode('lma').add(mirrored(session));
          const packet = innerPacket({ family, payload: new Uint8Array(8), tos: 0xb8 | inner });
          const bytes = mag.encapsulate([packet]).sent[0]!.bytes;
          expect(bytes[1]).toBe(0xb8 | inner);
          bytes[1] = outer;
          bytes.fill(0, 10, 12);
          const sum = slowChecksum(bytes.subarray(0, 20));
          bytes.set([sum >> 8, sum & 255], 10);
          const out = lma.decapsulate(0, [bytes]);
          if (wanted < 0) {
            expect(out).toEqual([]);
            expect(lma.drops).toEqual({ ecn: 1 });
          } else {
            expect(out).toEqual([innerPacket({ family, payload: new Uint8Array(8), tos: 0xb8 | wanted })]);
          }
        });
      });
    });
  }

  test('compatibility mode sends Not-ECT, a fixed DSCP replaces the inner one', () => {
    const plain = testSession({ paths: [testPath(1, { ecn: 'compatibility', dscp: 46 })] });
    const mag = new BenchNode('mag').add(plain);
    const packet = innerPacket({ family: 4, payload: new Uint8Array(8), tos: 0x0b });
    expect(mag.encapsulate([packet]).sent[0]!.bytes[1]).toBe(46 << 2);
  });
});
