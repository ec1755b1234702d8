/**
 * The sessions of a data plane: installs, changes and removes them while packets flow. Everything a worker can see is
 * written aside and published by one store; what it could still be reading is freed a grace period later.
 */
import * as L from '../../assembly/layout.ts';
import { TunloomError } from '../errors.ts';
import { NO_PATH_COUNTERS, readResequencer } from './counters.ts';
import { ClassifierCache } from './classifier-cache.ts';
import {
  DISTRIBUTION_DEFAULTS,
  type FlowName,
  type PathEstimates,
  type PathState,
} from './distribution-spec.ts';
import { compileDistribution } from './distribution-writer.ts';
import type { EndpointRegistry } from './endpoints.ts';
import { FlowPins } from './flow-pins.ts';
import type { GracePeriods } from './grace.ts';
import { LookupTables } from './lookup-tables.ts';
import type { DataplaneMemory } from './memory.ts';
import {
  type InstalledPath,
  type InstalledSession,
  isOfStranger,
  keptWaits,
  pathStatus,
  sameKeys,
  sameRecord,
  sameSchedule,
  utcMicroseconds,
  worseState,
} from './installed-session.ts';
import { moveEstimates, writeEstimates } from './path-estimates.ts';
import { PathMtus } from './path-mtus.ts';
import { PathInstaller } from './path-installer.ts';
import { type NextHop, mayGoByLink } from './path-links.ts';
import { isSequenced } from './path-template.ts';
import { type ConfigBlock, freeConfig, originOf, writeConfig, writeWaits } from './session-record.ts';
import { SessionRecords } from './session-records.ts';
import type { Numbering } from '../paths/probe.ts';
import type { WaitBounds } from '../paths/wait-bounds.ts';
import type { PathSpec, SessionSpec } from './session-spec.ts';
import type { SessionStatus } from './status.ts';
import type { Stranger } from './strangers.ts';
import type { HotPath } from './wasm.ts';
import type { XdpPaths } from './xdp-paths.ts';

const SCHEDULE_SHOWN = 64;

export class SessionStore {
  readonly #memory: DataplaneMemory;
  readonly #grace: GracePeriods;
  readonly #tables: LookupTables;
  readonly #paths: PathInstaller;
  readonly #classifiers: ClassifierCache;
  readonly #pins: FlowPins;
  readonly #mtus: PathMtus;
  readonly #sessions = new Map<string, InstalledSession>();
  readonly #records: SessionRecords;
  /** Records of paths that only receive, for a while. */
  readonly #leaving = new Set<number>();
  readonly #linger: ((letGo: () => void) => void) | null;

  /** `linger` calls back when what was sent by a path that has been given up must have come; null: such a path receives no more at once. */
  constructor(
    memory: DataplaneMemory,
    wasm: HotPath,
    grace: GracePeriods,
    endpoints: EndpointRegistry,
    linger: ((letGo: () => void) => void) | null = null,
  ) {
    this.#memory = memory;
    this.#linger = linger;
    this.#records = new SessionRecords(memory, wasm, grace);
    this.#mtus = new PathMtus(memory.sizes.bufferSize - L.BUFFER_PACKET);
    this.#grace = grace;
    this.#tables = new LookupTables(memory, wasm, grace);
    this.#paths = new PathInstaller(memory, grace, endpoints, this.#tables);
    this.#classifiers = new ClassifierCache(memory);
    this.#pins = new FlowPins(memory, wasm);
  }

  get size(): number {
    return this.#sessions.size;
  }

