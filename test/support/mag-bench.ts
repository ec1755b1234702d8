/** A MAG under virtual time. The LMA is played by the test (`answer`), or by an LmaMachine that every message reaches at once. */
import type { AccessGrant } from '../../src/pmipv6/access-grant.ts';
import type { Effect } from '../../src/pmipv6/effect.ts';
import type { Endpoint, Instant } from '../../src/pmipv6/endpoint.ts';
import { LmaMachine } from '../../src/pmipv6/lma/machine.ts';
import {
  type LmaConfig,
  type NodeProfile,
  PROFILE_DEFAULTS,
  LMA_DEFAULTS,
} from '../../src/pmipv6/lma/config.ts';
import {
  LOGICAL_NODE_DEFAULTS,
  MAG_DEFAULTS,
  MAG_NODE_DEFAULTS,
  type MagConfig,
  WAN_DEFAULTS,
} from '../../src/pmipv6/mag/config.ts';
import type { MagEvent } from '../../src/pmipv6/mag/event.ts';
import { MagMachine } from '../../src/pmipv6/mag/machine.ts';
import type { WanState } from '../../src/pmipv6/mag/wan-links.ts';
import type { TunnelSession } from '../../src/pmipv6/tunnel-session.ts';
import type { BindingAck } from '../../src/pmipv6/wire/message/binding-ack.ts';
import type { BindingUpdate } from '../../src/pmipv6/wire/message/binding-update.ts';
import { decodeMessage, encodeMessage, type Message } from '../../src/pmipv6/wire/mobility-header.ts';
import {
  findOption,
  type MobilityOption,
  type OptionName,
  type OptionOf,
} from '../../src/pmipv6/wire/options.ts';

export const LMAA = '2001:db8:f::1';
export const LMAA4 = '192.0.2.1';
export const LTE = '2001:db8:a::1';
export const WLAN = '2001:db8:b::1';
export const DSL4 = '198.51.100.7';
export const MN = 'mn1@example.org';
export const HNP = '2001:db8:1000::/64';

export interface Sent {
  readonly message: Message;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly interface: string | null;
}

export type SentUpdate = Sent & { readonly message: BindingUpdate };

/** What a played LMA answers; what is left out is as a granting LMA of RFC 8278 would have it. */
export interface Grant {
  readonly status?: number;
  readonly flags?: number;
  readonly lifetime?: number;
  readonly sequence?: number;
  readonly prefixes?: readonly string[];
  /** false: as a legacy LMA, which skips options 63 and 64. */
  readonly multipath?: boolean;
  /** Uplink key; undefined: no GRE Key option. */
  readonly greKey?: number | null | undefined;
  /** Replace the copied options of these names. */
  readonly replace?: readonly MobilityOption[];
  readonly options?: readonly MobilityOption[];
}

export function magConfig(config: Partial<MagConfig> = {}): MagConfig {
  let keys = 0;
  return {
    ...MAG_DEFAULTS,
    identity: 'mag1@example.org',
    lma: { ipv6: LMAA, ipv4: LMAA4 },
    interfaces: [
      { ...WAN_DEFAULTS, name: 'lte', bid: 1, label: 11, technology: 8, priority: 0 },
      { ...WAN_DEFAULTS, name: 'wlan', bid: 2, label: 9, technology: 4, priority: 1 },
    ],
    logicalNodes: [{ ...LOGICAL_NODE_DEFAULTS, identity: MN, delegated: [] }],
    nodes: [{ ...MAG_NODE_DEFAULTS, identity: '*@example.org' }],
    random: () => 0x1111_1100 + ++keys,
    ...config,
  };
}

