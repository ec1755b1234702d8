/**
 * The slow twins of the schedulers: each algorithm written down once more from its description, with plain objects and numbers, for one
 * thread. Times are nanoseconds, lengths octets. test/property/schedulers.test.ts makes the hot path agree with them.
 */
import { buildSchedule } from '../../src/dataplane/schedule-table.ts';

export interface TwinPath {
  readonly bid: number;
  readonly weight: number;
  /** Octets of outer headers. */
  readonly header: number;
  readonly delay: number;
  readonly jitter: number;
  /** Nanoseconds an octet, in 1/256; 0: not known. */
  readonly octetTime: number;
  /** Token buckets: 1/64 octet a millisecond, and 1/64 octet. */
  readonly rate: number;
  readonly burst: number;
}

export interface TwinParameters {
  readonly queue: number;
  readonly window: number;
  readonly gapTicks: number;
  readonly seed: bigint;
}

const LONGEST_QUEUE = 500e6;

/** What all twins share: paths with a queue of their own, and the weighted schedule. */
abstract class Twin {
  readonly paths: readonly TwinPath[];
  readonly parameters: TwinParameters;
  readonly free: number[];
  ticket = 0;
  readonly schedule: Uint8Array;

  constructor(paths: readonly TwinPath[], parameters: TwinParameters) {
    this.paths = paths;
    this.parameters = parameters;
    this.free = paths.map(() => 0);
    this.schedule = buildSchedule(paths.map(({ weight }) => weight));
  }

  protected abstract choose(length: number, now: number, flow: bigint): number;

  /** The path for the packet, which is then in that path's queue. */
  pick(length: number, now: number, flow: bigint): number {
    const i = this.paths.length === 1 ? 0 : this.choose(length, now, flow);
    if (this.paths[i]!.octetTime) {
      this.free[i] = now + this.queue(i, now) + this.sending(i, length + this.paths[i]!.header);
    }
    return i;
  }

  protected queue(i: number, now: number): number {
    return Math.min(Math.max(this.free[i]! - now, 0), LONGEST_QUEUE);
  }

  protected sending(i: number, length: number): number {
    return Math.floor((length * this.paths[i]!.octetTime) / 256);
  }

  protected byTable(): number {
    return this.schedule.length > 1 ? this.schedule[this.ticket++ % this.schedule.length]! : 0;
  }

  protected lowest(cost: (path: TwinPath, i: number) => number, among = this.paths.map((_, i) => i)): number {
    return among.reduce((best, i) => (cost(this.paths[i]!, i) < cost(this.paths[best]!, best) ? i : best));
  }
}

class Table extends Twin {
  protected choose(): number {
    return this.byTable();
  }
}

class Deficit extends Twin {
  readonly account = this.paths.map(() => 0);
  turn = 0;

  protected choose(length: number): number {
    const lightest = Math.min(...this.paths.map(({ weight }) => weight));
    while (this.account[this.turn]! <= 0) {
      this.turn = (this.turn + 1) % this.paths.length;
      this.account[this.turn]! += Math.round((1500 * this.paths[this.turn]!.weight) / lightest);
    }
    this.account[this.turn]! -= length;
    return this.turn;
  }
}