  get pathCount(): number {
    return [...this.#sessions.values()].reduce((sum, session) => sum + session.paths.length, 0);
  }

  has(name: string): boolean {
    return this.#sessions.has(name);
  }

  specs(): SessionSpec[] {
    return [...this.#sessions.values()].map((session) => session.spec);
  }

  spec(name: string): SessionSpec {
    return this.#get(name).spec;
  }

  /** Throws SESSION_EXISTS, PREFIX_IN_USE, KEY_IN_USE, BAD_WEIGHT, TOO_MANY_SESSIONS, or what opening sockets throws. */
  add(spec: SessionSpec): void {
    if (this.#sessions.has(spec.name)) {
      throw new TunloomError('SESSION_EXISTS', `session "${spec.name}" exists already`);
    }
    const index = this.#records.take(spec);
    const paths: InstalledPath[] = [];
    const prefixes: string[] = [];
    let config: ConfigBlock | undefined;
    try {
      const mayTake = (owner: number): boolean => this.#leaving.has(owner);
      for (const path of spec.paths)
        paths.push(this.#paths.install(index, spec, path, NO_PATH_COUNTERS, mayTake));
      config = this.#writeConfig(spec, paths, [], () => 0n);
      for (const prefix of spec.prefixes) {
        this.#tables.addPrefix(prefix, index + 1);
        prefixes.push(prefix);
      }
    } catch (error) {
      for (const prefix of prefixes) this.#tables.removePrefix(prefix);
      for (const path of paths) this.#paths.retire(path);
      const block = config;
      this.#grace.retire(() => {
        if (block) freeConfig(this.#memory, block);
        this.#records.release(index, spec);
      });
      throw error;
    }
    this.#records.publish(index, config);
    const sinceUs = utcMicroseconds();
    this.#sessions.set(spec.name, { index, sinceUs, spec, paths, leaving: [], config, waits: null });
    this.#memory.setControl(L.CONTROL_SESSION_COUNT, this.#sessions.size);
  }

  remove(name: string): void {
    const session = this.#get(name);
    this.#sessions.delete(name);
    this.#memory.setControl(L.CONTROL_SESSION_COUNT, this.#sessions.size);
    for (const prefix of session.spec.prefixes) this.#tables.removePrefix(prefix);
    this.#retireRecord(session.index, session.spec, session.config);
    for (const path of [...session.paths, ...session.leaving]) this.#retirePath(path);
    session.leaving = [];
  }

  /**
   * Goes over to `spec`, keeping the counters of paths that stay and, unless the window changes or the keys do, sequence numbers and window.
   * Other keys mean that the other end has begun anew, or is another one: so both sequence spaces do, too (RFC 2890 §2.2 counts by key).
   * Paths that are no longer there receive for a while longer: the far end may not have heard of it, and what it sent is under way.
   */
  update(spec: SessionSpec): void {
    const session = this.#get(spec.name);
    const { spec: old, index: oldIndex } = session;
    const afresh = old.resequencer.window !== spec.resequencer.window || !sameKeys(old, spec);
    const index = afresh ? this.#records.take(spec) : oldIndex;
    const added: string[] = [];
    const fresh: InstalledPath[] = [];
    const waits = afresh ? null : keptWaits(session, old, spec);
    const paths: InstalledPath[] = [];
    const former = [...session.paths, ...session.leaving];
    const mayTake = (owner: number): boolean =>
      this.#leaving.has(owner) || session.paths.some(({ number }) => number === owner);
    let leaving: InstalledPath[] = [];
    let config: ConfigBlock;
    try {
      for (const prefix of spec.prefixes) {
        if (old.prefixes.includes(prefix)) continue;
        this.#tables.addPrefix(prefix, index + 1);
        added.push(prefix);
      }
      for (const path of spec.paths) {
        const present = session.paths.find((other) => other.spec.bid === path.bid);
        if (present && !afresh && sameRecord(present.spec, path)) {
          paths.push({ ...present, spec: path });
          continue;
        }
        const before = present ? this.#paths.counters(present) : NO_PATH_COUNTERS;
        const installed = this.#paths.install(index, spec, path, before, mayTake);
        if (present && present.spec.rate === path.rate && present.spec.delayUs === path.delayUs) {
          moveEstimates(this.#memory, present.number, installed.number);
        }
        fresh.push(installed);
        paths.push(
          present
            ? {
                ...installed,
                word: present.word,
                measured: present.measured,
                state: present.state,
                divisor: present.divisor,
              }
            : installed,
        );
      }
      const gone = former.filter((path) => !paths.some((other) => other.number === path.number));
      if (this.#linger && !afresh) leaving = gone.filter((path) => this.#paths.receives(path));
      config = this.#writeConfig(
        spec,
        paths,
        leaving,
        (weights) =>
          !afresh && sameSchedule(session, paths, weights)
            ? originOf(this.#memory, session.config)
            : this.#records.ticket(index),
        waits ?? spec.resequencer,
      );
    } catch (error) {
      for (const prefix of added) this.#tables.removePrefix(prefix);
      for (const path of fresh) this.#paths.retire(path, former);
      if (afresh) this.#grace.retire(() => this.#records.release(index, spec));
      throw error;
    }
    const stay = new Set([...paths, ...leaving].map(({ number }) => number));
    const fallen = leaving.filter((path) => !session.leaving.includes(path));
    const oldConfig = session.config;
    Object.assign(session, { index, spec, paths, leaving, config, waits });
    if (afresh) session.sinceUs = utcMicroseconds();
    this.#records.publish(index, config);
    for (const prefix of old.prefixes) {
      if (!spec.prefixes.includes(prefix)) this.#tables.removePrefix(prefix);
      else if (afresh) this.#tables.movePrefix(prefix, index + 1);
    }
    if (afresh) this.#retireRecord(oldIndex, old, oldConfig);
    else this.#grace.retire(() => freeConfig(this.#memory, oldConfig));
    for (const path of former) if (!stay.has(path.number)) this.#retirePath(path, paths);
    for (const path of fallen) this.#keep(session, path);
  }

  /** The path receives for a while longer. */
  #keep(session: InstalledSession, path: InstalledPath): void {
    this.#leaving.add(path.number);
    this.#linger!(() => {
      const { leaving } = session;
      if (!leaving.includes(path)) return;
      session.leaving = leaving.filter((other) => other !== path);
      try {
        this.update(session.spec);
        this.#retirePath(path, session.paths);
      } catch (error) {
        // No room for another configuration: the path stays in the one that there is.
        if (!(error instanceof TunloomError)) throw error;
        session.leaving = leaving;
        this.#keep(session, path);
      }
    });
  }

  #retirePath(path: InstalledPath, successors: readonly InstalledPath[] = []): void {
    this.#leaving.delete(path.number);
    this.#paths.retire(path, successors);
  }

