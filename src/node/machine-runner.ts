/**
 * Runs a state machine: messages and timers in, effects out in their order. Messages of one batch are sent after the routes of the
 * whole batch stand, so that a peer never learns of a tunnel that is not there yet.
 */
import type { Logger } from 'pino';
import { TunloomError } from '../errors.ts';
import type { Datagram } from '../net/mobility-transport.ts';
import type { AccessGrant } from '../pmipv6/access-grant.ts';
import type { Effect } from '../pmipv6/effect.ts';
import type { Endpoint, Instant } from '../pmipv6/endpoint.ts';
import type { TunnelSession } from '../pmipv6/tunnel-session.ts';
import { type Message, messageName, summarizeMessage } from '../pmipv6/wire/mobility-header.ts';
import { identifierText } from '../pmipv6/wire/option/identifier.ts';
import { findOption } from '../pmipv6/wire/options.ts';
import type { EventHub } from './event-hub.ts';
import type { HostDataplane } from './host-dataplane.ts';
import type { SessionInstaller } from './session-installer.ts';
import type { ReceivedMessage, Signaling } from './signaling.ts';

/** What every machine is told. */
type CommonEvent = ({ readonly event: 'message' } & ReceivedMessage) | { readonly event: 'tick' };

export interface Machine<E> {
  handle(event: E | CommonEvent, now: Instant): Effect[];
  /** Elapsed milliseconds at which a tick is wanted. */
  nextDeadline(): number | null;
}

export interface RunnerOptions<E> {
  readonly machine: Machine<E>;
  readonly signaling: Signaling;
  readonly installer: SessionInstaller;
  readonly host: HostDataplane;
  readonly events: EventHub;
  readonly log: Logger;
  /** Number of the socket that a message leaves by; null: there is none (an interface is gone). */
  readonly socketFor: (from: Endpoint, device: string | null) => number | null;
  /** What to do when the data plane has refused a session: the event that takes it back, and the answer instead of an accepting one. */
  readonly refused: (session: TunnelSession, message: Message) => Message;
  readonly takeBack: (session: TunnelSession) => E;
  /** Called after a session was installed. */
  readonly installed?: (session: TunnelSession) => void;
  /** MAG: what bindings give to nodes on access links. */
  readonly access?: { grant(grant: AccessGrant): void; withdraw(node: string): void };
  /** MAG: nothing goes by a WAN interface any more. */
  readonly close?: (wan: string) => void;
}

type Send = Extract<Effect, { readonly effect: 'send' }>;
/** What waits until the routes of its batch stand. */
type Later = Send | Extract<Effect, { readonly effect: 'grant' | 'withdraw' | 'close' }>;

/** A session that is about to be installed: messages in a row about one session change the data plane once. */
interface PendingInstall {
  readonly session: TunnelSession;
  /** Where in `#later` the messages are that say that it is. */
  readonly told: number[];
}

/** setTimeout() takes no longer ones. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** The clocks of this process. */
export function clock(): Instant {
  return { elapsed: performance.now(), utc: Date.now() };
}

export class MachineRunner<E> {
  readonly #options: RunnerOptions<E>;
  readonly #later: Later[] = [];
  #pending: PendingInstall | null = null;
  #timer: NodeJS.Timeout | null = null;
  #deadline: number | null = null;
  #stopped = false;

  constructor(options: RunnerOptions<E>) {
    this.#options = options;
  }

