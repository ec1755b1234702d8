/** Older implementations that know nothing of RFC 8278, as captured (test/vectors/legacy-peers; what they do is described there). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readCapture } from '../../../src/capture/capture-file.ts';
import { ipPacketOf, signalingPacketOf } from '../../../src/capture/signaling-packet.ts';
import { LmaMachine } from '../../../src/pmipv6/lma/machine.ts';
import { LOGICAL_NODE_DEFAULTS } from '../../../src/pmipv6/mag/config.ts';
import type { BindingAck } from '../../../src/pmipv6/wire/message/binding-ack.ts';
import { decodeMessage, type Message } from '../../../src/pmipv6/wire/mobility-header.ts';
import { timestampMilliseconds } from '../../../src/pmipv6/wire/option/timestamp.ts';
import { findOption, type MobilityOption } from '../../../src/pmipv6/wire/options.ts';
import {
  HNP,
  lmaConfig,
  LTE,
  MagBench,
  MN,
  optionOf,
  type SentUpdate,
  WLAN,
} from '../../support/mag-bench.ts';

interface Captured {
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly message: Message;
}

function capture(name: string): Captured[] {
  const file = readFileSync(new URL(`../../vectors/legacy-peers/${name}.pcap`, import.meta.url));
  return [...readCapture(file)].flatMap((frame) => {
    const ip = ipPacketOf(frame.linkType, frame.octets);
    const packet = ip && signalingPacketOf(ip);
    if (!packet) return [];
    return [
      {
        at: Number(frame.time) * 1000,
        from: packet.from.address,
        to: packet.to.address,
        message: decodeMessage(packet.octets),
      },
    ];
  });
}

describe('legacy MAGs at our LMA', () => {
  it.each([
    ['opmip-mag-01-dummy', 'mn1@example.org', '2001:db8:a1::/64'],
    ['opmip-mag-02-icmp', 'mn1@example.org', '2001:db8:a1::/64'],
    ['oai-fixed-01-mag-lma', '0x0000020000000101', '2001:db8:a1::/128'],
  ])('%s: what it sent is served, over one path, as its own LMA did', (name, identity, prefix) => {
    const lma = new LmaMachine({
      ...lmaConfig(
        { mags: [{ prefix: '2001:db8:10::/64', identity: null }] },
        { identity, homePrefixes: [prefix] },
      ),
      mobileNodeTimestamps: true,
    });
    const packets = capture(name);
    let served = 0;
    for (const [i, { from, to, message, at }] of packets.entries()) {
      if (message.message !== 'binding-update') continue;
      const theirs = packets.slice(i + 1).find((other) => other.to === from)?.message as
        BindingAck | undefined;
      const stamp = findOption(message.options, 'timestamp');
      const effects = lma.handle(
        { event: 'message', message, from: { address: from, port: null }, to: { address: to, port: null } },
        { elapsed: at, utc: stamp ? timestampMilliseconds(stamp) : at },
      );
      const ours = effects.flatMap((e) => (e.effect === 'send' ? [e.message as BindingAck] : []))[0];
      expect(ours).toMatchObject({
        status: theirs!.status,
        sequence: message.sequence,
        lifetime: message.lifetime,
      });
      expect(findOption(ours!.options, 'home-network-prefix')!.prefix).toBe(prefix);
      expect(findOption(ours!.options, 'mag-multipath-binding')).toBeUndefined();
      const [session] = lma.sessions();
      expect(session!.bindings.size).toBe(message.lifetime ? 1 : 0);
      served++;
    }
    expect(served).toBeGreaterThan(1);
  });
});

/** OPMIP's LMA: prefix, link-local and timestamp as it treats them; 63 and 64 skipped; a second care-of address is a handover. */
function opmip({ message }: SentUpdate): BindingAck {
  const kept = message.options.filter(({ option }) =>
    ['mn-identifier', 'handoff-indicator', 'access-technology-type', 'home-network-prefix'].includes(option),
  );
  return {
    message: 'binding-ack',
    status: 0,
    flags: 0x20,
    sequence: message.sequence,
    lifetime: message.lifetime,
    options: kept,
  };
}

describe('our MAG at legacy LMAs', () => {
  const provisioned = { ...LOGICAL_NODE_DEFAULTS, identity: MN, delegated: [], homePrefixes: [HNP] };

  it('OPMIP: one path with the provisioned prefix, refreshed without the options that it skipped, no heartbeats', () => {
    const bench = new MagBench({ logicalNodes: [provisioned] });
    const [pbu] = bench.up('lte', LTE);
    bench.up('wlan', WLAN);
    bench.receive(opmip(pbu!), pbu!.from);
    expect(bench.installed.get(MN)).toMatchObject({
      prefixes: [HNP],
      sendKey: null,
      paths: [{ bid: 1, encapsulation: 'ipip', interface: 'lte' }],
    });
    bench.take();
    const [refresh] = bench.pass(560_000);
    expect(optionOf(refresh, 'mag-multipath-binding')).toBeUndefined();
    expect(optionOf(refresh, 'gre-key')).toBeUndefined();
    bench.receive(opmip(refresh!), refresh!.from);
    bench.pass(500_000);
    expect(bench.take().every(({ message }) => message.message === 'binding-update')).toBe(true);
    expect(bench.bids()).toEqual([1]);
  });

  it('OPMIP: the other interface takes over by a handover', () => {
    const bench = new MagBench({ logicalNodes: [provisioned] });
    const [pbu] = bench.up('lte', LTE);
    bench.up('wlan', WLAN);
    bench.receive(opmip(pbu!), pbu!.from);
    const [moved] = bench.down('lte');
    expect(optionOf(moved, 'handoff-indicator')!.indicator).toBe(3);
    bench.receive(opmip(moved!), moved!.from);
    expect(bench.installed.get(MN)!.paths).toMatchObject([{ interface: 'wlan' }]);
  });

  /** OAI's LMA: no P, another MN-ID, HI and ATT missing. */
  function oai(update: SentUpdate): BindingAck {
    const options: MobilityOption[] = [
      { option: 'mn-identifier', subtype: 1, identifier: new Uint8Array(8) },
      { option: 'home-network-prefix', prefix: HNP, offLink: false },
    ];
    return { ...opmip(update), flags: 0, options };
  }

  it('OAI: served where the strict rules are switched off, ignored where not', () => {
    for (const strict of [true, false]) {
      const bench = new MagBench({ logicalNodes: [provisioned], strict });
      const [pbu] = bench.up('lte', LTE);
      bench.receive(oai(pbu!), pbu!.from);
      expect(bench.installed.size).toBe(strict ? 0 : 1);
    }
  });
});
