/**
 * Compiles what a session says about its distribution into the blocks that the hot path reads (layout.ts, GROUP_* and POLICY_*).
 * Everything that is known beforehand is settled here: which paths are up, which label a rule falls back to, whether packets
 * carry a number. Blocks are never changed afterwards but for their running state; a change writes new ones.
 */
import * as L from '../../assembly/layout.ts';
import type { ClassifierCache } from './classifier-cache.ts';
import {
  DISTRIBUTION_DEFAULTS,
  type DistributionSpec,
  type FlowAction,
  type PathState,
  type SchedulerName,
} from './distribution-spec.ts';
import { GroupBlock, type GroupMember } from './group-block.ts';
import type { DataplaneMemory } from './memory.ts';
import { isSequenced } from './path-template.ts';
import { type CompiledRule, mirrorSelector } from './selector-compiler.ts';
import { MAX_PERIOD, sharesOf } from './schedule-table.ts';
import type { PathSpec, SessionSpec } from './session-spec.ts';
import type { FlowStatus } from './status.ts';
import { writeUnsequencedRecord } from './unsequenced-record.ts';

/** A path as installed: its record, and the state that the control plane gave it. */
export interface DistributionPath {
  readonly spec: PathSpec;
  readonly record: number;
  readonly state: PathState;
  /** It gets 1 / `divisor` of its weight. */
  readonly divisor: number;
}

/** A session's compiled distribution. */
export interface Distribution {
  /** Address of the default group, 0 for the session's own schedule. */
  readonly group: number;
  readonly policy: number;
  /** Weights of the session's own schedule, in the order of its paths. */
  readonly weights: readonly number[];
  readonly groups: readonly GroupBlock[];
  /** The rules as they are in force. */
  readonly flows: readonly FlowStatus[];
  /** Gives all blocks back to the heap; no worker may read them any more. */
  readonly release: () => void;
}

/** Schedulers that look at the models of the paths, so that all that is sent has to be charged to them. */
const MODELLED: ReadonlySet<SchedulerName> = new Set(['lowest-delay', 'edpf', 'blest', 'ecf', 'custom']);
const PER_FLOW: ReadonlySet<SchedulerName> = new Set(['flow-hash', 'flowlet']);
const POLICY_HEADER = L.POLICY_GROUPS;
const MAX_GROUPS = 4096;

/** Compiles; throws BAD_WEIGHT and OUT_OF_MEMORY and then leaves nothing behind. */
export function compileDistribution(
  memory: DataplaneMemory,
  classifiers: ClassifierCache,
  spec: SessionSpec,
  paths: readonly DistributionPath[],
): Distribution {
  const compiler = new DistributionCompiler(memory, classifiers, spec, paths);
  try {
    return compiler.compile();
  } catch (error) {
    compiler.release();
    throw error;
  }
}

class DistributionCompiler {
  readonly #memory: DataplaneMemory;
  readonly #classifiers: ClassifierCache;
  readonly #spec: SessionSpec;
  readonly #paths: readonly DistributionPath[];
  readonly #fallback: DistributionSpec;
  readonly #charge: boolean;
  readonly #groups: GroupBlock[] = [];
  readonly #flows: FlowStatus[] = [];
  readonly #unsequenced = new Map<number, number>();
  readonly #releases: (() => void)[] = [];

  constructor(
    memory: DataplaneMemory,
    classifiers: ClassifierCache,
    spec: SessionSpec,
    paths: readonly DistributionPath[],
  ) {
    this.#memory = memory;
    this.#classifiers = classifiers;
    this.#spec = spec;
    this.#paths = paths;
    this.#fallback = { ...DISTRIBUTION_DEFAULTS, ...spec.distribution };
    this.#charge = [
      this.#fallback,
      ...(spec.flows ?? []).map(({ action }) => this.#distributionOf(action)),
    ].some(({ scheduler }) => MODELLED.has(scheduler));
  }

  compile(): Distribution {
    const whole = this.#sessionWeights();
    const weights = easedWeights(
      whole,
      this.#paths.map(({ divisor }) => divisor),
    );
    const policy = this.#policy();
    const { scheduler, sequence } = this.#fallback;
    const plain = scheduler === 'weighted' || scheduler === 'equal';
    // Where something is charged to models, the default has to be charged as well.
    const group =
      plain && !this.#charge && sequence !== 'never'
        ? 0
        : this.#group(
            this.#paths.filter((_, i) => weights[i]! > 0),
            this.#fallback,
            (path) => whole[this.#paths.indexOf(path)]!,
            this.#spec.paths.filter((path) => path.weight > 0).length,
          );
    return {
      group,
      policy,
      weights,
      groups: this.#groups,
      flows: this.#flows,
      release: () => this.release(),
    };
  }

