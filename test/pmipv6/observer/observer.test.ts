/**
 * The observer beside our own LMA machine: whatever MAGs ask and the LMA answers, and however time passes, what the observer would
 * install is what the LMA installs. Then the rules one by one.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Effect } from '../../../src/pmipv6/effect.ts';
import type { Endpoint } from '../../../src/pmipv6/endpoint.ts';
import type { LmaConfig, NodeProfile } from '../../../src/pmipv6/lma/config.ts';
import { OBSERVER_DEFAULTS, type ObserverConfig } from '../../../src/pmipv6/observer/config.ts';
import { Observer } from '../../../src/pmipv6/observer/observer.ts';
import type { TunnelSession } from '../../../src/pmipv6/tunnel-session.ts';
import { UpdateFlag } from '../../../src/pmipv6/wire/message/binding-update.ts';
import type { BindingAck } from '../../../src/pmipv6/wire/message/binding-ack.ts';
import type { Message } from '../../../src/pmipv6/wire/mobility-header.ts';
import { encodeWanMetrics } from '../../../src/pmipv6/wan-metrics.ts';
import { LMAA, LmaBench, LTE, type Pbu, WLAN } from '../../support/lma-bench.ts';

/** An LMA, and an observer on its wire. */
class Watched {
  readonly bench: LmaBench;
  readonly observer: Observer;
  readonly installed = new Map<string, TunnelSession>();
  logs: string[] = [];
  installs = 0;

  constructor(
    config: Partial<ObserverConfig> = {},
    lma: Partial<LmaConfig> = {},
    profile: Partial<NodeProfile> = {},
  ) {
    this.bench = new LmaBench(lma, profile);
    this.observer = new Observer({ ...OBSERVER_DEFAULTS, role: 'lma', ...config });
  }

  take(effects: Effect[]): void {
    for (const effect of effects) {
      if (effect.effect === 'install') {
        this.installed.set(effect.session.name, effect.session);
        this.installs++;
      } else if (effect.effect === 'remove') {
        expect(this.installed.delete(effect.session)).toBe(true);
      } else if (effect.effect === 'log') this.logs.push(effect.text);
    }
  }

  see(message: Message, from: Endpoint, to: Endpoint, outgoing: boolean | null): void {
    this.take(this.observer.handle({ event: 'message', message, from, to, outgoing }, this.bench.now));
  }

  /** What the LMA has sent, as the wire shows it. */
  seeAnswers(): void {
    for (const effect of this.bench.effects) {
      if (effect.effect === 'send') this.see(effect.message, effect.from, effect.to, true);
    }
  }

  send(pbu: Pbu): BindingAck | undefined {
    const update = this.bench.build(pbu);
    const from = { address: pbu.from ?? LTE, port: pbu.port ?? null };
    const to = { address: pbu.to ?? LMAA, port: from.port === null ? null : 5436 };
    this.see(update, from, to, false);
    const answer = this.bench.deliver(update, pbu);
    this.seeAnswers();
    return answer;
  }

  pass(milliseconds: number): void {
    const end = this.bench.now.elapsed + milliseconds;
    this.bench.pass(milliseconds);
    this.seeAnswers();
    const now = this.bench.now;
    for (let next = this.observer.nextDeadline(); next !== null && next <= end;) {
      this.take(this.observer.handle({ event: 'tick' }, { ...now, elapsed: next }));
      const again = this.observer.nextDeadline();
      if (again === next) break;
      next = again;
    }
  }

  get session(): TunnelSession | undefined {
    return this.installed.get('mn1@example.org');
  }
}

/**
 * Sessions without their names, which may differ by a number while the LMA remembers one that is gone, and without keys where no
 * tunnel is GRE.
 */
function content(sessions: ReadonlyMap<string, TunnelSession>): unknown[] {
  return [...sessions.values()]
    .map(({ name: _name, sendKey, receiveKey, prefixes, paths, ...rest }) => {
      const keys = paths.some(({ encapsulation }) => encapsulation.includes('gre'))
        ? [sendKey, receiveKey]
        : [];
      return JSON.stringify({ ...rest, prefixes: [...prefixes].sort(), paths, keys });
    })
    .sort();
}

const greKey = (key: number | null) => ({ option: 'gre-key', key }) as const;

