/** Heartbeats between each care-of address and the LMA (RFC 5847): a dead path, a restarted LMA. */
import { type Endpoint, endpointKey } from '../endpoint.ts';
import type { Heartbeat } from '../wire/message/heartbeat.ts';
import { findOption } from '../wire/options.ts';
import type { Anchor } from './anchors.ts';
import type { MagContext } from './context.ts';
import type { MagSession, Path } from './update-list.ts';
import { contact } from './wan-links.ts';

/** One care-of address and one LMA address with bindings between them. */
interface Beat {
  readonly careOf: Endpoint;
  readonly lma: Endpoint;
  readonly wan: string;
  sequence: number;
  /** When the interval began. */
  since: number;
  next: number;
  missing: number;
  /** A response has come at least once. */
  answered: boolean;
}

export class Heartbeats {
  private readonly context: MagContext;
  private readonly beats = new Map<string, Beat>();
  private readonly lost: (sessions: MagSession[], path: ((path: Path) => boolean) | null) => void;

  /** `lost`: the bindings of these sessions are void, those of the paths that `path` tells, or all. */
  constructor(
    context: MagContext,
    lost: (sessions: MagSession[], path: ((path: Path) => boolean) | null) => void,
  ) {
    this.context = context;
    this.lost = lost;
  }

  get size(): number {
    return this.beats.size;
  }

  nextDeadline(): number {
    let next = Infinity;
    for (const beat of this.beats.values()) next = Math.min(next, beat.next);
    return next;
  }

  /** The path has a binding: the two ends keep an eye on each other from now on. */
  watch(path: Path): void {
    const known = this.beats.get(beatKey(path.careOf!, path.lma!));
    // It is alive, whatever became of earlier heartbeats.
    if (known) known.missing = 0;
    else this.start(path);
  }

  private start({ careOf, lma, link }: Path): void {
    const heartbeat = this.context.anchors.of(lma!.address).heartbeat;
    if (!heartbeat) return;
    const { elapsed } = this.context.now;
    this.beats.set(beatKey(careOf!, lma!), {
      careOf: careOf!,
      lma: lma!,
      wan: link.config.name,
      sequence: this.context.config.random() >>> 0,
      since: elapsed,
      next: elapsed + heartbeat.interval,
      missing: 0,
      answered: false,
    });
  }

  /** Another configuration: the interval may be shorter, or heartbeats wanted that were not. */
  reconfigure(): void {
    const { elapsed } = this.context.now;
    for (const beat of this.beats.values()) {
      const { heartbeat } = this.context.anchors.of(beat.lma.address);
      if (heartbeat) beat.next = Math.min(beat.next, elapsed + heartbeat.interval);
    }
    for (const { paths } of this.context.list.all()) {
      for (const path of paths) {
        if (path.active && !this.beats.has(beatKey(path.careOf!, path.lma!))) this.start(path);
      }
    }
  }

  tick(): void {
    const { elapsed } = this.context.now;
    for (const [key, beat] of this.beats) if (beat.next <= elapsed) this.due(key, beat, elapsed);
  }

  message(message: Heartbeat, from: Endpoint, to: Endpoint): void {
    const anchor = this.context.anchors.find(from.address);
    if (!anchor) return this.context.ignore('untrusted', from);
    anchor.knowsHeartbeats = true;
    if (!message.response) {
      // A request MUST be answered, whoever is bound (§3.2).
      const options = [{ option: 'restart-counter', counter: this.context.config.restartCounter } as const];
      const { sequence } = message;
      this.context.send(
        { message: 'heartbeat', response: true, unsolicited: false, sequence, options },
        to,
        from,
        null,
      );
      return;
    }
    if (!message.unsolicited) {
      const beat = this.beats.get(beatKey(to, from));
      if (!beat || beat.sequence !== message.sequence) return this.context.ignore('heartbeat-sequence', from);
      const { heartbeat } = anchor;
      beat.missing = 0;
      beat.answered = true;
      beat.next = Math.max(this.context.now.elapsed, beat.since) + (heartbeat?.interval ?? 0);
    }
    const counter = findOption(message.options, 'restart-counter')?.counter;
    if (counter === undefined || counter === anchor.restartCounter) return;
    const first = anchor.restartCounter === null;
    anchor.restartCounter = counter;
    if (!first) this.restarted(anchor);
  }

  /** Binding Error of status 2: it MUST NOT be sent heartbeats again (§3.3). */
  notKnown(from: Endpoint): void {
    const anchor = this.context.anchors.find(from.address);
    if (!anchor) return;
    anchor.knowsHeartbeats = false;
    for (const [key, beat] of this.beats) if (beat.lma.address === from.address) this.beats.delete(key);
  }

  private due(key: string, beat: Beat, elapsed: number): void {
    const anchor = this.context.anchors.of(beat.lma.address);
    const { heartbeat } = anchor;
    const uses = usesBeat(beat);
    const link = this.context.links.named(beat.wan);
    // Where bindings have gone over to the other IP version, an answer brings them back.
    const failed = link !== undefined && contact(link, beat.lma.address).failed;
    // Only while there is a binding with the peer (§3.1).
    if (
      !heartbeat ||
      anchor.knowsHeartbeats === false ||
      (!failed && !some(this.context.list.all(), (session) => session.paths.some(uses)))
    ) {
      this.beats.delete(key);
      return;
    }
    if (anchor.knowsHeartbeats === null) {
      beat.next = elapsed + heartbeat.interval;
      return;
    }
    // More than allowed: the fourth by default (§3.1).
    if (beat.missing > heartbeat.missingAllowed && !failed) {
      this.beats.delete(key);
      if (!beat.answered) {
        anchor.knowsHeartbeats = anchor.restartCounter === null ? false : anchor.knowsHeartbeats;
        if (!anchor.knowsHeartbeats) return;
      }
      this.context.log('warn', `LMA answers no heartbeats over ${beat.wan}`, undefined, beat.lma.address);
      this.lost(
        [...this.context.list.all()].filter((session) => session.paths.some(uses)),
        uses,
      );
      return;
    }
    if (beat.missing === 0) beat.since = elapsed;
    beat.missing += 1;
    beat.sequence = (beat.sequence + 1) >>> 0;
    beat.next = elapsed + (heartbeat.retransmissionDelay || heartbeat.interval);
    const { sequence, careOf, lma, wan } = beat;
    this.context.send(
      { message: 'heartbeat', response: false, unsolicited: false, sequence, options: [] },
      careOf,
      lma,
      wan,
    );
  }

  private restarted(anchor: Anchor): void {
    this.context.log('warn', 'LMA has restarted without its bindings', undefined, anchor.address);
    anchor.restarted(this.context.now.elapsed);
    const { address } = anchor;
    const bound = [...this.context.list.all()].filter(({ paths }) =>
      paths.some(({ lma }) => lma?.address === address),
    );
    this.lost(bound, null);
  }
}

function usesBeat({ careOf, lma }: Beat): (path: Path) => boolean {
  return (path) =>
    path.active && path.careOf?.address === careOf.address && path.lma?.address === lma.address;
}

function beatKey(careOf: Endpoint, lma: Endpoint): string {
  return `${endpointKey(careOf)}>${endpointKey(lma)}`;
}

function some<T>(items: Iterable<T>, test: (item: T) => boolean): boolean {
  for (const item of items) if (test(item)) return true;
  return false;
}
