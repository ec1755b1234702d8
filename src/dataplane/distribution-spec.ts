/**
 * What the control side says about the distribution of a session's packets: the scheduler, and rules that give flows paths of
 * their own. The words in which configuration, control socket and signaling speak to the data plane (docs/policy.md).
 */

/** Names of the schedulers; docs/schedulers.md says what each does. */
export const SCHEDULERS = [
  'weighted',
  'equal',
  'deficit',
  'random',
  'flow-hash',
  'flowlet',
  'lowest-delay',
  'edpf',
  'overflow',
  'blest',
  'ecf',
  'redundant',
  'custom',
] as const;
export type SchedulerName = (typeof SCHEDULERS)[number];

export interface DistributionSpec {
  readonly scheduler: SchedulerName;
  /** Whether packets carry a sequence number; auto: unless each flow stays on one path. */
  readonly sequence: 'auto' | 'always' | 'never';
  /** random: seed of the draws. */
  readonly seed: number;
  /** flowlet: pause after which a flow may change its path; null: the measured delay difference of the paths. */
  readonly gapUs: number | null;
  /** lowest-delay, ecf, blest: microseconds of queue from which on a path counts as full. */
  readonly queueUs: number;
  /** blest: packets that the far end's resequencer holds. */
  readonly peerWindow: number;
  /** Schedulers by delay: the far end makes all paths as long as the longest (ResequencerSpec.equalDelay). */
  readonly peerEqualDelay: boolean;
  /** overflow: microseconds of a path's rate that each of its two token buckets holds (RFC 2697). */
  readonly burstUs: number;
}

export const DISTRIBUTION_DEFAULTS: DistributionSpec = {
  scheduler: 'weighted',
  sequence: 'auto',
  seed: 1,
  gapUs: null,
  queueUs: 5000,
  peerWindow: 4096,
  peerEqualDelay: false,
  burstUs: 20_000,
};

/** Traffic that keeps to the lowest-delay path and bypasses the resequencer. */
export interface LatencyClassSpec {
  /** DSCP values 0..63 that belong to it. */
  readonly dscp: readonly number[];
  /** Flows of small packets at a low rate belong to it too; null: they do not. */
  readonly small: {
    /** Octets of the largest packet. */
    readonly packet: number;
    /** Bits a second that such a flow may have in the long run. */
    readonly rate: number;
    /** Octets that it may send at once. */
    readonly burst: number;
  } | null;
}

/** Both ends belong to the range. */
export interface Range<T> {
  readonly start: T;
  readonly end: T;
}

/** Conditions of RFC 6088 §3, seen on packets towards the mobile node. What is not given matches everything. */
export interface FlowSelector {
  readonly family: 4 | 6;
  readonly source?: Range<string>;
  readonly destination?: Range<string>;
  readonly spi?: Range<number>;
  /** IPv6 only; 20 bits. */
  readonly flowLabel?: Range<number>;
  readonly sourcePort?: Range<number>;
  readonly destinationPort?: Range<number>;
  /** The whole octet; its upper six bits count. */
  readonly trafficClass?: Range<number>;
  /** Upper-layer protocol. */
  readonly protocol?: Range<number>;
}

export type FlowAction =
  | { readonly action: 'drop' }
  /** Over these BIDs; several: by a scheduler of the rule's own. */
  | {
      readonly action: 'paths';
      readonly bids: readonly number[];
      /** By BID; otherwise the paths' own, 1 for those of weight 0. */
      readonly weights?: Readonly<Record<number, number>>;
      readonly distribution?: Partial<DistributionSpec>;
    }
  /** Over the paths of the first of these interface labels (RFC 8278 §4.1) that has one that is up. */
  | {
      readonly action: 'labels';
      readonly labels: readonly number[];
      readonly distribution?: Partial<DistributionSpec>;
    }
  /** A copy over each of these BIDs (RFC 6089 §4.2.1.3). */
  | { readonly action: 'copies'; readonly bids: readonly number[] };

export interface FlowRule {
  /** FID-PRI, 1..65535: the lowest that matches wins; equal ones in the order of the list. */
  readonly priority: number;
  /** For people. */
  readonly name: string;
  /** The rule matches if any of these does. */
  readonly selectors: readonly FlowSelector[];
  readonly action: FlowAction;
}

/** One flow, seen on packets towards the mobile node. Ports where the protocol has them. */
export interface FlowName {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
}

/** States of a path as the control plane sees it. */
export const PATH_STATES = ['up', 'degraded', 'down'] as const;
export type PathState = (typeof PATH_STATES)[number];

/** What was measured of a path, in the sending direction; what is left out stays as it is. */
export interface PathEstimates {
  /** One-way delay without our own queue, and its variation. */
  readonly delayUs?: number;
  readonly jitterUs?: number;
  /** Bits a second of the outer packets. */
  readonly rate?: number;
  /** Lost packets in a million. */
  readonly loss?: number;
  /** When the path will have sent what it was given so far, microseconds of CLOCK_MONOTONIC. */
  readonly freeAtUs?: number;
  /** Receiving: microseconds by which what comes over the path is held. */
  readonly holdUs?: number;
}

/**
 * The negotiated flow bindings of a session (RFC 6089) as rules. A BID list of several means copies, not splitting (§4.2.1.3).
 * `flows` are what the signaling has accepted; their order does not matter.
 */
export function flowRules(
  flows: readonly {
    readonly flow: number;
    readonly priority: number;
    readonly selector: FlowSelector;
    /** Null: the packets of the flow are to be dropped (RFC 7864 §3.2.2). */
    readonly bids: readonly number[] | null;
  }[],
): FlowRule[] {
  return flows
    .map(({ flow, priority, selector, bids }): FlowRule => {
      const action: FlowAction =
        bids === null
          ? { action: 'drop' }
          : bids.length > 1
            ? { action: 'copies', bids }
            : { action: 'paths', bids };
      return { priority, name: `fid${flow}`, selectors: [selector], action };
    })
    .sort((a, b) => a.priority - b.priority);
}