describe('beside the LMA machine', () => {
  const pbu = fc.record(
    {
      from: fc.constantFrom(LTE, WLAN, '2001:db8:a::2'),
      mn: fc.constantFrom('mn1@example.org', 'mn2@example.org'),
      bid: fc.option(fc.constantFrom(1, 2, 3), { nil: undefined, freq: 4 }),
      bulk: fc.boolean(),
      overwrite: fc.boolean(),
      mag: fc.constantFrom('mag1@example.org', 'mag2@example.org'),
      lifetime: fc.constantFrom(0, 3, 10, 150),
      handoff: fc.constantFrom(1, 2, 3, 5),
      technology: fc.constantFrom(4, 8),
      own: fc.boolean(),
      gre: fc.boolean(),
      lost: fc.constantFrom('nothing', 'nothing', 'nothing', 'twice'),
      pause: fc.constantFrom(0, 1000, 13_000, 60_000),
    },
    { requiredKeys: ['from', 'mn', 'lifetime', 'own', 'gre', 'lost', 'pause'] },
  );

  test('any registrations, refreshes, hand-offs, de-registrations, refusals and expiries', () => {
    let installs = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.array(pbu, { minLength: 1, maxLength: 40 }), (steps) => {
        const watched = new Watched();
        for (const { own, gre, lost, pause, bid, ...step } of steps) {
          const known = [...watched.bench.installed.values()].find(({ node }) => node === step.mn);
          const request: Pbu = {
            ...step,
            ...(bid === undefined ? {} : { bid }),
            prefixes: own && known ? known.prefixes.filter((prefix) => prefix.includes(':')) : ['::/0'],
            options: gre ? [greKey(0x11111111)] : [],
          };
          watched.send(request);
          // A message that is seen twice, as on two interfaces, changes nothing.
          if (lost === 'twice') watched.seeAnswers();
          watched.pass(pause);
          expect(content(watched.installed)).toEqual(content(watched.bench.installed));
        }
        installs += watched.installs;
        refused += Object.keys(watched.observer.statistics().refused).length;
      }),
      { numRuns: 1500, seed: 8278 },
    );
    // The sequences do go somewhere.
    expect(installs).toBeGreaterThan(5000);
    expect(refused).toBeGreaterThan(100);
  });

  test('figure 2 of RFC 8278, from either end', () => {
    for (const role of ['lma', 'mag'] as const) {
      const watched = new Watched({ role, trust: 'wire' });
      const first = watched.send({ bid: 1, label: 11, options: [greKey(0x11111111)] });
      const prefixes = LmaBench.prefixesOf(first);
      watched.send({
        bid: 2,
        label: 9,
        from: WLAN,
        technology: 4,
        prefixes,
        options: [greKey(0x11111111), encodeWanMetrics(32473, 2, { weight: 3, uplinkRate: 20e6 })!],
      });
      const near = (address: string) => ({ address, port: null });
      const ends = (careOf: string) =>
        role === 'lma'
          ? { local: near(LMAA), remote: near(careOf) }
          : { local: near(careOf), remote: near(LMAA) };
      expect(watched.session).toEqual({
        name: 'mn1@example.org',
        node: 'mn1@example.org',
        prefixes,
        sendKey: role === 'lma' ? 0x11111111 : 0x22222201,
        receiveKey: role === 'lma' ? 0x22222201 : 0x11111111,
        paths: [
          {
            bid: 1,
            ...ends(LTE),
            encapsulation: 'gre',
            technology: 8,
            label: 11,
            metrics: {},
            interface: null,
          },
          {
            bid: 2,
            ...ends(WLAN),
            encapsulation: 'gre',
            technology: 4,
            label: 9,
            metrics: { weight: 3, uplinkRate: 20e6 },
            interface: null,
          },
        ],
      });
      // A refresh changes nothing, so nothing is installed again.
      const installs = watched.installs;
      watched.send({ bid: 1, label: 11, handoff: 5, prefixes, options: [greKey(0x11111111)] });
      expect(watched.installs).toBe(installs);
    }
  });
});

