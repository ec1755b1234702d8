/** A million octet strings, random and mutated: DecodeError or a message, nothing else, and what was read can be written. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { signalingPacketOf } from '../../../src/capture/signaling-packet.ts';
import {
  DecodeError,
  decodeMessage,
  describeMessage,
  encodeMessage,
  type Message,
  summarizeMessage,
} from '../../../src/pmipv6/wire/mobility-header.ts';

const FOLDER = new URL('../../vectors/rfc8278/', import.meta.url);
const seeds = readdirSync(FOLDER)
  .filter((file) => /^0[1-5].*\.hex$/.test(file))
  .map((file) => Buffer.from(readFileSync(new URL(file, FOLDER), 'utf8').trim(), 'hex'))
  .map((packet) => Uint8Array.from(signalingPacketOf(Uint8Array.from(packet))!.octets));

/** xorshift32: the same million on every machine. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function read(octets: Uint8Array): Message | undefined {
  try {
    return decodeMessage(octets);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

test('700,000 mutated messages', { timeout: 300_000 }, () => {
  const random = randomOf(0x8278);
  let understood = 0;
  for (let round = 0; round < 700_000; round++) {
    const octets = Uint8Array.from(seeds[random(seeds.length)]!);
    const changes = 1 + random(4);
    for (let n = 0; n < changes; n++) octets[random(octets.length)] = random(256);
    const message = read(random(8) ? octets : octets.subarray(0, random(octets.length + 1)));
    if (!message) continue;
    understood++;
    if (round % 16) continue;
    // eslint-disable-next-line no-control-regex
    expect(summarizeMessage(message)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    describeMessage(message);
    const again = decodeMessage(encodeMessage(message));
    expect(encodeMessage(again)).toEqual(encodeMessage(message));
  }
  expect(understood).toBeGreaterThan(100_000);
});

test('300,000 random strings behind a plausible header', { timeout: 300_000 }, () => {
  const random = randomOf(0x5213);
  const types = [5, 6, 7, 13, 16, 19, 20, 99];
  for (let round = 0; round < 300_000; round++) {
    const octets = new Uint8Array(random(160));
    for (let at = 0; at < octets.length; at++) octets[at] = random(256);
    if (octets.length >= 8 && random(4)) {
      octets[0] = 59;
      octets[1] = random(Math.max(1, Math.floor(octets.length / 8)));
      octets[2] = types[random(types.length)]!;
    }
    read(octets);
  }
});
