/** What a run found: plain numbers, JSON as it is. docs/compare.md describes every field. */
import type { ResequencerStatus } from '../dataplane/status.ts';
import type { Link } from './link.ts';
import type { Density } from './metrics/density.ts';
import { type Quantiles, jainIndex, quantilesOfSorted, sortAscending } from './metrics/distribution.ts';
import type { Reordering } from './metrics/reordering.ts';
import type { Sampler, TimeSeries } from './sampler.ts';
import type { Simulation } from './simulation.ts';
import { DIRECTIONS, type Direction, type SimRun } from './spec.ts';

export interface PathResult {
  readonly bid: number;
  readonly name: string;
  readonly packets: number;
  readonly share: number;
  /** What was due by weight; over the run where weights change. */
  readonly weightShare: number;
  readonly delivered: number;
  readonly lost: number;
  readonly queueDrops: number;
  readonly downDrops: number;
  /** What the transmitter has sent of what it could have sent, up to the end of the traffic; copies that the link makes do not count. */
  readonly utilisation: number;
}

export interface DirectionResult {
  readonly paths: readonly PathResult[];
  /** Packets by which a path got more or fewer than its weight says, over the worst run of packets. */
  readonly shareDeviation: number;
  /** Milliseconds, before and after the resequencer. */
  readonly delayBefore: Quantiles;
  readonly delayAfter: Quantiles;
  readonly resequencer: ResequencerStatus;
  readonly drops: Readonly<Record<string, number>>;
  readonly series: TimeSeries;
  /** Quantiles 0, 1/50 ... 1 of the delay after the resequencer in milliseconds. */
  readonly delayCurve: readonly number[];
}

export interface StreamResult {
  readonly sent: number;
  /** Out of the paths, first copies. */
  readonly received: number;
  /** Out of the resequencer. */
  readonly delivered: number;
  /** Of the packets sent, those that were not delivered. */
  readonly lossRatio: number;
  readonly reorderingBefore: Reordering;
  readonly reorderingAfter: Reordering;
  readonly densityBefore: readonly Density[];
  readonly densityAfter: readonly Density[];
  readonly bufferDensityBefore: readonly Density[];
  readonly bufferDensityAfter: readonly Density[];
}

export interface FlowSummary {
  readonly name: string;
  readonly direction: Direction;
  readonly model: string;
  /** Bits a second of what the application got. */
  readonly goodput: number;
  readonly retransmits: number;
  readonly timeouts: number;
  /** One-way milliseconds of its data, after the resequencer. */
  readonly delay: Quantiles;
  /** Milliseconds. */
  readonly completion: Quantiles;
  readonly stream: StreamResult;
}

export interface SimResult {
  /** Bits a second, all flows. */
  readonly goodput: number;
  /** Of what all links could have carried in the directions in which data flows. */
  readonly efficiency: number;
  /** Jain's index over flows of the most frequent model. */
  readonly fairness: number;
  readonly retransmits: number;
  readonly timeouts: number;
  /** Milliseconds after the resequencer, of all packets in the directions in which data flows. */
  readonly delay: Quantiles;
  readonly completion: Quantiles;
  /** RFC 4737 ratio over all data packets. */
  readonly reorderedBefore: number;
  readonly reorderedAfter: number;
  readonly lossRatio: number;
  readonly directions: Readonly<Record<Direction, DirectionResult>>;
  readonly flows: readonly FlowSummary[];
  readonly conservation: {
    /** Inner packets given to the tunnel. */
    readonly sent: number;
    /** Packets that the sending end dropped: no link has seen them. */
    readonly senderDrops: number;
    /** Outer packets given to links, copies included. */
    readonly transmitted: number;
    readonly lost: number;
    readonly queueDrops: number;
    readonly downDrops: number;
    readonly receiverDrops: number;
    readonly delivered: number;
    readonly underway: number;
  };
  /** Packets for which a scheduler of one's own named no path: they went to the first of the group. */
  readonly picksRefused: number;
  readonly events: number;
}

const CURVE_POINTS = 50;
const MS = 1e6;