export function lmaConfig(config: Partial<LmaConfig> = {}, profile: Partial<NodeProfile> = {}): LmaConfig {
  let keys = 0;
  return {
    ...LMA_DEFAULTS,
    homePrefixPools: ['2001:db8:1000::/48'],
    mags: [
      { prefix: '2001:db8:a::/48', identity: null },
      { prefix: '2001:db8:b::/48', identity: null },
      { prefix: '198.51.100.0/24', identity: null },
    ],
    nodes: [{ ...PROFILE_DEFAULTS, identity: '*@example.org', ...profile }],
    randomKey: () => 0x2222_2200 + ++keys,
    ...config,
  };
}

export class MagBench {
  config: MagConfig;
  mag: MagMachine;
  lma: LmaMachine | null = null;
  now: Instant = { elapsed: 1000, utc: 1_700_000_000_000 };
  readonly installed = new Map<string, TunnelSession>();
  readonly grants = new Map<string, AccessGrant>();
  /** Since the last call of `take`. */
  sent: Sent[] = [];
  effects: Effect[] = [];
  /** Between MAG and an LMA machine: WAN interfaces that let nothing through. */
  readonly dead = new Set<string>();

  constructor(config: Partial<MagConfig> = {}) {
    this.config = magConfig(config);
    this.mag = new MagMachine(this.config);
  }

  /** With a real LMA behind it. */
  static joined(
    config: Partial<MagConfig> = {},
    lma: Partial<LmaConfig> = {},
    profile: Partial<NodeProfile> = {},
  ): MagBench {
    const bench = new MagBench(config);
    bench.lma = new LmaMachine(lmaConfig(lma, profile));
    return bench;
  }

  event(event: MagEvent): Sent[] {
    const first = this.sent.length;
    this.carryOut(this.mag.handle(event, this.now));
    return this.sent.slice(first);
  }

  /** A reload with these keys changed; what is sent because of it. */
  reconfigure(changes: Partial<MagConfig>, news: readonly WanState[] = []): SentUpdate[] {
    const first = this.sent.length;
    this.config = { ...this.config, ...changes };
    this.carryOut(this.mag.reconfigure(this.config, this.now, news));
    return updatesOf(this.sent.slice(first));
  }

  up(name: string, ...addresses: string[]): SentUpdate[] {
    return updatesOf(this.event({ event: 'interface', name, up: true, addresses }));
  }

  down(name: string): SentUpdate[] {
    return updatesOf(this.event({ event: 'interface', name, up: false, addresses: [] }));
  }

  /** Everything sent since the last call. */
  take(): Sent[] {
    const { sent } = this;
    this.sent = [];
    return sent;
  }

  updates(): SentUpdate[] {
    return updatesOf(this.take());
  }

  pass(milliseconds: number): SentUpdate[] {
    const first = this.sent.length;
    const end = this.now.elapsed + milliseconds;
    for (;;) {
      const mag = this.mag.nextDeadline() ?? Infinity;
      const lma = this.lma?.nextDeadline() ?? Infinity;
      const next = Math.min(mag, lma);
      if (next > end) break;
      this.advance(Math.max(0, next - this.now.elapsed));
      if (mag <= this.now.elapsed) this.carryOut(this.mag.handle({ event: 'tick' }, this.now));
      if (lma <= this.now.elapsed) this.fromLma(this.lma!.handle({ event: 'tick' }, this.now));
    }
    this.advance(end - this.now.elapsed);
    return updatesOf(this.sent.slice(first));
  }

  advance(milliseconds: number): void {
    this.now = { elapsed: this.now.elapsed + milliseconds, utc: this.now.utc + milliseconds };
  }

  /** A message of the LMA. */
  receive(message: Message, to: Endpoint, from: Endpoint = { address: LMAA, port: null }): Sent[] {
    return this.event({ event: 'message', message, from, to });
  }

  answer(update: SentUpdate, grant: Grant = {}): Sent[] {
    return this.receive(answerTo(update, grant), update.from, update.to);
  }

  /** Operator's word at the real LMA. */
  revoke(session: string, bid?: number): void {
    const event = { event: 'revoke', session, ...(bid === undefined ? {} : { bid }) } as const;
    this.fromLma(this.lma!.handle(event, this.now));
  }

