/** What the MAG remembers of each LMA address: what it can do (RFC 8278 §3.2), its timers (RFC 8127), its Restart Counter. */
import type { LmaControlledMagParameters } from '../wire/option/lma-controlled-mag-parameters.ts';
import type { MagConfig } from './config.ts';
import { Pace } from './pace.ts';

/** Revocations whose repetitions are recognised. */
const REMEMBERED_REVOCATIONS = 64;

export interface AnchorTimers {
  /** Milliseconds, all. */
  refreshBefore: number;
  firstTimeout: number;
  maxTimeout: number;
}

export class Anchor {
  readonly address: string;
  /** It has answered with a MAG Multipath Binding option. */
  multipath = false;
  /** It has accepted a registration without the GRE key that was asked for: it does not know the option (RFC 5845 §3.2). */
  ignoresGre = false;
  /** It answers heartbeats, as far as we know; null: nobody knows. */
  knowsHeartbeats: boolean | null = null;
  restartCounter: number | null = null;
  timers!: AnchorTimers;
  heartbeat!: { interval: number; retransmissionDelay: number; missingAllowed: number } | null;
  pace: Pace;
  /** When it was last heard over any interface; elapsed milliseconds. */
  heard = -Infinity;
  /** It has told us timers of its own, or those of heartbeats. */
  private readonly controls = { registration: false, heartbeat: false };
  /** Sequence numbers of revocations and how they were answered. */
  readonly revocations = new Map<number, number>();

  constructor(address: string, config: MagConfig) {
    this.address = address;
    this.pace = new Pace(config.maxUpdatesPerLma);
    this.configure(config);
  }

  /** Our own values, from now on. */
  configure(config: MagConfig): void {
    if (this.pace.perSecond !== config.maxUpdatesPerLma) this.pace = new Pace(config.maxUpdatesPerLma);
    if (!this.controls.registration) {
      const { refreshBefore, firstTimeout, maxTimeout } = config;
      this.timers = { refreshBefore: refreshBefore * 1000, firstTimeout, maxTimeout };
    }
    if (this.controls.heartbeat) return;
    this.heartbeat = config.heartbeat && {
      interval: config.heartbeat.intervalSeconds * 1000,
      retransmissionDelay: 0,
      missingAllowed: config.heartbeat.missingAllowed,
    };
  }

  /** The LMA's parameters go before ours (RFC 8127 §3). */
  control({ registration, heartbeat }: LmaControlledMagParameters): void {
    if (registration) {
      this.controls.registration = true;
      this.timers.refreshBefore = registration.start * 4000;
      this.timers.firstTimeout = registration.firstRetransmission * 1000;
      this.timers.maxTimeout =
        Math.max(registration.maximumRetransmission, registration.firstRetransmission) * 1000;
    }
    if (heartbeat) {
      this.controls.heartbeat = true;
      this.knowsHeartbeats = true;
      this.heartbeat = {
        interval: heartbeat.interval * 1000,
        retransmissionDelay: heartbeat.retransmissionDelay * 1000,
        missingAllowed: heartbeat.maximumRetransmissions,
      };
    }
  }

  /** It has lost its state; it may even be another program by now. All PBUs to it are written anew. `now`: elapsed milliseconds. */
  restarted(now: number): void {
    this.pace.release(now);
    this.multipath = false;
    this.ignoresGre = false;
    this.revocations.clear();
  }

  rememberRevocation(sequence: number, status: number): void {
    this.revocations.delete(sequence);
    this.revocations.set(sequence, status);
    if (this.revocations.size > REMEMBERED_REVOCATIONS) {
      this.revocations.delete(this.revocations.keys().next().value!);
    }
  }
}

export class Anchors {
  private readonly byAddress = new Map<string, Anchor>();
  private config: MagConfig;

  /** Addresses of the configuration alone: what others say is no LMA's word. */
  constructor(config: MagConfig) {
    this.config = config;
    for (const address of addressesOf(config)) this.of(address);
  }

  /** Goes over to another configuration. Addresses that it does not have stay known until forget(). */
  configure(config: MagConfig): void {
    this.config = config;
    for (const anchor of this.byAddress.values()) anchor.configure(config);
    for (const address of addressesOf(config)) this.of(address);
  }

  /** Forgets addresses that are neither configured nor `inUse`; false: some have to stay. */
  forget(inUse: ReadonlySet<string>): boolean {
    const configured = new Set(addressesOf(this.config));
    const others = [...this.byAddress.keys()].filter((address) => !configured.has(address));
    for (const address of others) if (!inUse.has(address)) this.byAddress.delete(address);
    return others.every((address) => !inUse.has(address));
  }

  of(address: string): Anchor {
    let anchor = this.byAddress.get(address);
    if (!anchor) this.byAddress.set(address, (anchor = new Anchor(address, this.config)));
    return anchor;
  }

  find(address: string): Anchor | undefined {
    return this.byAddress.get(address);
  }
}

function addressesOf(config: MagConfig): string[] {
  const lmas = [config, ...config.logicalNodes, ...config.nodes].map(({ lma }) => lma);
  return lmas.flatMap((lma) => [lma?.ipv6, lma?.ipv4].filter((address) => typeof address === 'string'));
}