/** What counts only up to the end of the traffic: later arrivals are no goodput. */
export interface Snapshot {
  /** Octets that each flow's application has got. */
  readonly octets: readonly number[];
  /** Octets that each link's transmitter has sent. */
  readonly sent: Readonly<Record<Direction, readonly number[]>>;
  /** Bits that each link could have carried. */
  readonly carriable: Readonly<Record<Direction, readonly number[]>>;
}

export function takeSnapshot(simulation: Simulation): Snapshot {
  const { sides, loop } = simulation;
  const ofLinks = (pick: (link: Link) => number): Record<Direction, number[]> => ({
    uplink: sides.uplink.links.map(pick),
    downlink: sides.downlink.links.map(pick),
  });
  return {
    octets: simulation.flows.map(({ flow }) => flow.result().octets),
    sent: ofLinks((link) => link.sentOctets(loop.now)),
    carriable: ofLinks((link) => link.carriable(loop.now)),
  };
}

/** To be called when nothing is on its way any more. */
export function summariseRun(
  simulation: Simulation,
  run: SimRun,
  sampler: Sampler,
  snapshot: Snapshot,
): SimResult {
  const { spec } = run;
  const seconds = spec.duration / 1e9;
  const delays = {
    uplink: delaysOf(simulation, 'uplink'),
    downlink: delaysOf(simulation, 'downlink'),
  };
  const flows = simulation.flows.map((running, i): FlowSummary => {
    const result = running.flow.result();
    const { forward } = running;
    const active = (Math.min(running.spec.stop, spec.duration) - running.spec.start) / 1e9;
    return {
      name: running.spec.name,
      direction: running.direction,
      model: running.spec.model === 'tcp' ? running.spec.congestion : running.spec.model,
      goodput: (snapshot.octets[i]! * 8) / Math.max(active, 1e-9),
      retransmits: result.retransmits,
      timeouts: result.timeouts,
      delay: sortedMilliseconds(delays[running.direction].ofFlows[i]!),
      completion: milliseconds(result.completions),
      stream: {
        sent: forward.sent,
        received: forward.before.count,
        delivered: forward.after.count,
        lossRatio: forward.sent ? 1 - forward.after.count / forward.sent : 0,
        reorderingBefore: forward.before.reordering(forward.sizes),
        reorderingAfter: forward.after.reordering(forward.sizes),
        densityBefore: forward.before.density(forward.sent),
        densityAfter: forward.after.density(forward.sent),
        bufferDensityBefore: forward.before.bufferDensity(forward.sent),
        bufferDensityAfter: forward.after.bufferDensity(forward.sent),
      },
    };
  });
  const directions = Object.fromEntries(
    DIRECTIONS.map((direction) => [
      direction,
      summariseDirection(simulation, run, sampler, snapshot, direction, delays[direction]),
    ]),
  ) as Record<Direction, DirectionResult>;
  const used = DIRECTIONS.filter((direction) => flows.some((flow) => flow.direction === direction));
  const carriable = used
    .flatMap((direction) => snapshot.carriable[direction])
    .reduce((sum, bits) => sum + bits, 0);
  const goodput = snapshot.octets.reduce((sum, octets) => sum + (octets * 8) / seconds, 0);
  const total = (pick: (flow: FlowSummary) => number): number =>
    flows.reduce((sum, flow) => sum + pick(flow), 0);
  const ratio = (part: (flow: FlowSummary) => number, of: (flow: FlowSummary) => number): number =>
    total(part) / Math.max(1, total(of));
  return {
    goodput,
    efficiency: carriable ? (goodput * seconds) / carriable : 0,
    fairness: jainIndex(commonest(flows).map((flow) => flow.goodput)),
    retransmits: total((flow) => flow.retransmits),
    timeouts: total((flow) => flow.timeouts),
    delay: sortedMilliseconds(
      used.length === 1
        ? delays[used[0]!].after
        : sortAscending(joined(used.map((direction) => delays[direction].after))),
    ),
    completion: milliseconds(simulation.flows.flatMap(({ flow }) => flow.result().completions)),
    reorderedBefore: ratio(
      ({ stream }) => stream.reorderingBefore.reordered,
      ({ stream }) => stream.received,
    ),
    reorderedAfter: ratio(
      ({ stream }) => stream.reorderingAfter.reordered,
      ({ stream }) => stream.delivered,
    ),
    lossRatio: ratio(
      ({ stream }) => stream.sent - stream.delivered,
      ({ stream }) => stream.sent,
    ),
    directions,
    flows,
    conservation: simulation.conservation(),
    picksRefused: simulation.mag.picksRefused + simulation.lma.picksRefused,
    events: simulation.loop.events,
  };
}

