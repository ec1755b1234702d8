/** DHCPv4: messages against tshark and anything at all; the server's answers to every message of RFC 2131. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DhcpOutcome, DhcpServer, type DhcpService } from '../../src/access/dhcp-server.ts';
import {
  type DhcpMessage,
  DhcpOption,
  DhcpType,
  decodeDhcp,
  encodeDhcp,
} from '../../src/access/wire/dhcp-message.ts';
import { buildUdp4Packet } from '../../src/access/wire/udp4-packet.ts';
import { TunloomError } from '../../src/errors.ts';
import { parseAddress } from '../../src/ip.ts';
import { tsharkFields } from '../support/tshark.ts';

const SERVICE: DhcpService = {
  address: '198.51.100.7',
  prefixLength: 24,
  router: '198.51.100.1',
  mtu: 1420,
  lease: 600,
  dns: ['203.0.113.53'],
};
const HARDWARE = Uint8Array.of(2, 0, 0, 0, 0, 7);

function octetsOf(address: string): Uint8Array {
  return parseAddress(address).bytes;
}

function fromClient(
  type: number,
  options: Readonly<Record<number, Uint8Array>> = {},
  fields: Partial<DhcpMessage> = {},
): DhcpMessage {
  return {
    op: 1,
    type,
    transaction: 0x12345678,
    seconds: 3,
    broadcast: false,
    clientAddress: '0.0.0.0',
    yourAddress: '0.0.0.0',
    relayAddress: '0.0.0.0',
    hardwareAddress: HARDWARE,
    options: optionsOf(options),
    ...fields,
  };
}

function optionsOf(entries: Readonly<Record<number, Uint8Array>>): ReadonlyMap<number, Uint8Array> {
  return new Map(Object.entries(entries).map(([number, value]) => [Number(number), value]));
}

function served(): DhcpServer {
  const server = new DhcpServer();
  server.serve(SERVICE, 0);
  return server;
}

function replyOf(outcome: DhcpOutcome): { type: number; to: string; your: string; message: DhcpMessage } {
  if (outcome.outcome !== 'reply') throw new Error(`no reply but ${outcome.outcome}`);
  const { message, to } = outcome.reply;
  return { type: message.type, to, your: message.yourAddress, message };
}

describe('messages', () => {
  test('an offer as tshark reads it', () => {
    const client = Uint8Array.of(1, ...HARDWARE);
    const discover = fromClient(DhcpType.DISCOVER, { [DhcpOption.CLIENT_IDENTIFIER]: client });
    const { to, message } = replyOf(served().receive(discover, 0));
    const from = { address: SERVICE.router, port: 67 };
    const packet = buildUdp4Packet(from, { address: to, port: 68 }, encodeDhcp(message));
    const expected = {
      'ip.src': '198.51.100.1',
      'ip.dst': '198.51.100.7',
      'ip.checksum.status': '1',
      'udp.checksum.status': '1',
      'udp.srcport': '67',
      'udp.dstport': '68',
      'dhcp.type': '2',
      'dhcp.option.dhcp': '2',
      'dhcp.id': '0x12345678',
      'dhcp.ip.your': '198.51.100.7',
      // The client's identifier comes back (RFC 6842) and holds the address too.
      'dhcp.hw.mac_addr': '02:00:00:00:00:07,02:00:00:00:00:07',
      'dhcp.option.dhcp_server_id': '198.51.100.1',
      'dhcp.option.ip_address_lease_time': '600',
      'dhcp.option.renewal_time_value': '300',
      'dhcp.option.rebinding_time_value': '525',
      'dhcp.option.subnet_mask': '255.255.255.0',
      'dhcp.option.router': '198.51.100.1',
      'dhcp.option.interface_mtu': '1420',
      'dhcp.option.domain_name_server': '203.0.113.53',
      '_ws.malformed': '',
    };
    expect(tsharkFields([packet], Object.keys(expected))).toEqual([expected]);
  });

  test('come back as they went, long options in pieces (RFC 3396)', () => {
    const number = fc.integer({ min: 1, max: 254 }).filter((option) => option !== 52 && option !== 53);
    const message = fc.record({
      op: fc.constantFrom(1, 2),
      type: fc.integer({ min: 1, max: 8 }),
      transaction: fc.nat(0xffff_ffff),
      seconds: fc.nat(0xffff),
      broadcast: fc.boolean(),
      clientAddress: fc.ipV4(),
      yourAddress: fc.ipV4(),
      relayAddress: fc.ipV4(),
      hardwareAddress: fc.uint8Array({ minLength: 6, maxLength: 6 }),
      options: fc
        .array(fc.tuple(number, fc.uint8Array({ maxLength: 600 })), { maxLength: 6 })
        .map((entries) => new Map(entries)),
    });
    fc.assert(
      fc.property(message, (sent) => {
        expect(decodeDhcp(encodeDhcp(sent))).toEqual(sent);
      }),
      { numRuns: 2000 },
    );
  });

  test('options may go on in file and sname (option 52)', () => {
    const octets = encodeDhcp(fromClient(DhcpType.REQUEST, { [DhcpOption.OVERLOAD]: Uint8Array.of(3) }));
    octets.set([DhcpOption.REQUESTED_ADDRESS, 4, 198, 51, 100, 7, 255], 108);
    octets.set([DhcpOption.SERVER_IDENTIFIER, 4, 198, 51, 100, 1, 255], 44);
    expect(decodeDhcp(octets).options).toEqual(
      optionsOf({ 50: octetsOf('198.51.100.7'), 54: octetsOf('198.51.100.1') }),
    );
  });

  test('100,000 random and mutated messages are read or refused with BAD_DHCP', () => {
    const good = encodeDhcp(fromClient(DhcpType.REQUEST, { 50: new Uint8Array(4), 61: new Uint8Array(7) }));
    const change = fc.tuple(fc.integer({ min: 230, max: good.length - 1 }), fc.nat(255));
    const mutated = fc
      .tuple(fc.array(change, { maxLength: 6 }), fc.integer({ min: 230, max: good.length }))
      .map(([changes, length]) => {
        const copy = Uint8Array.from(good);
        for (const [at, value] of changes) copy[at] = value;
        return copy.subarray(0, length);
      });
    const server = served();
    let read = 0;
    fc.assert(
      fc.property(fc.oneof(mutated, mutated, fc.uint8Array({ maxLength: 400 })), (input) => {
        try {
          server.receive(decodeDhcp(input), 0);
          read++;
        } catch (error) {
          expect(error).toBeInstanceOf(TunloomError);
          expect((error as TunloomError).code).toBe('BAD_DHCP');
        }
      }),
      { numRuns: 100_000 },
    );
    expect(read).toBeGreaterThan(1000);
  });
});

describe('the server', () => {
  test('Discover waits for the binding; then the offer goes out (RFC 5844 §3.4.1)', () => {
    const server = new DhcpServer();
    expect(server.receive(fromClient(DhcpType.DISCOVER), 0).outcome).toBe('waiting');
    const reply = server.serve(SERVICE, 1500);
    expect(reply?.message).toMatchObject({ type: DhcpType.OFFER, yourAddress: '198.51.100.7' });
    // Only once.
    expect(server.serve(SERVICE, 1600)).toBeNull();
    const late = new DhcpServer();
    late.receive(fromClient(DhcpType.DISCOVER), 0);
    expect(late.serve(SERVICE, 20_000)).toBeNull();
  });

  test('no IPv4 in the binding: silence', () => {
    const server = new DhcpServer();
    server.receive(fromClient(DhcpType.DISCOVER), 0);
    server.refuse();
    expect(server.serve(SERVICE, 1)).toBeNull();
    server.refuse();
    expect(server.receive(fromClient(DhcpType.RELEASE), 0).outcome).toBe('ignored');
  });

  const selecting = (address: string, server: string): DhcpMessage =>
    fromClient(DhcpType.REQUEST, { 50: octetsOf(address), 54: octetsOf(server) });

  test('SELECTING: Ack; Nak for another address; silence if another server was chosen', () => {
    expect(replyOf(served().receive(selecting('198.51.100.7', '198.51.100.1'), 0))).toMatchObject({
      type: DhcpType.ACK,
      to: '198.51.100.7',
      your: '198.51.100.7',
    });
    const nak = replyOf(served().receive(selecting('198.51.100.9', '198.51.100.1'), 0));
    expect(nak).toMatchObject({ type: DhcpType.NAK, to: '255.255.255.255', your: '0.0.0.0' });
    expect([...nak.message.options.keys()]).toEqual([DhcpOption.SERVER_IDENTIFIER]);
    expect(served().receive(selecting('198.51.100.7', '203.0.113.1'), 0).outcome).toBe('otherServer');
  });

  test('INIT-REBOOT: Ack for its address, Nak for one of another network; waits for the binding', () => {
    const reboot = (address: string): DhcpMessage => fromClient(DhcpType.REQUEST, { 50: octetsOf(address) });
    expect(replyOf(served().receive(reboot('198.51.100.7'), 0)).type).toBe(DhcpType.ACK);
    expect(replyOf(served().receive(reboot('192.0.2.8'), 0)).type).toBe(DhcpType.NAK);
    const server = new DhcpServer();
    server.receive(reboot('192.0.2.8'), 0);
    expect(server.serve(SERVICE, 10)?.message.type).toBe(DhcpType.NAK);
  });

  test('RENEWING and REBINDING: Ack by unicast to ciaddr', () => {
    const fields = { clientAddress: '198.51.100.7', broadcast: true };
    const ack = replyOf(served().receive(fromClient(DhcpType.REQUEST, {}, fields), 0));
    expect(ack).toMatchObject({ type: DhcpType.ACK, to: '198.51.100.7' });
    expect(ack.message.clientAddress).toBe('198.51.100.7');
  });

  test('the broadcast flag is honoured', () => {
    const discover = fromClient(DhcpType.DISCOVER, {}, { broadcast: true });
    expect(replyOf(served().receive(discover, 0)).to).toBe('255.255.255.255');
  });

  test('Inform is told everything but an address and a lease', () => {
    const inform = fromClient(DhcpType.INFORM, {}, { clientAddress: '198.51.100.7' });
    const ack = replyOf(served().receive(inform, 0));
    expect(ack).toMatchObject({ type: DhcpType.ACK, to: '198.51.100.7', your: '0.0.0.0' });
    expect(ack.message.options.has(DhcpOption.LEASE_TIME)).toBe(false);
    expect(ack.message.options.has(DhcpOption.ROUTER)).toBe(true);
  });

  test('RFC 2131 §4.3.4: Release of its address, by this server; of another one it is none of ours', () => {
    const release = (clientAddress: string, server = '198.51.100.1') =>
      served().receive(fromClient(DhcpType.RELEASE, { 54: octetsOf(server) }, { clientAddress }), 0).outcome;
    expect(release('198.51.100.7')).toBe('released');
    expect(release('198.51.100.9')).toBe('ignored');
    expect(release('198.51.100.7', '203.0.113.1')).toBe('otherServer');
  });

  test('Decline: not offered again for a while; relayed and misplaced messages: no answer', () => {
    const server = served();
    expect(server.receive(fromClient(DhcpType.DECLINE), 0).outcome).toBe('declined');
    expect(server.receive(fromClient(DhcpType.DISCOVER), 5000).outcome).toBe('declined');
    expect(replyOf(server.receive(fromClient(DhcpType.DISCOVER), 10_000)).type).toBe(DhcpType.OFFER);
    const relayed = fromClient(DhcpType.DISCOVER, {}, { relayAddress: '192.0.2.1' });
    expect(server.receive(relayed, 0).outcome).toBe('relayed');
    expect(server.receive(fromClient(DhcpType.OFFER), 0).outcome).toBe('ignored');
  });
});
