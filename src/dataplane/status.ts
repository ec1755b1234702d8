/**
 * The shapes in which a running data plane reports about itself: what `tunloom status`, the control socket and
 * the lab show. Counters are totals since the start of the data plane; all of them are plain numbers.
 */
import type {
  DistributionSpec,
  FlowAction,
  FlowName,
  FlowSelector,
  PathEstimates,
  PathState,
  SchedulerName,
} from './distribution-spec.ts';
import type { Adaptation } from '../paths/adaptive-weights.ts';
import type { HealthConfig } from '../paths/path-health.ts';
import type { Encapsulation, SessionSpec } from './session-spec.ts';

/** Resequencer statistics of one session, or summed over sessions (DESIGN: the resequencer). */
export interface ResequencerStatus {
  /** Packets delivered that had arrived in order of sequence number. */
  readonly inOrder: number;
  /** Packets that arrived after a later number and were put back in place. */
  readonly reordered: number;
  /** Packets that arrived after their number had been given up (delivered or dropped by the late policy). */
  readonly late: number;
  readonly duplicates: number;
  /** Numbers given up, by cause. */
  readonly lostProven: number;
  readonly lostTimeout: number;
  readonly lostWindow: number;
  /** Times that a restart of the sender was recognised. */
  readonly restarts: number;
  /** Packets held in the window now. */
  readonly held: number;
  /** How many packets were held at the end of a release: bucket 0 is none, bucket i is 2^(i-1) .. 2^i - 1. */
  readonly depthHistogram: readonly number[];
  /** Microseconds that a packet was held: bucket 0 is 0 us, bucket i is 2^(i-1) .. 2^i - 1. */
  readonly waitHistogram: readonly number[];
}

export interface PathStatus {
  readonly bid: number;
  readonly name: string;
  readonly encapsulation: Encapsulation;
  readonly local: string;
  readonly remote: string;
  readonly weight: number;
  /** As the control plane sees it; nothing is sent over a path that is down. */
  readonly state: PathState;
  /** Interface label (RFC 8278 §4.1), null without one. */
  readonly label: number | null;
  readonly mtu: number;
  readonly txPackets: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
}

/** One direction of a path, as probes and the data itself show it (docs/probes.md). */
export interface DirectionStatus {
  /** What stands in the path's queues, in microseconds. */
  readonly queueUs: number;
  readonly jitterUs: number;
  /** Share of packets 0..1, null while too few were sent. */
  readonly loss: number | null;
  /** Bits a second that arrive. */
  readonly rate: number;
  /** Bits a second that arrived when it was full; null: it never was. */
  readonly capacity: number | null;
  readonly full: boolean;
}

export interface PathHealthStatus {
  readonly session: string;
  readonly bid: number;
  /** `unmeasured`: the far end has never answered a probe. */
  readonly state: PathState | 'unmeasured';
  /** Why it came into its state. */
  readonly reason: string;
  /** Round trip: smoothed, and the smallest of late. Null: not measured. */
  readonly rttUs: number | null;
  readonly minRttUs: number | null;
  /** One way, behind the session's fastest path, in the sending direction. */
  readonly delayBehindUs: number | null;
  readonly probesSent: number;
  readonly probesAnswered: number;
  /** Packets sent between the last sign that they arrive and the path's being left out as down, all times together. */
  readonly unconfirmedPackets: number;
  readonly stateChanges: number;
  /** In effect: 0 while nothing is sent over it by the session's own scheduler. */
  readonly weight: number;
  readonly sending: DirectionStatus;
  readonly receiving: DirectionStatus;
  /** Whether weights follow what is measured: over all paths, or over the best one alone; null: they do not. */
  readonly adaptive: 'spread' | 'single' | null;
}

export interface SessionStatus {
  readonly name: string;
  readonly prefixes: readonly string[];
  readonly sendKey: number | null;
  readonly receiveKey: number | null;
  /** Inner MTU: the smallest path MTU less its encapsulation. */
  readonly mtu: number;
  /** That of IPv4 packets, which may be less: IPv6 keeps its 1280 octets. */
  readonly mtuIpv4: number;
  /** Whether a sequence number is sent and a resequencer receives. */
  readonly sequenced: boolean;
  /** One period of the schedule as BIDs, cut at 64 entries. */
  readonly schedule: readonly number[];
  readonly scheduler: SchedulerName;
  /** Flow rules in order of priority. */
  readonly flows: readonly FlowStatus[];
  readonly paths: readonly PathStatus[];
  /** Bounds of the wait at a gap: as configured, raised by what is measured of the paths' delays. */
  readonly wait: { readonly minUs: number; readonly maxUs: number };
  readonly resequencer: ResequencerStatus;
}

