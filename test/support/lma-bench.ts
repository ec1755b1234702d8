/** An LMA under virtual time, fed with PBUs that are written as briefly as the tests need. */
import type { Effect } from '../../src/pmipv6/effect.ts';
import type { Endpoint, Instant } from '../../src/pmipv6/endpoint.ts';
import {
  LMA_DEFAULTS,
  type LmaConfig,
  type NodeProfile,
  PROFILE_DEFAULTS,
} from '../../src/pmipv6/lma/config.ts';
import { type LmaEvent, LmaMachine } from '../../src/pmipv6/lma/machine.ts';
import type { TunnelSession } from '../../src/pmipv6/tunnel-session.ts';
import type { BindingAck } from '../../src/pmipv6/wire/message/binding-ack.ts';
import { type BindingUpdate, UpdateFlag } from '../../src/pmipv6/wire/message/binding-update.ts';
import type { Message } from '../../src/pmipv6/wire/mobility-header.ts';
import { nai } from '../../src/pmipv6/wire/option/identifier.ts';
import { timestampOf } from '../../src/pmipv6/wire/option/timestamp.ts';
import { findOption, type MobilityOption } from '../../src/pmipv6/wire/options.ts';

export const LMAA = '2001:db8:f::1';
export const LTE = '2001:db8:a::1';
export const WLAN = '2001:db8:b::1';

export interface Pbu {
  readonly from?: string;
  readonly port?: number | null;
  readonly to?: string;
  readonly mn?: string | null;
  readonly prefixes?: readonly string[];
  readonly handoff?: number | null;
  readonly technology?: number | null;
  readonly bid?: number;
  readonly label?: number;
  readonly bulk?: boolean;
  readonly overwrite?: boolean;
  readonly mag?: string | null;
  readonly lifetime?: number;
  readonly flags?: number;
  readonly sequence?: number;
  /** Milliseconds off the LMA's clock; null: sequence mode. */
  readonly clock?: number | null;
  readonly options?: readonly MobilityOption[];
}

export class LmaBench {
  readonly config: LmaConfig;
  readonly lma: LmaMachine;
  now: Instant = { elapsed: 1000, utc: 1_700_000_000_000 };
  readonly installed = new Map<string, TunnelSession>();
  installs = 0;
  effects: Effect[] = [];
  private sequence = 0;
  private keys = 0;

  constructor(config: Partial<LmaConfig> = {}, profile: Partial<NodeProfile> = {}) {
    this.config = {
      ...LMA_DEFAULTS,
      homePrefixPools: ['2001:db8:1000::/48'],
      mags: [
        { prefix: '2001:db8:a::/48', identity: null },
        { prefix: '2001:db8:b::/48', identity: null },
        { prefix: '192.0.2.0/24', identity: null },
      ],
      nodes: [{ ...PROFILE_DEFAULTS, identity: '*@example.org', ...profile }],
      randomKey: () => 0x2222_2200 + ++this.keys,
      ...config,
    };
    this.lma = new LmaMachine(this.config);
  }

  /** Milliseconds pass; timers run at their own time. */
  pass(milliseconds: number): Effect[] {
    const end = this.now.elapsed + milliseconds;
    const all: Effect[] = [];
    for (;;) {
      const next = this.lma.nextDeadline();
      if (next === null || next > end) break;
      this.advance(Math.max(next, this.now.elapsed) - this.now.elapsed);
      all.push(...this.take(this.lma.handle({ event: 'tick' }, this.now)));
    }
    this.advance(end - this.now.elapsed);
    this.effects = all;
    return all;
  }

  private advance(milliseconds: number): void {
    this.now = { elapsed: this.now.elapsed + milliseconds, utc: this.now.utc + milliseconds };
  }

  private take(effects: Effect[]): Effect[] {
    for (const effect of effects) {
      if (effect.effect === 'install') {
        this.installed.set(effect.session.name, effect.session);
        this.installs++;
      } else if (effect.effect === 'remove') this.installed.delete(effect.session);
    }
    this.effects = effects;
    return effects;
  }

  message(message: Message, from: Endpoint, to: Endpoint): Message[] {
    this.take(this.lma.handle({ event: 'message', message, from, to }, this.now));
    return this.sent();
  }

  sent(): Message[] {
    return this.effects.flatMap((effect) => (effect.effect === 'send' ? [effect.message] : []));
  }

  revoke(session: string, bid?: number): void {
    this.take(this.lma.handle({ event: 'revoke', session, ...(bid === undefined ? {} : { bid }) }, this.now));
  }

  event(event: LmaEvent): void {
    this.take(this.lma.handle(event, this.now));
  }

  build(pbu: Pbu): BindingUpdate {
    // The clock goes on with every message, as a real one does.
    this.advance(1);
    const options: MobilityOption[] = [];
    if (pbu.mn !== null) options.push({ option: 'mn-identifier', ...nai(pbu.mn ?? 'mn1@example.org') });
    for (const prefix of pbu.prefixes ?? ['::/0'])
      options.push({ option: 'home-network-prefix', prefix, offLink: false });
    if (pbu.handoff !== null) options.push({ option: 'handoff-indicator', indicator: pbu.handoff ?? 1 });
    if (pbu.technology !== null)
      options.push({ option: 'access-technology-type', technology: pbu.technology ?? 8 });
    if (pbu.clock !== null) options.push(timestampOf(this.now.utc + (pbu.clock ?? 0)));
    if (pbu.bid !== undefined) {
      options.push({
        option: 'mag-multipath-binding',
        technology: pbu.technology ?? 8,
        label: pbu.label ?? 11,
        bid: pbu.bid,
        bulk: pbu.bulk ?? false,
        overwrite: pbu.overwrite ?? false,
      });
      if (pbu.mag !== null) options.push({ option: 'mag-identifier', ...nai(pbu.mag ?? 'mag1@example.org') });
    }
    options.push(...(pbu.options ?? []));
    return {
      message: 'binding-update',
      sequence: pbu.sequence ?? ++this.sequence,
      flags: UpdateFlag.ACKNOWLEDGE | UpdateFlag.PROXY | (pbu.flags ?? 0),
      lifetime: pbu.lifetime ?? 150,
      options,
    };
  }

  /** Sends a PBU; the PBA, or undefined if there was none. */
  send(pbu: Pbu): BindingAck | undefined {
    return this.deliver(this.build(pbu), pbu);
  }

  deliver(update: BindingUpdate, { from = LTE, port = null, to = LMAA }: Pbu = {}): BindingAck | undefined {
    const answers = this.message(
      update,
      { address: from, port },
      { address: to, port: port === null ? null : 5436 },
    );
    return answers.find((message) => message.message === 'binding-ack') as BindingAck | undefined;
  }

  /** The home network prefixes of a PBA. */
  static prefixesOf(ack: BindingAck | undefined): string[] {
    return (ack?.options ?? []).flatMap((option) =>
      option.option === 'home-network-prefix' ? [option.prefix] : [],
    );
  }

  static bidOf(ack: BindingAck | undefined): number | undefined {
    return ack && findOption(ack.options, 'mag-multipath-binding')?.bid;
  }

  bids(session = 'mn1@example.org'): number[] {
    return this.installed.get(session)?.paths.map(({ bid }) => bid) ?? [];
  }
}