/** Nanoseconds of each delivered packet, before and after the resequencer. */
interface Delays {
  readonly before: Float64Array;
  readonly after: Float64Array;
  /** The latter by number of the flow. */
  readonly ofFlows: readonly Float64Array[];
}

/** In ascending order, of all streams of a direction. */
function delaysOf({ flows }: Simulation, direction: Direction): Delays {
  const streams = flows.map((flow) => (flow.direction === direction ? flow.forward : flow.backward));
  const count = streams.reduce((sum, stream) => sum + stream.after.count, 0);
  const before = new Float64Array(count);
  const after = new Float64Array(count);
  const ofFlows: Float64Array[] = [];
  let at = 0;
  for (const stream of streams) {
    stream.putDelays(before, after, at);
    const { count: own } = stream.after;
    // What is one flow's alone need not be sorted twice.
    ofFlows.push(own === count ? after : after.slice(at, at + own));
    at += own;
  }
  for (const sample of new Set([before, after, ...ofFlows])) sortAscending(sample);
  return { before, after, ofFlows };
}

function summariseDirection(
  simulation: Simulation,
  run: SimRun,
  sampler: Sampler,
  snapshot: Snapshot,
  direction: Direction,
  { before, after: sorted }: Delays,
): DirectionResult {
  const { spec } = run;
  const { links, shares } = simulation.sides[direction];
  const sent = shares.counts.reduce((sum, count) => sum + count, 0);
  const receiver = simulation.receiver(direction);
  return {
    paths: spec.paths.map((path, i): PathResult => {
      const link = links[i]!;
      const { delivered, lost, queueDrops, downDrops } = link.counters;
      return {
        bid: path.bid,
        name: path.name,
        packets: shares.counts[i]!,
        share: sent ? shares.counts[i]! / sent : 0,
        weightShare: sent ? shares.due(i) / sent : 0,
        delivered,
        lost,
        queueDrops,
        downDrops,
        // What waits when a rate changes is still sent at the old one.
        utilisation: Math.min(1, (snapshot.sent[direction][i]! * 8) / snapshot.carriable[direction][i]!),
      };
    }),
    shareDeviation: shares.largest,
    delayBefore: sortedMilliseconds(before),
    delayAfter: sortedMilliseconds(sorted),
    resequencer: receiver.resequencer,
    drops: { ...simulation.sender(direction).senderDrops, ...receiver.receiverDrops },
    series: sampler.series[direction],
    delayCurve: sorted.length
      ? Array.from(
          { length: CURVE_POINTS + 1 },
          (_, i) => sorted[Math.round((i / CURVE_POINTS) * (sorted.length - 1))]! / MS,
        )
      : [],
  };
}

function joined(samples: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(samples.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const sample of samples) {
    all.set(sample, at);
    at += sample.length;
  }
  return all;
}

function commonest(flows: readonly FlowSummary[]): readonly FlowSummary[] {
  const groups = Map.groupBy(flows, (flow) => `${flow.model} ${flow.direction}`);
  return [...groups.values()].reduce((most, group) => (group.length > most.length ? group : most), []);
}

function milliseconds(sample: Float64Array | readonly number[]): Quantiles {
  return sortedMilliseconds(sortAscending(new Float64Array(sample)));
}

function sortedMilliseconds(sorted: Float64Array): Quantiles {
  const { count, ...values } = quantilesOfSorted(sorted);
  const scaled = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, value / MS]));
  return { count, ...(scaled as Omit<Quantiles, 'count'>) };
}
