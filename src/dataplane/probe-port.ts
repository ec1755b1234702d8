/**
 * Probes of a data plane: sends them by the paths' own sockets, and hands over those that the workers have left (docs/probes.md). It knows
 * nothing of what is in them.
 */
import * as L from '../../assembly/layout.ts';
import { untilChanged } from '../until-changed.ts';
import { ArrivalClock } from './arrival-clock.ts';
import { readPathCounters } from './counters.ts';
import type { EndpointRegistry } from './endpoints.ts';
import type { InstalledPath } from './installed-session.ts';
import type { DataplaneMemory } from './memory.ts';
import { type ProbePacket, buildProbePacket, uncountedOctets } from './probe-packet.ts';
import { takeProbes } from './probe-notes.ts';
import type { PathTraffic, ProbeListener, ReceivedProbe } from './probed-paths.ts';
import type { SessionStore } from './session-store.ts';

/** Where workers tell of probes that have come, as an index of words. */
const PROBED = (L.CONTROL + L.CONTROL_PROBED) / 4;

export class ProbePort {
  readonly #memory: DataplaneMemory;
  readonly #sessions: SessionStore;
  readonly #endpoints: EndpointRegistry;
  readonly #packets = new WeakMap<InstalledPath, ProbePacket>();
  readonly #clock = new ArrivalClock();
  #listener: ProbeListener | null = null;

  constructor(memory: DataplaneMemory, sessions: SessionStore, endpoints: EndpointRegistry) {
    this.#memory = memory;
    this.#sessions = sessions;
    this.#endpoints = endpoints;
  }

  canProbe(session: string, bid: number): boolean {
    const path = this.#sessions.installed(session, bid);
    return this.#endpoints.canSend && path !== null && !path.spec.receiveOnly;
  }

  /** `octets`: of the whole outer packet, padded; undefined: no more than it needs. */
  send(session: string, bid: number, message: Uint8Array, octets?: number): boolean {
    const path = this.#sessions.installed(session, bid);
    if (!path) return false;
    let packet = octets === undefined ? this.#packets.get(path) : undefined;
    if (!packet) {
      const role = this.#memory.control(L.CONTROL_ROLE);
      const mode = this.#endpoints.mode(path.ends);
      packet = buildProbePacket(path.spec, this.#sessions.spec(session), role, mode, octets);
      if (octets === undefined) this.#packets.set(path, packet);
    }
    packet.fill(message);
    try {
      this.#endpoints.send(path.ends, packet.bytes, packet.sockaddr, packet.sockaddrLength);
      return true;
    } catch {
      // A probe that cannot be sent is one that is not answered, which is all that its path is judged by.
      return false;
    }
  }

  traffic(session: string, bid: number): PathTraffic | null {
    const path = this.#sessions.installed(session, bid);
    if (!path) return null;
    const { txPackets, txBytes, rxPackets, rxBytes } = readPathCounters(this.#memory, path.number);
    return { txPackets, txOctets: txBytes, rxPackets, rxOctets: rxBytes + rxPackets * this.#uncounted(path) };
  }

  /** The listener hears of probes as soon as this thread gets round to it, of all at once that have come by then. */
  listen(listener: ProbeListener): () => void {
    this.#listener = listener;
    void this.#watch(listener);
    return () => {
      if (this.#listener === listener) this.#listener = null;
      // Lets go of the memory.
      Atomics.notify(this.#memory.i32, PROBED);
    };
  }

  /** Hands over now what has come. */
  poll(): void {
    if (this.#listener) this.#takeAll(this.#listener);
  }

  async #watch(listener: ProbeListener): Promise<void> {
    while (this.#listener === listener) {
      const seen = Atomics.load(this.#memory.i32, PROBED);
      this.#takeAll(listener);
      await untilChanged(this.#memory.i32, PROBED, seen);
    }
  }

  #takeAll(listener: ProbeListener): void {
    const probes: ReceivedProbe[] = [];
    const workers = Array.from({ length: this.#memory.sizes.workers }, (_, worker) => worker);
    const notes = workers.flatMap((worker) => takeProbes(this.#memory, worker));
    if (notes.some(({ stampUs }) => stampUs)) this.#clock.look();
    for (const { path: number, packets, octets, message, ...times } of notes) {
      const owner = this.#sessions.ownerOf(number);
      const path = owner && this.#sessions.installed(owner.session, owner.bid);
      if (!path) continue;
      const arrivalUs = this.#clock.arrival(times);
      const all = octets + packets * this.#uncounted(path);
      probes.push({ ...owner, arrivalUs, packets, octets: all, message });
    }
    if (probes.length) listener(probes);
  }

  #uncounted({ ends }: InstalledPath): number {
    return uncountedOctets(this.#endpoints.mode(ends));
  }
}