  /**
   * The operator's word on a path, or what was measured of it; the worse of the two counts. Paths that are down are left out of every group;
   * others take over at once. Throws UNKNOWN_BID.
   */
  setPathState(name: string, bid: number, state: PathState, by: 'word' | 'measured' = 'word'): void {
    const session = this.#get(name);
    const path = this.#path(session, bid);
    if (path[by] === state) return;
    const told = { ...path, [by]: state };
    const changed = { ...told, state: worseState(told.word, told.measured) };
    const { paths } = session;
    session.paths = paths.map((other) => (other === path ? changed : other));
    if ((path.state === 'down') === (changed.state === 'down')) return;
    try {
      this.update(session.spec);
    } catch (error) {
      // What is measured stays so, and is tried again by Dataplane; whoever gave his word is told, and may repeat it.
      if (by === 'word') session.paths = paths;
      throw error;
    }
  }

  /**
   * A path has 1 / `divisor` of its weight from now on, wherever weights count; 1: all of it. It shows at once unless the path is down.
   * Throws UNKNOWN_BID.
   */
  setPathDivisor(name: string, bid: number, divisor: number): void {
    const session = this.#get(name);
    const path = this.#path(session, bid);
    if (path.divisor === divisor) return;
    session.paths = session.paths.map((other) => (other === path ? { ...path, divisor } : other));
    if (path.state !== 'down') this.update(session.spec);
  }

