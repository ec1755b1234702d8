/**
 * When to send Router Advertisements to one mobile node: a pure state machine (RFC 4861 §6.2; RFC 5213 §6.8, 6.9). The link is
 * point-to-point to the node even where several share an interface: each has an advertiser of its own, and its advertisements go
 * to its link-layer address. Driven by access-interface.ts.
 */
import type { PrefixInformation } from './wire/router-advertisement.ts';

// RFC 4861 §10, in milliseconds.
const MAX_INITIAL_INTERVAL = 16_000;
const MAX_INITIAL_ADVERTISEMENTS = 3;
const MAX_FINAL_ADVERTISEMENTS = 3;
const MIN_DELAY_BETWEEN = 3000;
const MAX_ANSWER_DELAY = 500;
/** §6.2.1: MinRtrAdvInterval is a third of MaxRtrAdvInterval, which is 4 to 1800 s. */
const LEAST_INTERVAL = 4000;
/** AdvDefaultLifetime is three times MaxRtrAdvInterval. */
const LIFETIME_INTERVALS = 3;

/** What a node may be told: prefixes and until when (milliseconds of the clock that never jumps). */
export interface Advertised {
  readonly prefixes: readonly { readonly prefix: string; readonly onLink: boolean }[];
  readonly until: number;
}

/** Who sent a Router Solicitation: IPv6 and link-layer address. */
export interface Asker {
  readonly address: Uint8Array;
  readonly linkLayer: Uint8Array;
}

/** An advertisement to be sent: what depends on time. */
export interface DueAdvertisement {
  readonly routerLifetime: number;
  readonly prefixes: readonly PrefixInformation[];
  /** Who asked; null: to all nodes. */
  readonly to: Asker | null;
}

export interface AdvertiserSettings {
  /** MaxRtrAdvInterval at present, milliseconds. */
  readonly maxInterval: () => number;
  /** Equally distributed from 0 to 1. */
  readonly random: () => number;
}

export class Advertiser {
  readonly #settings: AdvertiserSettings;
  #current: Advertised | null = null;
  /** Prefixes that are no longer the node's, and how many more advertisements say so. */
  readonly #retired = new Map<string, { readonly onLink: boolean; left: number }>();
  /** Next unsolicited advertisement. */
  #nextAt: number | null = null;
  #initialLeft = 0;
  #answer: { readonly at: number; readonly to: Asker | null } | null = null;
  #lastToAll = -Infinity;

  constructor(settings: AdvertiserSettings) {
    this.#settings = settings;
  }

  /** Sets or refreshes what the node is told. New prefixes are told at once, a mere refresh with the next advertisement. */
  advertise(advertised: Advertised, now: number): void {
    const before = this.#current;
    this.#current = advertised;
    const names = new Set(advertised.prefixes.map(({ prefix }) => prefix));
    for (const { prefix, onLink } of before?.prefixes ?? []) {
      if (!names.has(prefix)) this.#retired.set(prefix, { onLink, left: MAX_FINAL_ADVERTISEMENTS });
    }
    for (const prefix of names) this.#retired.delete(prefix);
    const same =
      before !== null &&
      before.prefixes.length === names.size &&
      before.prefixes.every(({ prefix }) => names.has(prefix));
    if (!same) {
      this.#initialLeft = MAX_INITIAL_ADVERTISEMENTS;
      this.#nextAt = now;
    }
  }