  bids(session = MN): number[] {
    const paths = this.installed.get(session)?.paths ?? [];
    return paths.filter(({ receiveOnly }) => !receiveOnly).map(({ bid }) => bid);
  }

  lmaBids(node = MN): number[] {
    const bids = [...this.lma!.sessions()].flatMap((session) =>
      session.nodeKey === node ? [...session.bindings.keys()] : [],
    );
    return bids.sort((a, b) => a - b);
  }

  status(): ReturnType<MagMachine['sessions']>[number] {
    return this.mag.sessions()[0]!;
  }

  logs(): string[] {
    return this.effects.flatMap((effect) => (effect.effect === 'log' ? [effect.text] : []));
  }

  /** Effects first, all of them; what they make the LMA say comes afterwards. */
  private carryOut(effects: readonly Effect[]): void {
    this.effects.push(...effects);
    const outgoing: Sent[] = [];
    for (const effect of effects) {
      if (effect.effect === 'install') this.installed.set(effect.session.name, effect.session);
      else if (effect.effect === 'remove') this.installed.delete(effect.session);
      else if (effect.effect === 'grant') this.grants.set(effect.grant.node, effect.grant);
      else if (effect.effect === 'withdraw') this.grants.delete(effect.node);
      else if (effect.effect === 'send') {
        this.sent.push(effect);
        if (this.lma && !this.dead.has(effect.interface ?? '')) outgoing.push(effect);
      }
    }
    for (const each of outgoing) this.toLma(each);
  }

  toLma({ message, from, to }: Sent): void {
    this.fromLma(this.lma!.handle({ event: 'message', message: overTheWire(message), from, to }, this.now));
  }

  fromLma(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.effect !== 'send' || this.dead.has(this.interfaceOf(effect.to.address))) continue;
      const { from, to } = effect;
      this.event({ event: 'message', message: overTheWire(effect.message), from, to });
    }
  }

  private interfaceOf(address: string): string {
    if (address.startsWith('2001:db8:a:')) return 'lte';
    return address.startsWith('2001:db8:b:') ? 'wlan' : 'dsl';
  }
}

/** As octets and back: what a machine says has to fit on the wire. */
export function overTheWire(message: Message): Message {
  return decodeMessage(encodeMessage(message));
}

export function updatesOf(sent: readonly Sent[]): SentUpdate[] {
  return sent.filter((each): each is SentUpdate => each.message.message === 'binding-update');
}

export function optionOf<N extends OptionName>(sent: Sent | undefined, name: N): OptionOf<N> | undefined {
  return sent && findOption(sent.message.options, name);
}

/** The PBA that a granting LMA sends for this PBU. */
export function answerTo({ message }: SentUpdate, grant: Grant = {}): BindingAck {
  const { status = 0, prefixes = [HNP], multipath = true, options = [], replace = [] } = grant;
  const copied = message.options.filter(
    ({ option }) =>
      [
        'mn-identifier',
        'handoff-indicator',
        'access-technology-type',
        'timestamp',
        'mn-link-layer-identifier',
      ].includes(option) && !replace.some((other) => other.option === option),
  );
  const mmb = findOption(message.options, 'mag-multipath-binding');
  const greKey = 'greKey' in grant ? grant.greKey : 0x2222_2222;
  return {
    message: 'binding-ack',
    status,
    flags: grant.flags ?? 0x20,
    sequence: grant.sequence ?? message.sequence,
    lifetime: grant.lifetime ?? message.lifetime,
    options: [
      ...copied,
      ...replace,
      ...prefixes.map((prefix): MobilityOption => ({
        option: 'home-network-prefix',
        prefix,
        offLink: false,
      })),
      ...(greKey === undefined || status >= 128 ? [] : [{ option: 'gre-key', key: greKey } as const]),
      ...(mmb && multipath ? [mmb] : []),
      ...options,
    ],
  };
}