  release(): void {
    for (const release of this.#releases.splice(0)) release();
  }

  /** Of paths that are up; if none is, of all: then none is known to be better. */
  #sessionWeights(): number[] {
    const equal = this.#fallback.scheduler === 'equal';
    const wanted = this.#paths.map(({ spec }) => (spec.weight > 0 && equal ? 1 : spec.weight));
    const usable = wanted.map((weight, i) => (this.#paths[i]!.state === 'down' ? 0 : weight));
    return usable.some((weight) => weight > 0) ? usable : wanted;
  }

  #distributionOf(action: FlowAction): DistributionSpec {
    const own = 'distribution' in action ? action.distribution : undefined;
    return { ...DISTRIBUTION_DEFAULTS, scheduler: 'weighted', ...own };
  }

  #schedulerOf(action: FlowAction): SchedulerName {
    return action.action === 'copies' ? 'redundant' : this.#distributionOf(action).scheduler;
  }

  /** Address of the policy block, 0 if there is nothing to classify. */
  #policy(): number {
    const { flows = [], latency } = this.#spec;
    const rules: { rule: CompiledRule; family: 4 | 6 }[] = [];
    const groups: number[] = [];
    const mirror = this.#memory.control(L.CONTROL_ROLE) === L.ROLE_MAG;
    const add = (selectors: readonly CompiledRule['selector'][], verdict: number): void => {
      for (const selector of selectors) {
        const seen = mirror ? mirrorSelector(selector) : selector;
        rules.push({ rule: { selector: seen, verdict }, family: selector.family });
      }
    };
    const verdicts = new Map<string, number>();
    const verdictOf = (key: string, build: () => number): number => {
      let verdict = verdicts.get(key);
      if (verdict === undefined) {
        const group = build();
        // RFC 6089 §5.3.3: an entry without a valid BID is inactive and matches nothing.
        verdict = group && groups.length < MAX_GROUPS ? L.VERDICT_GROUP + groups.push(group) - 1 : -1;
        verdicts.set(key, verdict);
      }
      return verdict;
    };
    for (const { priority, name, selectors, action } of [...flows].sort((a, b) => a.priority - b.priority)) {
      const verdict =
        action.action === 'drop'
          ? L.VERDICT_DROP
          : verdictOf(JSON.stringify(action), () => this.#actionGroup(action));
      if (verdict >= 0) add(selectors, verdict);
      this.#flows.push({
        priority,
        name,
        action: action.action,
        scheduler: action.action === 'drop' ? null : this.#schedulerOf(action),
        bids: this.#groups.find(({ address }) => address === groups[verdict - L.VERDICT_GROUP])?.bids ?? [],
        selectors,
      });
    }
    if (latency) {
      const verdict = verdictOf('latency', () => this.#latencyGroup());
      const classes = latency.dscp.map((dscp) => ({ start: dscp << 2, end: (dscp << 2) | 3 }));
      if (verdict >= 0) {
        add(
          classes.flatMap((trafficClass) => [
            { family: 4 as const, trafficClass },
            { family: 6 as const, trafficClass },
          ]),
          verdict,
        );
      }
    }
    if (!rules.length && !latency?.small) return 0;
    const size = POLICY_HEADER + groups.length * 4;
    const address = this.#allocate(size);
    const set = (field: number, value: number): void => {
      this.#memory.u32[(address + field) / 4] = value;
    };
    for (const [family, field] of [
      [4, L.POLICY_CLASSIFIER4],
      [6, L.POLICY_CLASSIFIER6],
    ] as const) {
      const shared = this.#classifiers.acquire(
        family,
        rules.filter((entry) => entry.family === family).map(({ rule }) => rule),
      );
      if (!shared) continue;
      this.#releases.push(shared.release);
      set(field, shared.address);
    }
    if (latency?.small) {
      const ticksPerSecond = 1e6 / 2 ** L.FLOW_TICK_SHIFT;
      const verdict = verdictOf('latency', () => this.#latencyGroup());
      set(L.POLICY_SMALL_GROUP, groups[verdict - L.VERDICT_GROUP] ?? 0);
      set(L.POLICY_SMALL_PACKET, latency.small.packet);
      set(L.POLICY_SMALL_RATE, Math.max(1, Math.round(((latency.small.rate / 8) * 256) / ticksPerSecond)));
      set(L.POLICY_SMALL_BURST, latency.small.burst);
    }
    groups.forEach((group, i) => set(L.POLICY_GROUPS + i * 4, group));
    return address;
  }

  /** Address of the group of an action, 0 if it has no path that is up. */
  #actionGroup(action: Exclude<FlowAction, { action: 'drop' }>): number {
    const distribution = this.#distributionOf(action);
    const isUp = (path: DistributionPath): boolean => path.state !== 'down';
    if (action.action === 'labels') {
      const byLabel = action.labels.map((label) => this.#paths.filter(({ spec }) => spec.label === label));
      const paths = byLabel.map((list) => list.filter(isUp)).find((list) => list.length) ?? [];
      const most = Math.max(...byLabel.map((list) => list.length));
      return this.#group(paths, distribution, ({ spec }) => spec.weight || 1, most);
    }
    const paths = action.bids.flatMap((bid) =>
      this.#paths.filter(({ spec }) => spec.bid === bid).filter(isUp),
    );
    if (action.action === 'copies') {
      const copies: DistributionSpec = { ...distribution, scheduler: 'redundant' };
      return this.#group(paths, copies, () => 1, action.bids.length);
    }
    const weightOf = ({ spec }: DistributionPath): number => action.weights?.[spec.bid] ?? (spec.weight || 1);
    return this.#group(
      paths.filter((path) => weightOf(path) > 0),
      distribution,
      weightOf,
      action.bids.length,
    );
  }

  #latencyGroup(): number {
    const usable = this.#paths.filter(({ spec, state }) => spec.weight > 0 && state !== 'down');
    const distribution: DistributionSpec = {
      ...DISTRIBUTION_DEFAULTS,
      scheduler: 'lowest-delay',
      sequence: 'never',
      // Always the lowest-delay path, however long our own queue is: other paths would reorder.
      queueUs: 0xffff_ffff,
    };
    return this.#group(usable, distribution, ({ spec }) => spec.weight, usable.length);
  }

  /** `configured`: how many paths the group has when all are up. */
  #group(
    paths: readonly DistributionPath[],
    distribution: DistributionSpec,
    weightOf: (path: DistributionPath) => number,
    configured: number,
  ): number {
    if (!paths.length) return 0;
    const { scheduler, sequence } = distribution;
    const stays = PER_FLOW.has(scheduler) || configured <= 1;
    const sequenced = sequence === 'always' || (sequence === 'auto' && !stays);
    const weights = easedWeights(
      paths.map((path) => (scheduler === 'equal' ? 1 : weightOf(path))),
      paths.map(({ divisor }) => divisor),
    );
    const members = paths.map((path, i): GroupMember => ({
      bid: path.spec.bid,
      weight: weights[i]!,
      record: sequenced ? path.record : this.#unsequencedRecord(path),
      model: path.record + L.PATH_MODEL_BLOCK,
      rate: path.spec.rate ?? null,
    }));
    const group = new GroupBlock(this.#memory, members, distribution, { sequenced, charge: this.#charge });
    this.#releases.push(() => group.release());
    this.#groups.push(group);
    return group.address;
  }

  #unsequencedRecord(path: DistributionPath): number {
    if (!isSequenced(path.spec)) return path.record;
    let address = this.#unsequenced.get(path.spec.bid);
    if (address === undefined) {
      address = this.#allocate(L.PATH_STRIDE);
      writeUnsequencedRecord(this.#memory, address, path.record, path.spec, this.#spec.sendKey);
      this.#unsequenced.set(path.spec.bid, address);
    }
    return address;
  }

  #allocate(size: number): number {
    const address = this.#memory.heap.allocate(size);
    this.#releases.push(() => this.#memory.heap.release(address, size));
    return address;
  }
}

/**
 * Each weight by its divisor, a power of two, as integers: 3:2 with divisors 1:16 is 24:1. Where the schedule would get too long for that,
 * as near as it can be; no path that has a weight loses it.
 */
function easedWeights(weights: readonly number[], divisors: readonly number[]): readonly number[] {
  let scale = Math.max(1, ...divisors.filter((_, i) => weights[i]! > 0));
  if (scale === 1) return weights;
  const shares = sharesOf(weights);
  const sum = shares.reduce((total, share) => total + share, 0);
  while (scale > 1 && sum * scale > MAX_PERIOD) scale /= 2;
  return shares.map((share, i) => (share > 0 ? Math.max(1, Math.round((share * scale) / divisors[i]!)) : 0));
}