describe('what is granted', () => {
  const ipv4 = { ipv4: { pool: '203.0.113.0/24', router: '203.0.113.1' } } as unknown as Partial<LmaConfig>;

  test('IPv4 home address and UDP with TLV and GRE', () => {
    const watched = new Watched({}, { ...ipv4, acceptForcedUdp: true, tlv: true } as Partial<LmaConfig>);
    watched.send({
      from: '192.0.2.7',
      to: '198.51.100.1',
      port: 40_001,
      flags: UpdateFlag.FORCE_UDP | UpdateFlag.TLV,
      options: [greKey(5), { option: 'ipv4-home-address-request', prefix: '0.0.0.0/0' }],
    });
    expect(watched.session).toEqual(watched.bench.installed.get('mn1@example.org'));
    expect(watched.session?.paths[0]).toMatchObject({
      encapsulation: 'udp-gre',
      local: { address: '198.51.100.1', port: 5437 },
      remote: { address: '192.0.2.7', port: 5437 },
    });
    expect(watched.session?.prefixes.some((prefix) => prefix.endsWith('/32'))).toBe(true);
  });

  test('delegated prefixes, and they stay when a refresh does not speak of them', () => {
    const watched = new Watched({}, {}, { delegated: ['2001:db8:d000::/56'] } as Partial<NodeProfile>);
    const ask = { option: 'delegated-mobile-network-prefix', prefix: '::/0' } as const;
    const prefixes = LmaBench.prefixesOf(watched.send({ options: [ask] }));
    expect(content(watched.installed)).toEqual(content(watched.bench.installed));
    const before = watched.session?.prefixes;
    expect(before?.length).toBeGreaterThan(prefixes.length);
    watched.send({ handoff: 5, prefixes });
    expect(watched.session?.prefixes).toEqual(before);
  });

  test('a legacy LMA: PBA without MMB, so one path', () => {
    const watched = new Watched({}, { multipath: 'off' } as Partial<LmaConfig>);
    const prefixes = LmaBench.prefixesOf(watched.send({ bid: 1 }));
    watched.send({ bid: 2, from: WLAN, handoff: 3, prefixes });
    expect(watched.session?.paths).toMatchObject([{ bid: 1, label: null }]);
  });

  test('status 180 and other refusals install nothing and keep what there is', () => {
    const watched = new Watched({}, {}, { multipath: 'reject' });
    watched.send({ bid: 1 });
    watched.send({ mn: 'stranger@example.com' });
    expect(watched.installed.size).toBe(0);
    expect(watched.observer.statistics().refused).toMatchObject({ 'status 180': 1 });
    expect(watched.logs).toContain('registration refused: status 180');
  });

  test('a revocation that is acknowledged takes the binding it names', () => {
    const watched = new Watched();
    const prefixes = LmaBench.prefixesOf(watched.send({ bid: 1 }));
    watched.send({ bid: 2, from: WLAN, prefixes });
    watched.bench.revoke('mn1@example.org', 2);
    const bri = watched.bench.effects.find((effect) => effect.effect === 'send');
    watched.seeAnswers();
    if (bri?.effect !== 'send' || bri.message.message !== 'revocation') throw new Error('no BRI');
    expect(watched.session?.paths).toHaveLength(2);
    const ack: Message = { ...bri.message, acknowledgement: true, code: 0, options: [] };
    watched.see(ack, bri.to, bri.from, false);
    expect(watched.session?.paths).toMatchObject([{ bid: 1 }]);
  });

  test('a prefix that goes to another node leaves the first one', () => {
    const watched = new Watched({ trust: 'wire' });
    const [prefix] = LmaBench.prefixesOf(watched.send({}));
    const update = watched.bench.build({ mn: 'mn2@example.org', from: WLAN });
    watched.see(update, { address: WLAN, port: null }, { address: LMAA, port: null }, false);
    const ack: BindingAck = {
      message: 'binding-ack',
      status: 0,
      flags: 0x20,
      sequence: update.sequence,
      lifetime: 10,
      options: [
        update.options.find(({ option }) => option === 'mn-identifier')!,
        { option: 'home-network-prefix', prefix: prefix!, offLink: false },
      ],
    };
    watched.see(ack, { address: LMAA, port: null }, { address: WLAN, port: null }, true);
    expect([...watched.installed.keys()]).toEqual(['mn2@example.org']);
    expect(watched.logs.some((text) => text.includes('went from session'))).toBe(true);
  });
});