class Lottery extends Twin {
  protected choose(): number {
    const mask = (1n << 64n) - 1n;
    let x = (this.parameters.seed + BigInt(this.ticket++) * 0x9e3779b97f4a7c15n) & mask;
    x = ((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & mask;
    x ^= x >> 31n;
    return this.schedule[Number(((x >> 32n) * BigInt(this.schedule.length)) >> 32n)]!;
  }
}

class Flowlet extends Twin {
  readonly last = new Map<bigint, { tick: number; path: number }>();

  protected choose(_length: number, now: number, flow: bigint): number {
    const tick = Math.floor(now / 1000 / 32);
    const before = this.last.get(flow);
    const stays = before && tick - before.tick <= this.parameters.gapTicks;
    const path = stays ? before.path : this.byTable();
    this.last.set(flow, { tick, path });
    return path;
  }
}

class LowestDelay extends Twin {
  protected choose(_length: number, now: number): number {
    const delay = (path: TwinPath): number => path.delay || 0xffff_ffff * 1000;
    const all = this.paths.map((_, i) => i);
    const roomy = all.filter((i) => this.queue(i, now) <= this.parameters.queue);
    if (roomy.length) return this.lowest(delay, roomy);
    return this.lowest((path, i) => delay(path) + this.queue(i, now), all);
  }
}

class Earliest extends Twin {
  protected choose(length: number, now: number): number {
    if (this.paths.some(({ octetTime, delay }) => !octetTime && !delay)) return this.byTable();
    return this.lowest((path, i) => this.queue(i, now) + this.sending(i, length + path.header) + path.delay);
  }
}

/** RFC 2697 §3, colour-blind, refilled when at least 100 microseconds have passed. */
class Overflow extends Twin {
  readonly buckets = this.paths.map(({ burst }) => ({ c: burst, e: burst, filled: 0 }));

  protected choose(length: number, now: number): number {
    const nowUs = now / 1000;
    const last = this.paths.length - 1;
    for (let i = 0; i < last; i++) {
      const { rate, burst } = this.paths[i]!;
      if (!rate) return i;
      const bucket = this.buckets[i]!;
      if (nowUs >= bucket.filled + 100) {
        const fresh = Math.floor((Math.min(nowUs - bucket.filled, 2 ** 30) * rate) / 1000);
        bucket.filled = nowUs;
        const over = Math.max(bucket.c + fresh - burst, 0);
        bucket.c = Math.min(bucket.c + fresh, burst);
        bucket.e = Math.min(bucket.e + over, burst);
      }
      const size = (length + this.paths[i]!.header) * 64;
      if (bucket.c >= size) {
        bucket.c -= size;
        return i;
      }
      if (bucket.e >= size) {
        bucket.e -= size;
        return i;
      }
    }
    return last;
  }
}

abstract class FastestFirst extends Twin {
  protected abstract weigh(fast: number, slow: number, length: number, now: number): number;
  protected roomAgain(): void {}

  protected choose(length: number, now: number): number {
    if (this.paths.some(({ octetTime, delay }) => !octetTime || !delay)) return this.byTable();
    const fast = this.lowest(({ delay }) => delay);
    const full = (i: number): boolean => this.queue(i, now) > this.parameters.queue;
    if (!full(fast)) {
      this.roomAgain();
      return fast;
    }
    const others = this.paths.map((_, i) => i).filter((i) => i !== fast && !full(i));
    if (!others.length) return fast;
    const slow = this.lowest((path, i) => path.delay + this.queue(i, now), others);
    return this.weigh(fast, slow, length, now);
  }
}

class Blest extends FastestFirst {
  protected weigh(fast: number, slow: number, length: number, now: number): number {
    const octets = (i: number, time: number): number => Math.floor((time * 256) / this.paths[i]!.octetTime);
    const { delay } = this.paths[slow]!;
    const meanwhile = Math.floor((octets(fast, 2 * delay + this.queue(slow, now)) * 307) / 256);
    const underway = octets(slow, delay + this.queue(slow, now)) + length;
    return meanwhile + underway > this.parameters.window * length ? fast : slow;
  }
}

class Ecf extends FastestFirst {
  waiting = false;

  protected override roomAgain(): void {
    this.waiting = false;
  }

  protected weigh(fast: number, slow: number, _length: number, now: number): number {
    const [f, s] = [this.paths[fast]!, this.paths[slow]!];
    const tripFast = 2 * f.delay;
    const tripSlow = 2 * s.delay;
    const delta = Math.max(f.jitter, s.jitter);
    const queue = this.queue(fast, now);
    const limit = tripSlow + delta;
    if (Math.max(queue, tripFast) + tripFast >= (this.waiting ? limit + Math.floor(limit / 4) : limit)) {
      this.waiting = false;
      return slow;
    }
    const onSlow = Math.floor((queue * s.octetTime) / f.octetTime);
    if (Math.max(onSlow, tripSlow) < 2 * tripFast + delta) return slow;
    this.waiting = true;
    return fast;
  }
}

export const TWINS = {
  weighted: Table,
  deficit: Deficit,
  random: Lottery,
  flowlet: Flowlet,
  'lowest-delay': LowestDelay,
  edpf: Earliest,
  overflow: Overflow,
  blest: Blest,
  ecf: Ecf,
  custom: Table,
} as const;
