/**
 * `tunloom dataplane --observe`: taps on interfaces, the observer (src/pmipv6/observer), and the data plane that follows it.
 * A foreign MAG or LMA daemon does the signaling; nothing is sent here.
 */
import type { Logger } from 'pino';
import { signalingPacketOf } from '../capture/signaling-packet.ts';
import type { ObserveConfig } from '../config/schema.ts';
import type { SignalingControl } from '../control/signaling-routes.ts';
import type { BindingStatus, SignalingStatus } from '../control/signaling-status.ts';
import { TunloomError } from '../errors.ts';
import { Readiness } from '../net/readiness.ts';
import { SignalingTap, type TappedPacket } from '../net/signaling-tap.ts';
import type { Effect } from '../pmipv6/effect.ts';
import { PLAIN_BID } from '../pmipv6/lma/binding-cache.ts';
import { OBSERVER_DEFAULTS } from '../pmipv6/observer/config.ts';
import type { ObservedSession } from '../pmipv6/observer/observed-sessions.ts';
import { Observer } from '../pmipv6/observer/observer.ts';
import { DecodeError, decodeMessage } from '../pmipv6/wire/mobility-header.ts';
import type { EventHub } from './event-hub.ts';
import type { HostDataplane } from './host-dataplane.ts';
import { clock } from './machine-runner.ts';
import { SessionInstaller } from './session-installer.ts';

export interface SignalingObserverOptions {
  readonly role: 'mag' | 'lma';
  readonly config: ObserveConfig;
  readonly namespace: string | null;
  readonly host: HostDataplane;
  readonly events: EventHub;
  readonly log: Logger;
}

/** setTimeout() takes no longer ones. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

export class SignalingObserver implements SignalingControl {
  readonly installer: SessionInstaller;
  readonly #options: SignalingObserverOptions;
  readonly #observer: Observer;
  readonly #readiness = new Readiness();
  readonly #taps: SignalingTap[] = [];
  readonly #unreadable = new Map<string, number>();
  /** Sessions that the data plane has refused; it is told again when they change. */
  #refused = 0;
  #timer: NodeJS.Timeout | null = null;
  #flushing = false;

  /** Throws NO_INTERFACE, SYSTEM_CALL. */
  static async start(options: SignalingObserverOptions): Promise<SignalingObserver> {
    const observer = new SignalingObserver(options);
    try {
      for (const device of options.config.interfaces) {
        observer.#taps.push(
          new SignalingTap(options.namespace, device, observer.#readiness, (packet) =>
            observer.#receive(packet),
          ),
        );
      }
      return observer;
    } catch (error) {
      await observer.stop();
      throw error;
    }
  }

  private constructor(options: SignalingObserverOptions) {
    this.#options = options;
    const { role, config, host, events } = options;
    const direction = role === 'lma' ? 'downlink' : 'uplink';
    this.installer = new SessionInstaller(host, direction, events, config.weights, config.tunnels);
    this.#observer = new Observer({
      ...OBSERVER_DEFAULTS,
      role,
      trust: config.mirrored ? 'wire' : 'host',
      lmas: config.lmas,
      mags: config.mags,
      vendor: config.vendor,
    });
  }

  async stop(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    for (const tap of this.#taps.splice(0)) tap.close();
    await this.#readiness.stop();
  }

  bindings(): BindingStatus[] {
    const now = clock().elapsed;
    return [...this.#observer.sessions()].map((session) => this.#status(session, now));
  }

  binding(name: string): BindingStatus {
    const found = this.bindings().find(({ session }) => session === name);
    if (!found) throw new TunloomError('UNKNOWN_SESSION', `no session "${name}" was observed`);
    return found;
  }

  signaling(): SignalingStatus {
    const { seen, accepted, refused, ignored } = this.#observer.statistics();
    return {
      role: this.#options.role,
      restartCounter: 0,
      received: seen,
      sent: {},
      refused: {
        ...Object.fromEntries(this.#unreadable),
        ...(this.#refused ? { 'data-plane': this.#refused } : {}),
      },
      unsent: 0,
      overflow: this.#taps.reduce((sum, tap) => sum + tap.drops, 0),
      answered: { ...(accepted ? { accepted } : {}), ...refused },
      ignored,
    };
  }

  clearWeights(session: string): void {
    this.installer.clearWeights(session);
  }

  #receive({ data, outgoing }: TappedPacket): void {
    const packet = signalingPacketOf(data);
    if (!packet) return;
    const { octets, from, to } = packet;
    try {
      // What leaves may get its checksum from the hardware after us.
      const message = decodeMessage(octets, outgoing ? undefined : packet.pseudoHeader);
      this.#carryOut(this.#observer.handle({ event: 'message', message, from, to, outgoing }, clock()));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#unreadable.set(error.code, (this.#unreadable.get(error.code) ?? 0) + 1);
    }
  }

  #carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.effect === 'install') {
        try {
          this.installer.install(effect.session);
        } catch (error) {
          if (!(error instanceof TunloomError)) throw error;
          const { code, message } = error;
          this.#refused++;
          // What was there under that name is not what was agreed on any more.
          this.installer.remove(effect.session.name);
          this.#options.log.error({ event: 'sessionRefused', session: effect.session.name, code }, message);
        }
      } else if (effect.effect === 'remove') {
        this.installer.remove(effect.session);
      } else if (effect.effect === 'log') {
        const { level, text, node, peer } = effect;
        this.#options.log[level]({ node, peer }, text);
        this.#options.events.tell({ event: 'log', level, text, node, peer });
      }
    }
    this.#flushSoon();
    this.#arm();
  }

  /** Routes of all messages that were read at once, in one batch. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      try {
        this.#options.host.flush();
      } catch (error) {
        this.#options.log.error({ event: 'routesRefused' }, (error as Error).message);
      }
    });
  }

  #arm(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const deadline = this.#observer.nextDeadline();
    if (deadline === null || !this.#taps.length) return;
    const wait = Math.min(Math.max(0, Math.ceil(deadline - clock().elapsed)), LONGEST_TIMEOUT_MS);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#carryOut(this.#observer.handle({ event: 'tick' }, clock()));
    }, wait);
  }

  #status(session: ObservedSession, now: number): BindingStatus {
    const { role } = this.#options;
    const weights = this.installer.weights(session.name);
    return {
      session: session.name,
      node: session.node,
      peer: session.magIdentity,
      state: this.installer.has(session.name) ? 'active' : 'refused',
      prefixes: session.homePrefixes,
      homeAddress: session.homeAddress,
      delegated: session.delegated,
      multipath: session.magIdentity !== null,
      weightsFrom: weights?.source ?? null,
      paths: [...session.bindings.values()]
        .map((binding) => {
          const bid = binding.bid === PLAIN_BID ? 1 : binding.bid;
          const ends = [binding.anchor, binding.careOf] as const;
          return {
            bid,
            state: 'active',
            local: role === 'lma' ? ends[0] : ends[1],
            remote: role === 'lma' ? ends[1] : ends[0],
            port: null,
            encapsulation: binding.encapsulation,
            technology: binding.technology,
            label: binding.label,
            interface: null,
            metrics: binding.metrics,
            weight: weights?.weights.get(bid) ?? null,
            expiresInSeconds: Math.round((binding.expires - now) / 1000),
          };
        })
        .sort((a, b) => a.bid - b.bid),
    };
  }
}