  /** A batch from the sockets. */
  receive(datagrams: readonly Datagram[]): void {
    if (this.#stopped) return;
    const now = clock();
    for (const datagram of datagrams) {
      try {
        this.#take(datagram, now);
      } catch (error) {
        // A fault of ours that one peer's message has found must not end the service of all the others.
        this.#options.log.error({ event: 'fault', err: error, peer: datagram.from }, 'message not handled');
      }
    }
    this.#finish(now);
  }

  #take(datagram: Datagram, now: Instant): void {
    const received = this.#options.signaling.read(datagram, now.utc);
    if (!received) return;
    if (this.#options.events.heard) this.#tell('in', received.message, received.to, received.from);
    this.#carryOut(this.#options.machine.handle({ event: 'message', ...received }, now), now);
  }

  /** One event of another kind. */
  handle(event: E | CommonEvent): void {
    this.run((now) => this.#options.machine.handle(event, now));
  }

  /** Whatever gives effects. */
  run(action: (now: Instant) => readonly Effect[]): void {
    const now = clock();
    this.#carryOut(action(now), now);
    this.#finish(now);
  }

  /** No timer runs any more, and nothing is received. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #carryOut(effects: readonly Effect[], now: Instant): void {
    let installs = false;
    for (const effect of effects) {
      switch (effect.effect) {
        case 'install':
          this.#installPending(now, effect.session.name);
          this.#pending = { session: effect.session, told: this.#pending?.told ?? [] };
          installs = true;
          break;
        case 'remove':
          this.#installPending(now);
          this.#options.installer.remove(effect.session);
          break;
        case 'send':
          if (installs) this.#pending?.told.push(this.#later.length);
          this.#later.push(effect);
          break;
        case 'grant':
        case 'withdraw':
        case 'close':
          this.#later.push(effect);
          break;
        case 'log':
          this.#log(effect);
          break;
      }
    }
  }

  /** Installs what waits for it, and what comes of that; but not session `next`, which is about to change again. */
  #installPending(now: Instant, next: string | null = null): void {
    const { refused, takeBack, machine } = this.#options;
    while (this.#pending !== null && this.#pending.session.name !== next) {
      const { session, told } = this.#pending;
      this.#pending = null;
      if (this.#install(session)) continue;
      for (const index of told) {
        const effect = this.#later[index] as Send;
        this.#later[index] = { ...effect, message: refused(session, effect.message) };
      }
      this.#carryOut(machine.handle(takeBack(session), now), now);
    }
  }

  #install(session: TunnelSession): boolean {
    try {
      this.#options.installer.install(session);
      this.#options.installed?.(session);
      return true;
    } catch (error) {
      // What the data plane says, such as TOO_MANY_SESSIONS or a socket that cannot be bound; the rest are faults of ours.
      const { message } = error as Error;
      const why = error instanceof TunloomError ? { code: error.code } : { err: error };
      this.#options.log.error({ event: 'sessionRefused', session: session.name, ...why }, message);
      this.#options.events.tell({ event: 'log', level: 'error', text: message, node: session.node });
      return false;
    }
  }

  #finish(now: Instant): void {
    const { host, log, access, close } = this.#options;
    this.#installPending(now);
    try {
      host.flush();
    } catch (error) {
      log.error({ event: 'routesRefused' }, (error as Error).message);
    }
    for (const effect of this.#later.splice(0)) {
      if (effect.effect === 'send') this.#send(effect);
      else if (effect.effect === 'grant') access?.grant(effect.grant);
      else if (effect.effect === 'close') close?.(effect.interface);
      else access?.withdraw(effect.node);
    }
    this.#arm();
  }

  #send({ message, from, to, interface: device }: Send): void {
    const { signaling, socketFor, events, log } = this.#options;
    const socket = socketFor(from, device);
    if (socket === null) {
      log.debug({ event: 'unsent', message: messageName(message), interface: device, peer: to.address });
      return;
    }
    if (events.heard) this.#tell('out', message, from, to);
    try {
      signaling.send(message, from, to, socket, Date.now());
    } catch (error) {
      // Whatever it is, such as no route or a message too long for its authentication: the others have to go out.
      log.warn(
        { event: 'unsent', message: messageName(message), peer: to.address },
        (error as Error).message,
      );
    }
  }

  #log({ level, text, node, peer }: Extract<Effect, { readonly effect: 'log' }>): void {
    this.#options.log[level]({ node, peer }, text);
    this.#options.events.tell({ event: 'log', level, text, node, peer });
  }

  #tell(direction: 'in' | 'out', message: Message, local: Endpoint, remote: Endpoint): void {
    const identity = findOption(message.options, 'mn-identifier');
    this.#options.events.tell({
      event: 'message',
      direction,
      message: messageName(message),
      local: local.address,
      remote: remote.address,
      node: identity ? identifierText(identity) : null,
      bid: findOption(message.options, 'mag-multipath-binding')?.bid ?? null,
      status: message.message === 'binding-ack' ? message.status : null,
      text: summarizeMessage(message),
    });
  }

  #arm(): void {
    if (this.#stopped) return;
    const deadline = this.#options.machine.nextDeadline();
    if (deadline === this.#deadline && this.#timer) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#deadline = deadline;
    if (deadline === null) {
      this.#timer = null;
      return;
    }
    const wait = Math.min(Math.max(0, Math.ceil(deadline - performance.now())), LONGEST_TIMEOUT_MS);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.handle({ event: 'tick' });
    }, wait);
  }
}