export interface FlowStatus {
  /** FID-PRI. */
  readonly priority: number;
  readonly name: string;
  readonly action: FlowAction['action'];
  readonly scheduler: SchedulerName | null;
  /** BIDs in use now; none: the rule drops, or is inactive because no path of it is up. */
  readonly bids: readonly number[];
  /** Conditions, of which one has to hold. */
  readonly selectors: readonly FlowSelector[];
}

export interface WorkerStatus {
  readonly id: number;
  /** `unresponsive`: has not come back from a batch for 5 s; after 10 s it is replaced. */
  readonly state: 'running' | 'starting' | 'unresponsive' | 'stopped' | 'failed';
  readonly restarts: number;
  readonly tunRxPackets: number;
  readonly tunTxPackets: number;
  readonly pathRxPackets: number;
  readonly pathTxPackets: number;
}

/** Which of the kernel's segmentation offloads are in use, and how often. */
export interface OffloadStatus {
  /** Whether the TUN hands over and takes super-packets (IFF_VNET_HDR). */
  readonly tun: 'on' | 'off';
  /** Whether TCP segments and UDP datagrams are merged for the TUN; false once the kernel has refused one. */
  readonly mergeTcp: boolean;
  readonly mergeUdp: boolean;
  /** UDP endpoints, and how many of them send by UDP_SEGMENT (one that failed gives it up) and receive by UDP_GRO. */
  readonly endpoints: { readonly udp: number; readonly segment: number; readonly merge: number };
  /** Paths without UDP, and how many of them go straight to their next hop by packet sockets. */
  readonly links: { readonly raw: number; readonly link: number };
  /** AF_XDP; null where it is not wanted. */
  readonly xdp: readonly XdpInterfaceStatus[] | null;
  readonly tunRxSupers: number;
  readonly tunTxSupers: number;
  /** Messages that held several datagrams. */
  readonly pathRxMerged: number;
  readonly pathTxMerged: number;
}

/** An interface whose tunnel packets go past the kernel's stack, or that was refused. */
export interface XdpInterfaceStatus {
  readonly index: number;
  /** Null if it was refused. */
  readonly name: string | null;
  /** Receive queues that have an AF_XDP socket. */
  readonly queues: number;
  readonly paths: number;
  /** Why it is not in use; null: it is. */
  readonly problem: string | null;
}

export interface DataplaneStatus {
  readonly role: 'mag' | 'lma';
  readonly tun: { readonly name: string; readonly mtu: number };
  readonly uptimeSeconds: number;
  readonly sessions: number;
  readonly paths: number;
  readonly workers: readonly WorkerStatus[];
  /** Packet buffers in the pool and how many of them are free in the global pool. */
  readonly buffers: { readonly total: number; readonly free: number };
  readonly offload: OffloadStatus;
  readonly distribution: {
    /** Packets whose flow's verdict was not at hand, so that the classifier had to work it out. */
    readonly classified: number;
    /** Extra copies sent by redundant groups. */
    readonly copies: number;
    /** Picks of a user's scheduler that were out of range (docs/schedulers.md). */
    readonly picksRefused: number;
  };
  /** Dropped packets by reason (docs/drops.md); reasons that never occurred are left out. */
  readonly drops: Readonly<Record<string, number>>;
  readonly resequencer: ResequencerStatus;
}

