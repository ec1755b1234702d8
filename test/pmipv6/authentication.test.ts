/** RFC 4285: the authenticator against an independent calculation, every octet covered, replay by time. */
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addAuthentication, checkAuthentication } from '../../src/pmipv6/authentication.ts';
import { ReplayGuard, withTime } from '../../src/pmipv6/replay.ts';
import type { Message } from '../../src/pmipv6/wire/mobility-header.ts';
import { decodeMessage, encodeMessage, optionsOffset } from '../../src/pmipv6/wire/mobility-header.ts';
import { findOption } from '../../src/pmipv6/wire/options.ts';
import { LmaBench } from '../support/lma-bench.ts';

const key = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
const careOf = Buffer.from('20010db8000a00000000000000000001', 'hex');
const association = { spi: 0x100, key };
const pbu = (): Uint8Array => encodeMessage(new LmaBench().build({ bid: 1 }));
const check = (octets: Uint8Array, from: Uint8Array = careOf): string =>
  checkAuthentication(octets, optionsOffset(octets)!, from, (spi) => (spi === 0x100 ? key : undefined))
    .verdict;

test('§5.1: First(96, HMAC_SHA1(key, care-of address | home address | MH Data)), the option being the last', () => {
  const octets = addAuthentication(pbu(), association, careOf);
  expect(octets.length % 8).toBe(0);
  // Written down by hand: type 9, length 17, sub-type 1, SPI, then the authenticator up to the end.
  const option = Buffer.from(octets.subarray(octets.length - 19));
  expect(option.subarray(0, 7).toString('hex')).toBe('09110100000100');
  // Alignment 4n+1.
  expect((octets.length - 19) % 4).toBe(1);
  const data = Buffer.from(octets.subarray(0, octets.length - 12));
  data.writeUInt16BE(0, 4);
  const mac = createHmac('sha1', key)
    .update(Buffer.concat([careOf, Buffer.alloc(16), data]))
    .digest('hex');
  expect(option.subarray(7).toString('hex')).toBe(mac.slice(0, 24));
  const { options } = decodeMessage(octets);
  expect(findOption(options, 'authentication')).toMatchObject({ subtype: 1, spi: 0x100 });
  expect(options.at(-1)!.option).toBe('authentication');
});

test('valid as sent, whatever the checksum; wrong if any other octet or the care-of address is different', () => {
  const octets = addAuthentication(pbu(), association, careOf);
  octets[4] = 0x12;
  octets[5] = 0x34;
  expect(check(octets)).toBe('valid');
  expect(check(octets, Buffer.alloc(16))).toBe('wrong');
  fc.assert(
    fc.property(
      fc.nat(octets.length - 1).filter((at) => at !== 4 && at !== 5),
      fc.integer({ min: 1, max: 255 }),
      (at, change) => {
        const damaged = octets.slice();
        damaged[at]! ^= change;
        expect(check(damaged)).not.toBe('valid');
      },
    ),
  );
});

test('absent, or not the last option', () => {
  expect(check(pbu())).toBe('absent');
  const octets = addAuthentication(pbu(), association, careOf);
  // Another option behind it, which it does not cover.
  const longer = new Uint8Array(octets.length + 8);
  longer.set(octets);
  longer[1]! += 1;
  longer.set([8, 6, 1, 97, 98, 99, 100, 101], octets.length);
  expect(check(longer)).toBe('absent');
});

test('§6: a message is taken once, and only near to our time', () => {
  const utc = 1_700_000_000_000;
  const guard = new ReplayGuard(7000);
  const heartbeat: Message = {
    message: 'heartbeat',
    response: false,
    unsolicited: false,
    sequence: 1,
    options: [],
  };
  expect(guard.judge(heartbeat, 'a', utc)).toBe('untimed');
  const timed = decodeMessage(encodeMessage(withTime(heartbeat, utc)));
  expect(guard.judge(timed, 'a', utc + 6999)).toBe('fresh');
  expect(guard.judge(timed, 'a', utc + 7000)).toBe('replayed');
  expect(guard.judge(timed, 'b', utc - 7001)).toBe('stale');
  expect(guard.judge(timed, 'c', utc + 7002)).toBe('stale');
  // Later than it could be taken, it need not be remembered.
  expect(guard.judge(timed, 'a', utc + 60_000)).toBe('stale');
});

test('the seconds of NTP begin again in 2036, and messages are taken then and later', () => {
  const heartbeat: Message = {
    message: 'heartbeat',
    response: false,
    unsolicited: false,
    sequence: 1,
    options: [],
  };
  for (const date of ['2036-02-07T06:28:15Z', '2036-02-07T06:28:17Z', '2050-01-01T00:00:00Z']) {
    const utc = Date.parse(date);
    const timed = decodeMessage(encodeMessage(withTime(heartbeat, utc)));
    expect([date, new ReplayGuard(7000).judge(timed, 'a', utc)]).toEqual([date, 'fresh']);
  }
});

test('a PBU with a Timestamp is left to the state machine, which answers 156 with its own time', () => {
  const guard = new ReplayGuard(7000);
  const update = new LmaBench().build({});
  expect(withTime(update, 0)).toBe(update);
  expect(guard.judge(update, 'a', 0)).toBe('fresh');
  expect(guard.judge(update, 'a', 0)).toBe('replayed');
});
