/** The protocol vectors of test/vectors/rfc8278, built and checked by others than us, and captures of legacy peers. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readCapture } from '../../../src/capture/capture-file.ts';
import { ipPacketOf, signalingPacketOf } from '../../../src/capture/signaling-packet.ts';
import { parseAddress } from '../../../src/ip.ts';
import { decodeMessage, encodeMessage, messageName } from '../../../src/pmipv6/wire/mobility-header.ts';
import { findOption } from '../../../src/pmipv6/wire/options.ts';

const FOLDER = new URL('../../vectors/rfc8278/', import.meta.url);

function packetOf(name: string) {
  const hex = readFileSync(new URL(`${name}.hex`, FOLDER), 'utf8').trim();
  const packet = signalingPacketOf(Uint8Array.from(Buffer.from(hex, 'hex')));
  if (!packet) throw new Error(`${name} holds no mobility message`);
  return packet;
}

function decode(name: string) {
  const { octets, pseudoHeader } = packetOf(name);
  return decodeMessage(octets, pseudoHeader);
}

const names = readdirSync(FOLDER)
  .filter((file) => /^(0[1-5]|09[3-9]).*\.hex$/.test(file))
  .map((file) => file.replace('.hex', ''));

test('every vector is here', () => {
  expect(names.length).toBe(44);
});

// 098 has reserved bits set, which are sent as 0; 032 has its options unaligned. The rest is canonical.
const NOT_CANONICAL = new Set(['098_ok_mmb_reserved_set', '032_pbu_flow_unaligned']);

describe.each(names)('%s', (name) => {
  test('re-encodes to the same octets', () => {
    const { octets, pseudoHeader } = packetOf(name);
    const message = decodeMessage(octets, pseudoHeader);
    const again = encodeMessage(message, pseudoHeader);
    if (NOT_CANONICAL.has(name)) expect(decodeMessage(again, pseudoHeader)).toEqual(message);
    else expect(Buffer.from(again).toString('hex')).toBe(Buffer.from(octets).toString('hex'));
  });
});

test.each([
  ['090_bad_mh_checksum', 'BAD_CHECKSUM', 4],
  ['091_bad_payload_proto', 'BAD_PAYLOAD_PROTO', 0],
])('%s is refused', (name, code, offset) => {
  expect(() => decode(name)).toThrow(expect.objectContaining({ code, offset }) as Error);
});

test('092: an option that runs past the end is refused, with its place', () => {
  expect(() => decode('092_bad_option_overrun')).toThrow(
    expect.objectContaining({ code: 'BAD_OPTION' }) as Error,
  );
});

test('010: the first PBU of figure 2, field by field', () => {
  const message = decode('010_pbu_initial_lte');
  expect(message).toMatchObject({
    message: 'binding-update',
    sequence: 0x1234,
    flags: 0x8200,
    lifetime: 150,
  });
  expect(message.options.map(({ option }) => option)).toEqual([
    'mn-identifier',
    'home-network-prefix',
    'handoff-indicator',
    'access-technology-type',
    'timestamp',
    'mn-link-layer-identifier',
    'link-local-address',
    'gre-key',
    'mag-multipath-binding',
    'mag-identifier',
  ]);
  expect(findOption(message.options, 'mag-multipath-binding')).toMatchObject({
    technology: 8,
    label: 11,
    bid: 1,
    bulk: false,
    overwrite: false,
  });
  expect(findOption(message.options, 'gre-key')?.key).toBe(0x1111_1111);
  expect(findOption(message.options, 'timestamp')?.ticks).toBe(1_700_000_000n * 65536n + 32768n);
  expect(findOption(message.options, 'home-network-prefix')?.prefix).toBe('::/0');
});

test('published octets of option 63: 3f060100013fffff, reserved bits ignored (RFC 8278 §4.1)', () => {
  const message = Uint8Array.from(
    Buffer.from(`3b02050000000000820000963f060100013fffff01020000`.padEnd(48, '0'), 'hex'),
  );
  expect(findOption(decodeMessage(message).options, 'mag-multipath-binding')).toEqual({
    option: 'mag-multipath-binding',
    technology: 1,
    label: 0,
    bid: 1,
    bulk: false,
    overwrite: false,
  });
});

test('one octet changed anywhere makes the checksum wrong', () => {
  const { octets, pseudoHeader } = packetOf('010_pbu_initial_lte');
  for (let at = 2; at < octets.length; at++) {
    const changed = Uint8Array.from(octets);
    changed[at]! ^= 0x41;
    expect(() => decodeMessage(changed, pseudoHeader)).toThrow('checksum');
  }
});

const LEGACY = new URL('../../vectors/legacy-peers/', import.meta.url);

function legacy(name: string) {
  const packets = [];
  for (const frame of readCapture(readFileSync(new URL(`${name}.pcap`, LEGACY)))) {
    const packet = ipPacketOf(frame.linkType, frame.octets);
    const signaling = packet && signalingPacketOf(packet);
    if (signaling) packets.push(signaling);
  }
  return packets;
}

test.each(['opmip-lma-01-register', 'opmip-lma-02-unknown-mn', 'opmip-mag-02-icmp'])(
  'messages of %s are read',
  (name) => {
    const messages = legacy(name).map(({ octets, pseudoHeader }) => decodeMessage(octets, pseudoHeader));
    expect(messages.length).toBeGreaterThan(3);
    expect(new Set(messages.map(messageName))).toEqual(new Set(['PBU', 'PBA']));
    for (const { options } of messages)
      expect(options.map(({ option }) => option)).not.toContain('malformed');
  },
);

test('a legacy LMA accepts a PBU with options 63 and 64 and echoes neither (opmip-lma-03)', () => {
  const [pbu, pba] = legacy('opmip-lma-03-opts63-64').map(({ octets }) => decodeMessage(octets));
  // Whoever made this capture wrote the option with 4 octets instead of 6.
  expect(pbu!.options).toContainEqual(expect.objectContaining({ option: 'malformed', type: 63 }));
  expect(findOption(pbu!.options, 'mag-identifier')).toBeDefined();
  expect(pba).toMatchObject({ message: 'binding-ack', status: 0 });
  expect(findOption(pba!.options, 'mag-multipath-binding')).toBeUndefined();
});

test('the checksum covers the addresses', () => {
  const { octets, pseudoHeader } = packetOf('010_pbu_initial_lte');
  const elsewhere = { ...pseudoHeader!, source: parseAddress('2001:db8:bad::1').bytes };
  expect(() => decodeMessage(octets, elsewhere)).toThrow('checksum');
});