/** Things worth a log line; the control thread emits them, workers never do. */
export type DataplaneEvent =
  | { readonly event: 'started' }
  | { readonly event: 'stopped' }
  | { readonly event: 'sessionAdded'; readonly session: string }
  | { readonly event: 'sessionChanged'; readonly session: string }
  | { readonly event: 'sessionRemoved'; readonly session: string }
  | {
      readonly event: 'weightsChanged';
      readonly session: string;
      /** By BID, of all paths. */
      readonly weights: Readonly<Record<number, number>>;
    }
  | {
      readonly event: 'pathState';
      readonly session: string;
      readonly bid: number;
      readonly from: PathState | 'unmeasured';
      readonly to: PathState | 'unmeasured';
      readonly reason: string;
      /** Down: packets sent on the path since the last sign that they arrive. */
      readonly unconfirmed: number;
    }
  /** The weights of the session follow what is measured from now on, otherwise than before, or no more. */
  | {
      readonly event: 'adaptiveChanged';
      readonly session: string;
      readonly adaptive: boolean;
      readonly adaptation: Adaptation;
    }
  /** The paths of the session are probed otherwise from now on. */
  | {
      readonly event: 'probesChanged';
      readonly session: string;
      readonly probes: HealthConfig;
    }
  /** The resequencer waits at least and at most so long at a gap, since the paths' delays have changed. */
  | {
      readonly event: 'waitChanged';
      readonly session: string;
      readonly minUs: number;
      readonly maxUs: number;
    }
  /** A path that was down has this share of its weight now; 1: all of it again. */
  | {
      readonly event: 'pathEased';
      readonly session: string;
      readonly bid: number;
      readonly share: number;
    }
  /** There was no room for what the network shows of the session's paths; it goes on as it is, and that is tried again. */
  | { readonly event: 'changeRefused'; readonly session: string; readonly error: string }
  /** The interface took only what it has the best route back for (rp_filter 1); loosened: no more so while we run (docs/install.md). */
  | {
      readonly event: 'reversePathFilter';
      readonly interface: string;
      readonly loosened: boolean;
      readonly reason: string;
    }
  /** All paths together were worse than this one alone, or are tried again. */
  | {
      readonly event: 'guard';
      readonly session: string;
      readonly mode: 'spread' | 'single';
      readonly bid: number | null;
    }
  | {
      readonly event: 'pathMtuChanged';
      readonly local: string;
      readonly remote: string;
      /** Octets of an outer packet that the network takes; null: as configured. */
      readonly mtu: number | null;
    }
  /** Larger outer packets than `mtu` do not arrive, and no ICMP error says why; null: they do again. */
  | {
      readonly event: 'blackHole';
      readonly session: string;
      readonly bid: number;
      readonly mtu: number | null;
      readonly reason: string;
    }
  | { readonly event: 'workerFailed'; readonly worker: number; readonly error: string }
  | { readonly event: 'workerRestarted'; readonly worker: number }
  | { readonly event: 'workerUnresponsive'; readonly worker: number };

/**
 * What the control socket, the daemon and the lab need of a data plane. Implemented by `Dataplane`
 * (dataplane.ts).
 *
 * Every method that names a session throws a TunloomError with code `UNKNOWN_SESSION` for a name it does not
 * know; `setWeights` throws `UNKNOWN_BID` and `BAD_WEIGHT`.
 */
export interface DataplaneControl {
  status(): DataplaneStatus;
  sessions(): SessionStatus[];
  session(name: string): SessionStatus;
  /** The session as it was installed. */
  spec(name: string): SessionSpec;
  addSession(session: SessionSpec): void;
  removeSession(name: string): void;
  /** Replaces prefixes, paths, keys and weights; keeps sequence numbers and counters where the session goes on. */
  updateSession(session: SessionSpec): void;
  setWeights(name: string, weights: ReadonlyMap<number, number>): void;
  /** Another scheduler, or other parameters of it; what is not given is as by default. Throws `BAD_WEIGHT`. */
  setDistribution(name: string, distribution: Partial<DistributionSpec>): void;
  /** Paths that are down carry nothing; `setPathState` and the two below throw `UNKNOWN_BID`. */
  setPathState(name: string, bid: number, state: PathState): void;
  /** What was measured of a path, for the schedulers; may be called often. */
  setPathEstimates(name: string, bid: number, estimates: PathEstimates): void;
  /**
   * Moves a flow to a path on purpose, for as long as it lasts; null lets it go where it would. Throws `NOT_PER_FLOW` if no
   * scheduler of the session keeps flows on paths, `BAD_FLOW` for a flow that is not the session's.
   */
  moveFlow(name: string, flow: FlowName, bid: number | null): void;
}
