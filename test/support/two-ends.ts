/** Two path monitors with modelled links between them, under virtual time: delay, loss, a rate with a queue, and data that flows. */
import type { PathId, MonitorEffect } from '../../src/paths/path-monitor.ts';
import { PathMonitor } from '../../src/paths/path-monitor.ts';
import type { HealthConfig } from '../../src/paths/path-health.ts';
import type { TrafficCounts } from '../../src/paths/probe.ts';

export interface Link {
  delayUs: number;
  loss: number;
  /** Bits a second. */
  rate: number;
  queueOctets: number;
  /** False: everything is lost. */
  alive: boolean;
  /** What is larger is lost. */
  mtu: number;
}

interface End {
  readonly monitor: PathMonitor;
  readonly counts: Map<number, { -readonly [K in keyof TrafficCounts]: TrafficCounts[K] }>;
  /** How much later than decided its thread sends a probe. */
  lateUs: number;
  /** Added to this end's clock. */
  readonly clockUs: number;
  /** What the last probe that was answered has found, by BID. */
  readonly queues: Map<number, number>;
  /** What padded probes have found out, in order. */
  readonly mtus: (number | null)[];
  readonly log: (Extract<MonitorEffect, { effect: 'state' }> & { at: number })[];
}

const SESSION = 'mn1';
const PROBE = 120;

export class TwoEnds {
  now = 0;
  readonly ends: readonly [End, End];
  /** By direction of sending end, then BID. */
  readonly links: readonly [Map<number, Link>, Map<number, Link>] = [new Map(), new Map()];
  readonly #free: [Map<number, number>, Map<number, number>] = [new Map(), new Map()];
  readonly #events: { at: number; order: number; run: () => void }[] = [];
  #order = 0;
  #random: number;

  constructor(bids: readonly number[], config: Partial<HealthConfig> = {}, seed = 1) {
    this.#random = seed;
    const end = (clockUs: number, follows: boolean): End => ({
      monitor: new PathMonitor(config, follows),
      counts: new Map(bids.map((bid) => [bid, { txPackets: 0, txOctets: 0, rxPackets: 0, rxOctets: 0 }])),
      clockUs,
      queues: new Map(),
      mtus: [],
      lateUs: 0,
      log: [],
    });
    this.ends = [end(5e9, false), end(123_456_789, true)];
    const paths = bids.map((bid) => ({ session: SESSION, bid, mtu: 1500 }));
    this.ends.forEach((each, side) => {
      each.monitor.setPaths(paths, each.clockUs);
      for (const bid of bids) {
        this.links[side]!.set(bid, {
          delayUs: 10_000,
          loss: 0,
          rate: 1e8,
          queueOctets: 100_000,
          alive: true,
          mtu: 1500,
        });
      }
    });
  }

  both(bid: number, change: Partial<Link>): void {
    for (const links of this.links) Object.assign(links.get(bid)!, change);
  }

  paths(side: 0 | 1) {
    return this.ends[side].monitor.session(SESSION);
  }

  /** Sends data of `octets` from end `side` now. */
  data(side: 0 | 1, bid: number, octets: number): void {
    const counts = this.ends[side].counts.get(bid)!;
    counts.txPackets++;
    counts.txOctets += octets;
    this.#transmit(side, bid, octets, () => {
      const there = this.ends[1 - side]!.counts.get(bid)!;
      there.rxPackets++;
      there.rxOctets += octets;
    });
  }

  /** Lets time pass; `each` is called every millisecond. */
  run(forUs: number, each: () => void = () => {}): void {
    const end = this.now + forUs;
    for (let at = this.now; at < end; at += 1000) {
      this.#upTo(at);
      each();
      if (at % 10_000 < 1000) this.#tick();
    }
    this.#upTo(end);
  }

  #upTo(at: number): void {
    for (;;) {
      let next = -1;
      this.#events.forEach((event, i) => {
        const best = this.#events[next];
        if (
          event.at <= at &&
          (!best || event.at < best.at || (event.at === best.at && event.order < best.order))
        )
          next = i;
      });
      if (next < 0) break;
      const [event] = this.#events.splice(next, 1);
      this.now = event!.at;
      event!.run();
    }
    this.now = at;
  }

  #tick(): void {
    for (const side of [0, 1] as const) {
      const { monitor, clockUs } = this.ends[side];
      this.#apply(
        side,
        monitor.tick(this.now + clockUs, (path) => this.#countsOf(side, path)),
      );
    }
  }

  #countsOf(side: 0 | 1, { bid }: PathId): TrafficCounts {
    return { ...this.ends[side].counts.get(bid)! };
  }

  #apply(side: 0 | 1, effects: readonly MonitorEffect[]): void {
    for (const effect of effects) {
      if (effect.effect === 'state') {
        this.ends[side].log.push({ ...effect, at: this.now });
        continue;
      }
      if (effect.effect === 'queue') {
        this.ends[side].queues.set(effect.bid, effect.queueUs);
        continue;
      }
      if (effect.effect === 'mtu') {
        this.ends[side].mtus.push(effect.octets);
        continue;
      }
      if (effect.effect === 'renumbered') continue;
      const { lateUs } = this.ends[side];
      const leave = (): void => this.#leave(side, effect);
      if (lateUs)
        this.#events.push({ at: this.now + this.#draw() * lateUs, order: this.#order++, run: leave });
      else leave();
    }
  }

  #leave(side: 0 | 1, effect: Extract<MonitorEffect, { effect: 'send' }>): void {
    const other = (1 - side) as 0 | 1;
    const { monitor, clockUs } = this.ends[side];
    monitor.leaves(effect, this.now + clockUs);
    this.#transmit(side, effect.bid, effect.octets ?? PROBE, () => {
      const { monitor, clockUs, counts } = this.ends[other];
      const { rxPackets: packets, rxOctets: octets } = counts.get(effect.bid)!;
      const arrivalUs = Math.round(this.now + clockUs);
      this.#apply(
        other,
        monitor.receive({ ...effect, arrivalUs, packets, octets }, arrivalUs, (path) =>
          this.#countsOf(other, path),
        ),
      );
      if (monitor.followProbes(this.now + clockUs)) this.#tick();
    });
  }

  #transmit(side: 0 | 1, bid: number, octets: number, arrive: () => void): void {
    const link = this.links[side].get(bid)!;
    const free = Math.max(this.#free[side].get(bid) ?? 0, this.now);
    if (((free - this.now) * link.rate) / 8e6 + octets > link.queueOctets) return;
    const sent = free + (octets * 8e6) / link.rate;
    this.#free[side].set(bid, sent);
    if (!link.alive || octets > link.mtu || this.#draw() < link.loss) return;
    this.#events.push({ at: sent + link.delayUs, order: this.#order++, run: arrive });
  }

  /** mulberry32. */
  #draw(): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
}