  /** What is told besides prefixes has changed (MTU): the node hears of it as of new prefixes (RFC 4861 §6.2.4). */
  announce(now: number): void {
    if (!this.#current) return;
    this.#initialLeft = MAX_INITIAL_ADVERTISEMENTS;
    this.#nextAt = Math.min(this.#nextAt ?? Infinity, Math.max(now, this.#lastToAll + MIN_DELAY_BETWEEN));
  }

  /** Tells the node that nothing of it is good any more (lifetimes 0), up to three times. */
  withdraw(now: number): void {
    if (!this.#current) return;
    for (const { prefix, onLink } of this.#current.prefixes) {
      this.#retired.set(prefix, { onLink, left: MAX_FINAL_ADVERTISEMENTS });
    }
    this.#current = null;
    this.#answer = null;
    this.#initialLeft = 0;
    this.#nextAt = now;
  }

  /** The node asks, null: from the unspecified address. Until there is something to tell, nothing is answered: the first advertisement is the answer then. */
  solicit(asker: Asker | null, now: number): void {
    if (!this.#current) return;
    // §6.2.6: "delayed by a random time between 0 and MAX_RA_DELAY_TIME"; answers to all keep their distance.
    const delay = this.#settings.random() * MAX_ANSWER_DELAY;
    const at = asker ? now + delay : Math.max(now + delay, this.#lastToAll + MIN_DELAY_BETWEEN);
    // What is due anyway before that is the answer.
    if (this.#nextAt !== null && this.#nextAt <= at) return;
    if (this.#answer && this.#answer.at <= at) return;
    this.#answer = { at, to: asker };
  }

  /** Whether there is nothing to tell, and the last word of a withdrawal is out. */
  get idle(): boolean {
    return this.#current === null && this.#nextAt === null;
  }

  /** When tick() is wanted, null: never. */
  nextDeadline(): number | null {
    const next = Math.min(this.#nextAt ?? Infinity, this.#answer?.at ?? Infinity);
    return next === Infinity ? null : next;
  }

  /** What is due. */
  tick(now: number): DueAdvertisement[] {
    const due: DueAdvertisement[] = [];
    if (this.#nextAt !== null && this.#nextAt <= now) {
      due.push(this.#compose(null, now));
      this.#lastToAll = now;
      this.#answer = null;
      this.#nextAt = this.#schedule(now);
    }
    if (this.#answer && this.#answer.at <= now) {
      due.push(this.#compose(this.#answer.to, now));
      if (this.#answer.to === null) this.#lastToAll = now;
      this.#answer = null;
    }
    return due;
  }

  /** Time of the next unsolicited advertisement; null when the last of the withdrawal is out. */
  #schedule(now: number): number | null {
    if (!this.#current) return this.#retired.size ? now + MIN_DELAY_BETWEEN : null;
    const max = this.#maxInterval(now);
    const interval = max * (1 / 3 + (this.#settings.random() * 2) / 3);
    if (this.#initialLeft > 0) this.#initialLeft--;
    return now + (this.#initialLeft > 0 ? Math.min(interval, MAX_INITIAL_INTERVAL) : interval);
  }

  /** No longer than a third of what is left, so that two may be lost before a lifetime ends. */
  #maxInterval(now: number): number {
    const left = this.#current ? this.#current.until - now : 0;
    return Math.max(LEAST_INTERVAL, Math.min(this.#settings.maxInterval(), left / LIFETIME_INTERVALS));
  }

  #compose(to: Asker | null, now: number): DueAdvertisement {
    const seconds = this.#current ? Math.max(0, Math.floor((this.#current.until - now) / 1000)) : 0;
    const prefixes = (this.#current?.prefixes ?? []).map((prefix) => information(prefix, seconds));
    for (const [prefix, retired] of this.#retired) {
      prefixes.push(information({ prefix, onLink: retired.onLink }, 0));
      if (--retired.left === 0) this.#retired.delete(prefix);
    }
    const lifetime = (LIFETIME_INTERVALS * this.#maxInterval(now)) / 1000;
    return { routerLifetime: Math.min(seconds, Math.ceil(lifetime)), prefixes, to };
  }
}

/** Hosts configure themselves from prefixes of 64 bits only (RFC 4862 §5.5.3, RFC 4291 §2.5.1). */
function information(
  { prefix, onLink }: { readonly prefix: string; readonly onLink: boolean },
  seconds: number,
): PrefixInformation {
  const autonomous = prefix.endsWith('/64');
  return { prefix, onLink, autonomous, validLifetime: seconds, preferredLifetime: seconds };
}
