/** When a silent node is asked and given up, and the messages that ask it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Reachability } from '../../src/access/reachability.ts';
import { type ArpPacket, encodeArpPacket, readArpPacket } from '../../src/access/wire/arp-packet.ts';
import { buildIcmp6Packet } from '../../src/access/wire/icmp6-packet.ts';
import {
  encodeNeighbourSolicitation,
  readNeighbourMessage,
} from '../../src/access/wire/neighbour-message.ts';
import { parseAddress } from '../../src/ip.ts';
import { tsharkFields } from '../support/tshark.ts';

/** What happens until `end` if the timer fires when it is due, each time late by `late()`. */
function run(node: Reachability, end: number, late = () => 0): [number, string][] {
  const events: [number, string][] = [];
  for (
    let now = node.nextDeadline() + late();
    now <= end;
    now = Math.max(now, node.nextDeadline()) + late()
  ) {
    const event = node.tick(now);
    if (event) events.push([now, event]);
    if (event === 'silent') break;
  }
  return events;
}

describe('a silent node', () => {
  test('is asked six times in the second half of its time, and then given up', () => {
    expect(run(new Reachability(300_000, 0), 1e6)).toEqual([
      [150_000, 'probe'],
      [175_000, 'probe'],
      [200_000, 'probe'],
      [225_000, 'probe'],
      [250_000, 'probe'],
      [275_000, 'probe'],
      [300_000, 'silent'],
    ]);
  });

  test('of the shortest time is asked three times, one second apart (RFC 4861 §10)', () => {
    expect(run(new Reachability(6000, 0), 1e6)).toEqual([
      [3000, 'probe'],
      [4000, 'probe'],
      [5000, 'probe'],
      [6000, 'silent'],
    ]);
  });

  test('a sign of life starts anew', () => {
    const node = new Reachability(6000, 0);
    expect(run(node, 5500)).toHaveLength(3);
    node.heard(5600);
    expect(node.nextDeadline()).toBe(8600);
    expect(node.tick(6000)).toBeNull();
    expect(run(node, 1e6).at(-1)).toEqual([11_600, 'silent']);
  });

  test('is never given up without three questions a second apart, however late the timers are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 6000, max: 86_400_000 }),
        fc.infiniteStream(fc.oneof(fc.constant(0), fc.nat(100_000_000))),
        (silence, delays) => {
          const events = run(new Reachability(silence, 0), Infinity, () => delays.next().value as number);
          const [at, last] = events.at(-1)!;
          expect(last).toBe('silent');
          expect(at).toBeGreaterThanOrEqual(silence);
          const probes = events.slice(0, -1).map(([time]) => time);
          expect(probes.length).toBeGreaterThanOrEqual(3);
          for (const [i, time] of [...probes, at].entries()) {
            if (i > 0) expect(time - probes[i - 1]!).toBeGreaterThanOrEqual(1000);
          }
          expect(probes[0]).toBeGreaterThanOrEqual(silence / 2);
        },
      ),
    );
  });
});

describe('messages', () => {
  const target = parseAddress('fe80::7').bytes;
  const own = Uint8Array.of(2, 0, 0x5e, 0, 0x53, 1);
  const from = parseAddress('fe80::1').bytes;

  test('a Neighbour Solicitation as tshark reads it', () => {
    const packet = buildIcmp6Packet(from, target, encodeNeighbourSolicitation(target, own));
    const expected = {
      'ipv6.src': 'fe80::1',
      'ipv6.dst': 'fe80::7',
      'ipv6.hlim': '255',
      'icmpv6.type': '135',
      'icmpv6.checksum.status': '1',
      'icmpv6.nd.ns.target_address': 'fe80::7',
      'icmpv6.opt.linkaddr': '02:00:5e:00:53:01',
      '_ws.malformed': '',
    };
    expect(tsharkFields([packet], Object.keys(expected))).toEqual([expected]);
    expect(readNeighbourMessage(packet)).toEqual({ source: from });
  });

  test('what is no sound neighbour message is refused (RFC 4861 §7.1)', () => {
    const packet = (edit: (message: Uint8Array) => void, source = from): Uint8Array => {
      const message = encodeNeighbourSolicitation(target, own);
      edit(message);
      return buildIcmp6Packet(source, target, message);
    };
    expect(readNeighbourMessage(packet((message) => (message[0] = 134)))).toBe('otherMessage');
    expect(readNeighbourMessage(packet((message) => (message[1] = 1)))).toBe('malformed');
    expect(readNeighbourMessage(packet((message) => (message[8] = 0xff)))).toBe('malformed');
    expect(readNeighbourMessage(packet((message) => (message[25] = 0)))).toBe('option');
    expect(readNeighbourMessage(packet((message) => (message[25] = 2)))).toBe('option');
    // Somebody about to choose an address has none yet.
    expect(readNeighbourMessage(packet(() => {}, new Uint8Array(16)))).toEqual({ source: null });
    const far = packet(() => {});
    far[7] = 64;
    expect(readNeighbourMessage(far)).toBe('hopLimit');
  });

  test('an ARP request comes back as it went; other packets are refused', () => {
    const request: ArpPacket = {
      operation: 'request',
      senderLinkLayer: own,
      senderAddress: parseAddress('198.51.100.1').bytes,
      targetAddress: parseAddress('198.51.100.7').bytes,
    };
    const octets = encodeArpPacket(request, null);
    expect(Buffer.from(octets).toString('hex')).toBe(
      '000108000604000102005e005301c6336401000000000000c6336407',
    );
    expect(readArpPacket(octets)).toEqual(request);
    for (const at of [0, 3, 4, 5, 7]) {
      const copy = Uint8Array.from(octets);
      copy[at] = 9;
      expect(readArpPacket(copy)).toBeNull();
    }
    expect(readArpPacket(octets.subarray(0, 27))).toBeNull();
  });
});