describe('what is not believed', () => {
  const lte: Endpoint = { address: LTE, port: null };
  const lma: Endpoint = { address: LMAA, port: null };

  function exchange(watched: Watched, change: Partial<BindingAck> = {}): [Message, BindingAck] {
    const update = watched.bench.build({});
    const ack = watched.bench.deliver(update)!;
    return [update, { ...ack, ...change }];
  }

  test('an answer without its question, or with another number, node or end', () => {
    const watched = new Watched();
    const [update, ack] = exchange(watched);
    watched.see(ack, lma, lte, true);
    watched.see(update, lte, lma, false);
    watched.see({ ...ack, sequence: ack.sequence + 1 }, lma, lte, true);
    watched.see(ack, lma, { address: WLAN, port: null }, true);
    watched.see(ack, { address: '2001:db8:f::2', port: null }, lte, true);
    expect(watched.installed.size).toBe(0);
    expect(watched.observer.statistics().ignored).toEqual({ unmatched: 4 });
    const other: BindingAck = {
      ...ack,
      options: [
        { option: 'mn-identifier', subtype: 1, identifier: new TextEncoder().encode('mn2@example.org') },
        ...ack.options.slice(1),
      ],
    };
    watched.see(other, lma, lte, true);
    expect(watched.observer.statistics().refused).toEqual({ 'another MN-ID': 1 });
    expect(watched.installed.size).toBe(0);
  });

  test('an answer that comes too late', () => {
    const watched = new Watched();
    const [update, ack] = exchange(watched);
    watched.see(update, lte, lma, false);
    watched.pass(OBSERVER_DEFAULTS.answerTimeout);
    watched.see(ack, lma, lte, true);
    expect(watched.installed.size).toBe(0);
  });

  test.each([
    ['lma', false, false],
    ['lma', true, true],
    ['mag', false, true],
    ['mag', null, null],
  ] as const)('on the host of the %s: PBU outgoing %s, PBA outgoing %s', (role, updateOut, ackOut) => {
    const watched = new Watched({ role });
    const [update, ack] = exchange(watched);
    watched.see(update, lte, lma, updateOut);
    watched.see(ack, lma, lte, ackOut);
    expect(watched.installed.size).toBe(0);
    expect(watched.observer.statistics().ignored['wrong-direction']).toBeGreaterThan(0);
  });

  test('peers outside the configured prefixes', () => {
    for (const config of [{ lmas: ['2001:db8:e::/48'] }, { mags: ['198.51.100.0/24'] }]) {
      const watched = new Watched(config);
      watched.send({});
      expect(watched.installed.size).toBe(0);
      expect(watched.observer.statistics().ignored['unknown-peer']).toBe(2);
    }
    const watched = new Watched({ lmas: ['2001:db8:f::1/128'], mags: ['2001:db8:a::/48'] });
    watched.send({});
    expect(watched.installed.size).toBe(1);
  });

  test('what strangers can make it remember is bounded', () => {
    const watched = new Watched({ maxPending: 100, maxSessions: 10, trust: 'wire' });
    const update = watched.bench.build({});
    for (let sequence = 0; sequence < 1000; sequence++) {
      watched.see({ ...update, sequence } as Message, lte, lma, null);
    }
    watched.see({ ...update, message: 'binding-update' }, lte, lma, null);
    for (let i = 0; i < 50; i++) {
      const mn = {
        option: 'mn-identifier',
        subtype: 1,
        identifier: new TextEncoder().encode(`mn${i}`),
      } as const;
      const hnp = { option: 'home-network-prefix', prefix: `2001:db8:${i}::/64`, offLink: false } as const;
      watched.see({ ...update, sequence: i, options: [mn, hnp] }, lte, lma, null);
      const ack: BindingAck = {
        message: 'binding-ack',
        status: 0,
        flags: 0x20,
        sequence: i,
        lifetime: 10,
        options: [mn, hnp],
      };
      watched.see(ack, lma, lte, null);
    }
    expect(watched.installed.size).toBe(10);
    expect(watched.observer.statistics().ignored).toMatchObject({ 'too-many-sessions': 40 });
  });
});
