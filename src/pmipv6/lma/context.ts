/** What all parts of the LMA state machine share while one event is handled. */
import type { Effect } from '../effect.ts';
import type { Endpoint, Instant } from '../endpoint.ts';
import { Deadlines } from '../deadlines.ts';
import type { Message } from '../wire/mobility-header.ts';
import { Allocation } from './allocation.ts';
import { BindingCache, type Session } from './binding-cache.ts';
import type { LmaConfig } from './config.ts';
import { Peers, UpdateRates } from './peers.ts';
import { Policy } from './policy.ts';
import { Registration } from './registration.ts';
import { tunnelSession } from './publication.ts';

export class LmaContext {
  /** Both change when the operator re-reads the configuration. */
  config: LmaConfig;
  policy: Policy;
  readonly cache = new BindingCache();
  readonly allocation: Allocation;
  readonly registration: Registration;
  readonly peers = new Peers();
  readonly rates = new UpdateRates();
  readonly deadlines = new Deadlines<Session>((session) => this.deadlineOf(session));
  now: Instant = { elapsed: 0, utc: 0 };
  effects: Effect[] = [];
  readonly received = new Map<string, number>();
  readonly answered = new Map<string, number>();
  readonly ignored = new Map<string, number>();

  constructor(config: LmaConfig) {
    this.config = config;
    this.policy = new Policy(config);
    this.allocation = new Allocation(config);
    this.registration = new Registration(config, this.cache, this.allocation, this.policy);
  }

  send(message: Message, from: Endpoint, to: Endpoint): void {
    this.effects.push({ effect: 'send', message, from, to, interface: null });
  }

  log(level: 'debug' | 'info' | 'warn', text: string, node?: string, peer?: string): void {
    this.effects.push({ effect: 'log', level, text, node, peer });
  }

  /** Tells the data plane what has become of the session. */
  publish(session: Session, changed: boolean): void {
    if (session.bindings.size === 0) {
      if (session.installed) this.effects.push({ effect: 'remove', session: session.name });
      session.installed = false;
    } else if (changed || !session.installed) {
      this.effects.push({ effect: 'install', session: tunnelSession(session) });
      session.installed = true;
    }
  }

  /** The session ends, and what it had is free again. */
  drop(session: Session): void {
    this.registration.forget(session);
    this.deadlines.forget(session);
    this.publish(session, true);
  }

  /** After bindings have been taken out. */
  settle(session: Session): void {
    if (session.bindings.size === 0) this.drop(session);
    else this.publish(session, true);
  }

  private deadlineOf(session: Session): number | null {
    if (this.cache.named(session.name) !== session) return null;
    if (session.lingerUntil !== null) return session.lingerUntil;
    let first = Infinity;
    for (const { expires } of session.bindings.values()) first = Math.min(first, expires);
    return first === Infinity ? null : first;
  }
}

export function count(counters: Map<string, number>, key: string): void {
  counters.set(key, (counters.get(key) ?? 0) + 1);
}
