/**
 * The observer on packets as they are on the wire: the vectors, captures of other implementations, and a great many damaged ones.
 * The kernel's filter for the tap sees the same packets.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readCapture } from '../../../src/capture/capture-file.ts';
import { ipPacketOf, signalingPacketOf } from '../../../src/capture/signaling-packet.ts';
import { assemble } from '../../../src/net/bpf.ts';
import { SIGNALING_FILTER } from '../../../src/net/signaling-tap.ts';
import type { Effect } from '../../../src/pmipv6/effect.ts';
import { OBSERVER_DEFAULTS, type ObserverConfig } from '../../../src/pmipv6/observer/config.ts';
import { Observer } from '../../../src/pmipv6/observer/observer.ts';
import type { TunnelSession } from '../../../src/pmipv6/tunnel-session.ts';
import { DecodeError, decodeMessage } from '../../../src/pmipv6/wire/mobility-header.ts';
import { runBpf } from '../../support/bpf.ts';

const VECTORS = new URL('../../vectors/', import.meta.url);

function vector(name: string): Uint8Array {
  const folder = new URL('rfc8278/', VECTORS);
  const file = readdirSync(folder).find((entry) => entry.startsWith(`${name}_`))!;
  return Uint8Array.from(Buffer.from(readFileSync(new URL(file, folder), 'utf8').trim(), 'hex'));
}

function capture(name: string): Uint8Array[] {
  const file = readFileSync(new URL(`legacy-peers/${name}.pcap`, VECTORS));
  return [...readCapture(Uint8Array.from(file))].flatMap(
    ({ linkType, octets }) => ipPacketOf(linkType, octets) ?? [],
  );
}

class Wire {
  readonly observer: Observer;
  readonly installed = new Map<string, TunnelSession>();
  now = { elapsed: 0, utc: 0 };

  constructor(config: Partial<ObserverConfig> = {}) {
    this.observer = new Observer({ ...OBSERVER_DEFAULTS, role: 'lma', trust: 'wire', ...config });
  }

  take(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.effect === 'install') this.installed.set(effect.session.name, effect.session);
      else if (effect.effect === 'remove') this.installed.delete(effect.session);
    }
  }

  see(packet: Uint8Array): void {
    const found = signalingPacketOf(packet);
    if (!found) return;
    const { from, to, octets, pseudoHeader } = found;
    try {
      const message = decodeMessage(octets, pseudoHeader);
      this.take(this.observer.handle({ event: 'message', message, from, to, outgoing: null }, this.now));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
}

test('the vectors of figure 2: two paths with labels, one pair of keys', () => {
  const wire = new Wire();
  for (const name of ['010', '011', '012', '013']) wire.see(vector(name));
  const [session] = wire.installed.values();
  expect(session).toMatchObject({
    node: 'mn1@example.org',
    sendKey: 0x11111111,
    paths: [
      { bid: 1, label: 11, technology: 8, encapsulation: 'gre' },
      { bid: 2, label: 9, encapsulation: 'gre' },
    ],
  });
  expect(session?.receiveKey).not.toBe(null);
  expect(session?.paths[0]?.local).toEqual(session?.paths[1]?.local);
  // Both lifetimes pass.
  wire.now = { elapsed: 1e9, utc: 1e9 };
  wire.take(wire.observer.handle({ event: 'tick' }, wire.now));
  expect(wire.installed.size).toBe(0);
  expect(wire.observer.statistics()).toMatchObject({ expired: 2, sessions: 0 });
});

test('the vectors over UDP and IPv4: plain, and with TLV and GRE', () => {
  for (const [pbu, pba, encapsulation] of [
    ['020', '021', 'udp'],
    ['022', '023', 'udp-gre'],
  ] as const) {
    const wire = new Wire({ role: 'mag' });
    wire.see(vector(pbu));
    wire.see(vector(pba));
    const [session] = wire.installed.values();
    expect(session?.paths).toMatchObject([{ encapsulation, local: { port: 5437 }, remote: { port: 5437 } }]);
    expect(session?.prefixes.length).toBeGreaterThan(0);
  }
});

test.each(readdirSync(new URL('legacy-peers/', VECTORS)).filter((file) => file.endsWith('.pcap')))(
  'a capture of other implementations: %s',
  (file) => {
    const wire = new Wire();
    for (const packet of capture(file.replace('.pcap', ''))) wire.see(packet);
    for (const session of wire.installed.values()) {
      expect(session.paths).toHaveLength(1);
      expect(session.prefixes.length).toBeGreaterThan(0);
    }
    expect({ ...wire.observer.statistics(), installed: [...wire.installed.keys()] }).toMatchSnapshot();
  },
);

test('the kernel filter takes every vector of signaling and none of data', () => {
  const program = assemble(SIGNALING_FILTER);
  for (const file of readdirSync(new URL('rfc8278/', VECTORS))) {
    const match = /^(...)_.*\.hex$/.exec(file);
    if (!match) continue;
    const packet = vector(match[1]!);
    expect([file, runBpf(program, packet) > 0]).toEqual([file, signalingPacketOf(packet) !== undefined]);
  }
});

test('300,000 damaged packets: no trap, and nothing remembered without end', () => {
  let state = 0x8278;
  const random = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  const program = assemble(SIGNALING_FILTER);
  const seeds = [
    '010',
    '011',
    '012',
    '013',
    '016',
    '017',
    '018',
    '020',
    '021',
    '022',
    '023',
    '044',
    '045',
    '047',
  ]
    .map(vector)
    .map((packet) => {
      // Checksums would stop nearly every change; over UDP there is none that the codec looks at.
      const { from, to, octets } = signalingPacketOf(packet)!;
      return { packet, from, to, octets };
    });
  const observer = new Observer({
    ...OBSERVER_DEFAULTS,
    role: 'lma',
    trust: 'wire',
    maxPending: 256,
    maxSessions: 64,
  });
  const installed = new Set<string>();
  let understood = 0;
  for (let round = 0; round < 300_000; round++) {
    const seed = seeds[random(seeds.length)]!;
    const damaged = Uint8Array.from(seed.packet);
    damaged[random(damaged.length)] = random(256);
    // What the filter lets through, and what the parser makes of it, must not trap.
    if (runBpf(program, damaged)) signalingPacketOf(damaged.subarray(0, random(damaged.length + 1)));
    const octets = Uint8Array.from(seed.octets);
    for (let n = random(3); n > 0; n--) octets[random(octets.length)] = random(256);
    try {
      const message = decodeMessage(octets);
      understood++;
      const now = { elapsed: round, utc: round };
      const { from, to } = seed;
      for (const effect of observer.handle({ event: 'message', message, from, to, outgoing: null }, now)) {
        if (effect.effect === 'install') {
          installed.add(effect.session.name);
          expect(effect.session.prefixes.length * effect.session.paths.length).toBeGreaterThan(0);
          expect(effect.session.name).toMatch(/^[\w.@-]{1,64}$/);
        } else if (effect.effect === 'remove') expect(installed.delete(effect.session)).toBe(true);
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  expect(understood).toBeGreaterThan(100_000);
  expect(observer.statistics().accepted).toBeGreaterThan(1000);
  expect(installed.size).toBe(observer.statistics().sessions);
  expect(installed.size).toBeLessThanOrEqual(64);
});
