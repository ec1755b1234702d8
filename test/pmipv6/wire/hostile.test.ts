/** A million octet strings, random and mutated: DecodeError or a message, nothing else, and what was read can be written. */
import { expect, test } from 'vitest';
import {
  decodeMessage,
  describeMessage,
  encodeMessage,
  summarizeMessage,
} from '../../../src/pmipv6/wire/mobility-header.ts';
import { randomOf, readMessage, vectorMessages } from '../../support/hostile-messages.ts';

test('700,000 mutated messages', { timeout: 300_000 }, () => {
  const random = randomOf(0x8278);
  let understood = 0;
  for (let round = 0; round < 700_000; round++) {
    const octets = Uint8Array.from(vectorMessages[random(vectorMessages.length)]!);
    const changes = 1 + random(4);
    for (let n = 0; n < changes; n++) octets[random(octets.length)] = random(256);
    const message = readMessage(random(8) ? octets : octets.subarray(0, random(octets.length + 1)));
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
    readMessage(octets);
  }
});