  /**
   * What the network takes between two addresses; null: what is configured. False if that is known already. `attempt` makes the change of
   * a session, which may be refused.
   */
  setPathMtu(
    local: string,
    remote: string,
    mtu: number | null,
    attempt: (session: string, change: () => void) => void = (_session, change) => change(),
  ): boolean {
    if (this.#mtus.learned({ local, remote }) === mtu) return false;
    this.#mtus.set({ local, remote }, mtu);
    for (const { spec } of [...this.#sessions.values()]) {
      if (!spec.paths.some((path) => path.local === local && path.remote === remote)) continue;
      attempt(spec.name, () => this.update(spec));
    }
    return true;
  }

  /** Where the packets of each path go straight to; null: by the path's own socket. */
  setNextHops(hopOf: (path: PathSpec) => NextHop | null): void {
    for (const { paths } of this.#sessions.values()) {
      for (const path of paths) {
        if (mayGoByLink(path.spec)) this.#paths.links.set(path, hopOf(path.spec));
      }
    }
  }

  /** Paths without UDP, and how many of them go straight to their next hop. */
  linkCounts(): { raw: number; link: number } {
    return this.#paths.links.count([...this.#sessions.values()].flatMap(({ paths }) => paths));
  }

  /** Interfaces that are taken over, or could not be, and what they dropped; null where that is not wanted. */
  get xdp(): XdpPaths | null {
    return this.#paths.xdp;
  }

  /** Hands what was measured of a path to the schedulers, while packets flow. Throws UNKNOWN_BID. */
  setPathEstimates(name: string, bid: number, estimates: PathEstimates): void {
    const session = this.#get(name);
    writeEstimates(this.#memory, this.#path(session, bid).number, estimates);
    for (const group of session.config.distribution.groups) group.refresh();
  }

  /** Bounds of the wait at a gap as measured, in force at once; they stay until others come or the configured ones change. */
  setWaits(name: string, waits: WaitBounds): void {
    const session = this.#get(name);
    session.waits = waits;
    writeWaits(this.#memory, session.config.address, waits);
  }

  /** Bounds of the wait at a gap that are in force. */
  waits(name: string): WaitBounds {
    const { waits, spec } = this.#get(name);
    return waits ?? spec.resequencer;
  }

  /** How far we have numbered the session's packets. Throws UNKNOWN_SESSION. */
  numbering(name: string): Numbering {
    const { index, sinceUs } = this.#get(name);
    return { sinceUs, next: Number(this.#records.ticket(index) & 0xffff_ffffn) };
  }

  /**
   * The far end numbers its packets anew, from 0, and has come to `next`: what it sends is no duplicate of what it sent before with the same
   * numbers. Throws UNKNOWN_SESSION.
   */
  expectNumbers(name: string, next: number): void {
    const { index } = this.#get(name);
    const at = this.#memory.session(index) / 4;
    const head = Atomics.load(this.#memory.u32, at + L.SESSION_HEAD / 4);
    // It may have overtaken what we have already.
    if (((head - next) | 0) > 0) Atomics.store(this.#memory.u32, at + L.SESSION_RENUMBERED / 4, 1);
  }

  /** New weights by BID; others stay. Throws UNKNOWN_BID and BAD_WEIGHT. */
  setWeights(name: string, weights: ReadonlyMap<number, number>): void {
    const session = this.#get(name);
    const { spec } = session;
    for (const bid of weights.keys()) this.#path(session, bid);
    this.update({
      ...spec,
      paths: spec.paths.map((path) => ({ ...path, weight: weights.get(path.bid) ?? path.weight })),
    });
  }

  /** Weights by BID as they are in effect: those of paths that are left out are 0. */
  weightsInUse(name: string): Map<number, number> {
    const { paths, config } = this.#get(name);
    return new Map(paths.map(({ spec }, i) => [spec.bid, config.distribution.weights[i]!]));
  }

  innerMtu(name: string): number {
    return this.#get(name).config.innerMtus.ipv6;
  }

  status(name: string): SessionStatus {
    const { index, spec, paths, config, waits } = this.#get(name);
    const wait = waits ?? spec.resequencer;
    const states = this.#mtus.states(spec, paths);
    return {
      name: spec.name,
      prefixes: spec.prefixes,
      sendKey: spec.sendKey,
      receiveKey: spec.receiveKey,
      mtu: config.innerMtus.ipv6,
      mtuIpv4: config.innerMtus.ipv4,
      sequenced: spec.paths.every(isSequenced),
      schedule: [...config.schedule.subarray(0, SCHEDULE_SHOWN)].map((position) => spec.paths[position]!.bid),
      scheduler: spec.distribution?.scheduler ?? DISTRIBUTION_DEFAULTS.scheduler,
      flows: config.distribution.flows,
      paths: paths.map((path, i) =>
        pathStatus({ ...path, state: states[i]! }, this.#mtus.of(path.spec), this.#paths.counters(path)),
      ),
      wait: { minUs: wait.minWaitUs, maxUs: wait.maxWaitUs },
      resequencer: readResequencer(this.#memory, this.#memory.session(index)),
    };
  }

  /** The path as it is installed now, null if there is none. */
  installed(name: string, bid: number): InstalledPath | null {
    return this.#sessions.get(name)?.paths.find(({ spec }) => spec.bid === bid) ?? null;
  }

  /** Whose path record it is, or was last. */
  ownerOf(number: number): { readonly session: string; readonly bid: number } | null {
    return this.#paths.owner(number);
  }

  /** The path whose other end the stranger would be, were it not for the port; null: there is none. */
  pathOfStranger(stranger: Stranger): { session: string; bid: number } | null {
    for (const { index, spec, paths } of this.#sessions.values()) {
      if ((stranger.keyed ? spec.receiveKey : index + 1) !== stranger.selector) continue;
      const path = paths.find((path) => isOfStranger(path, stranger));
      if (path) return { session: spec.name, bid: path.spec.bid };
    }
    return null;
  }

  /** The smallest inner MTU of all sessions, null without sessions. */
  smallestMtu(): number | null {
    let smallest: number | null = null;
    for (const { config } of this.#sessions.values()) {
      if (smallest === null || config.innerMtus.ipv6 < smallest) smallest = config.innerMtus.ipv6;
    }
    return smallest;
  }

  /** Pins a flow to a path, or lifts the pin (null). Throws UNKNOWN_BID, NOT_PER_FLOW and BAD_FLOW. */
  moveFlow(name: string, flow: FlowName, bid: number | null, nowUs: number): void {
    const session = this.#get(name);
    if (bid !== null) this.#path(session, bid);
    if (!session.config.distribution.groups.some((group) => group.perFlow)) {
      throw new TunloomError(
        'NOT_PER_FLOW',
        `no scheduler of session "${name}" keeps flows on paths, so none can be moved; use flow-hash or flowlet`,
      );
    }
    this.#pins.pin(session.index + 1, flow, bid, nowUs);
  }

  #path(session: InstalledSession, bid: number): InstalledPath {
    const path = session.paths.find(({ spec }) => spec.bid === bid);
    if (!path) {
      throw new TunloomError('UNKNOWN_BID', `session "${session.spec.name}" has no path with BID ${bid}`);
    }
    return path;
  }

  #writeConfig(
    spec: SessionSpec,
    paths: readonly InstalledPath[],
    leaving: readonly InstalledPath[],
    origin: (weights: readonly number[]) => bigint,
    waits: WaitBounds = spec.resequencer,
  ): ConfigBlock {
    const states = this.#mtus.states(spec, paths);
    const distribution = compileDistribution(
      this.#memory,
      this.#classifiers,
      spec,
      paths.map(({ spec, number, divisor }, i) => ({
        spec,
        record: this.#memory.path(number),
        state: spec.receiveOnly ? 'down' : states[i]!,
        divisor,
      })),
    );
    try {
      // Schedules name paths by their place; those that receive only come behind.
      const numbers = [...paths, ...leaving].map(({ number }) => number);
      const start = origin(distribution.weights);
      const mtus = this.#mtus.innerMtus(spec, paths);
      return writeConfig(this.#memory, spec, numbers, start, distribution, mtus, waits);
    } catch (error) {
      distribution.release();
      throw error;
    }
  }

  #get(name: string): InstalledSession {
    const session = this.#sessions.get(name);
    if (!session) throw new TunloomError('UNKNOWN_SESSION', `there is no session "${name}"`);
    return session;
  }

  /** Workers find the record no more; it is emptied and freed a grace period later. To be called before its paths are retired. */
  #retireRecord(index: number, spec: SessionSpec, config: ConfigBlock): void {
    this.#records.retire(index, spec, () => freeConfig(this.#memory, config));
  }
}
