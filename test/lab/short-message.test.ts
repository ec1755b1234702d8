/** The ladder's words come from the summaries that events carry: the two have to fit. */
import { expect, test } from 'vitest';
import { shortAccess, shortMessage } from '../../src/lab/short-message.ts';
import { type Message, summarizeMessage } from '../../src/pmipv6/wire/mobility-header.ts';
import type { MobilityOption } from '../../src/pmipv6/wire/options.ts';

function pbu(lifetime: number, ...options: MobilityOption[]): Message {
  return { message: 'binding-update', sequence: 1, flags: 0x8200, lifetime, options };
}

const HNP = { option: 'home-network-prefix', offLink: false } as const;

test('what a PBU asks for', () => {
  const ask = pbu(
    150,
    { ...HNP, prefix: '::/0' },
    { option: 'ipv4-home-address-request', prefix: '0.0.0.0/0' },
    { option: 'delegated-mobile-network-prefix', prefix: '::/0' },
  );
  expect(shortMessage(summarizeMessage(ask), 1, null, 'wan1')).toBe('BID 1 wan1: HNP ?, HoA ?, DMNP ?');
  const again = pbu(150, { ...HNP, prefix: '2001:db8:1::/64' });
  expect(shortMessage(summarizeMessage(again), null, null, undefined)).toBe('HNP 2001:db8:1::/64');
  const end = pbu(0, { ...HNP, prefix: '2001:db8:1::/64' });
  expect(shortMessage(summarizeMessage(end), 2, null, 'wan2')).toBe(
    'BID 2 wan2: HNP 2001:db8:1::/64, lifetime 0',
  );
});

test('what a PBA grants or refuses', () => {
  const pba = (status: number, ...options: MobilityOption[]): string =>
    summarizeMessage({ message: 'binding-ack', status, flags: 0x20, sequence: 1, lifetime: 150, options });
  const address = { option: 'ipv4-home-address-reply', status: 0, prefix: '192.0.2.2/24' } as const;
  expect(shortMessage(pba(0, { ...HNP, prefix: '2001:db8:1::/64' }, address), 1, 0, 'lte')).toBe(
    'BID 1 lte: HNP 2001:db8:1::/64, HoA 192.0.2.2/24',
  );
  expect(shortMessage(pba(180), 2, 180, 'wlan')).toBe('BID 2 wlan: status 180');
});

test('what is told on the access link', () => {
  expect(shortAccess('RA', '2001:db8:1::/64 600 s, router 600 s, MTU 1420')).toBe('2001:db8:1::/64');
  expect(shortAccess('DHCPDISCOVER', '02:00:5e:00:53:01')).toBe('');
  expect(shortAccess('DHCPOFFER', '192.0.2.2')).toBe('192.0.2.2');
  expect(shortAccess('DHCPNAK', '0.0.0.0')).toBe('');
  expect(shortAccess('RS', 'fe80::1')).toBe('fe80::1');
});
