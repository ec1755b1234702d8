/**
 * One run: a MAG and an LMA with the real hot path between links in virtual time, traffic in both directions, changes on the way,
 * and a result. The same spec, scheduler and seed give the same result to the bit.
 *
 *   flow -> end -> link 1 --+-> end -> flow           uplink: MAG to LMA
 *             \--> link 2 --/                         downlink: the other way round, on links of its own
 */
import { EaseIn } from '../paths/ease-in.ts';
import { HEALTH_DEFAULTS } from '../paths/path-health.ts';
import { DIRECTIONS, type Direction, type SimEvent, type SimRun, type TrafficSpec } from './spec.ts';
import { End, type EndPorts, type FlowHeader, flowHeader } from './end.ts';
import { EventLoop } from './event-loop.ts';
import { Link, linkName } from './link.ts';
import { ShareDeviation } from './metrics/share-deviation.ts';
import { ARRIVED, DELIVERED, IN_TUNNEL, PacketStore } from './packet-store.ts';
import { PathEstimator, type ProbedLink } from './path-estimator.ts';
import { Random } from './random.ts';
import { type SimResult, summariseRun, takeSnapshot } from './result.ts';
import { Sampler } from './sampler.ts';
import { Stream } from './stream.ts';
import { DatagramFlow } from './traffic/datagrams.ts';
import type { Flow, FlowPort } from './traffic/flow.ts';
import { TcpFlow } from './traffic/tcp-flow.ts';
import type { WaitBounds } from '../paths/wait-bounds.ts';
import { WaitFollower } from './wait-follower.ts';
import {
  CORRESPONDENT_ADDRESS,
  INNER_MTU,
  MOBILE_ADDRESS,
  SESSION,
  configuredRate,
  tunnelSession,
} from './tunnel-session.ts';

const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const FIRST_PORT = 10_000;
/** After the end of the traffic, so long until nothing is on its way any more. */
const DRAIN = 60e9;

export interface RunningFlow {
  readonly spec: TrafficSpec;
  readonly direction: Direction;
  readonly flow: Flow;
  readonly forward: Stream;
  readonly backward: Stream;
}

/** What a direction's packets pass, and what is counted there. */
export interface Side {
  readonly direction: Direction;
  readonly links: readonly Link[];
  readonly shares: ShareDeviation;
  /** Inner packets given to the sending end, and those that came out of the receiving one. */
  sent: number;
  delivered: number;
  deliveredOctets: number;
}

export class Simulation {
  readonly loop = new EventLoop();
  readonly store = new PacketStore();
  readonly flows: RunningFlow[] = [];
  /** Forward and backward stream of each flow in turn; packets bear their stream's number. */
  readonly streams: Stream[] = [];
  readonly sides: Readonly<Record<Direction, Side>>;
  readonly mag: End;
  readonly lma: End;
  readonly #run: SimRun;
  /** Of the paths, now. */
  readonly #weights: number[];
  readonly #sampler: Sampler;
  readonly #estimators: PathEstimator[] = [];
  readonly #ease = new EaseIn();
  readonly #easer: number;

  constructor(module: WebAssembly.Module, run: SimRun) {
    this.#run = run;
    const { spec, seed } = run;
    this.#weights = spec.paths.map(({ weight }) => weight);
    const links = (direction: Direction): Link[] =>
      spec.paths.map((path, i) => new Link(path[direction], seed, linkName(direction, i)));
    const side = (direction: Direction): Side => ({
      direction,
      links: links(direction),
      shares: new ShareDeviation(sharesOf(this.#weights)),
      sent: 0,
      delivered: 0,
      deliveredOctets: 0,
    });
    this.sides = { uplink: side('uplink'), downlink: side('downlink') };
    // Sources act before ends within an instant, so what they send together goes out together.
    spec.traffic.forEach((traffic) => {
      for (let copy = 0; copy < traffic.flows; copy++) this.#addFlow(traffic);
    });
    const end = (role: 'mag' | 'lma', out: Side, into: Side): End => {
      const session = tunnelSession(role, spec, { seed, ...run.distribution });
      const ports = new TunnelPorts(this, out, into);
      const chance = new Random(seed, `end ${role}`);
      return new End(role, chance, module, session, this.loop, into.links, ports, spec.batch);
    };
    this.mag = end('mag', this.sides.uplink, this.sides.downlink);
    this.lma = end('lma', this.sides.downlink, this.sides.uplink);
    this.#easer = this.loop.register((now) => this.#stepEasing(now));
    spec.events.forEach((event) => this.plan(event));
    this.#startEstimators();
    this.#sampler = new Sampler(this, spec.duration);
  }

  /** Runs to the end of the traffic, then until nothing is on its way. */
  run(): SimResult {
    const { spec } = this.#run;
    this.loop.run(spec.duration);
    const snapshot = takeSnapshot(this);
    for (const estimator of this.#estimators) estimator.stop();
    this.loop.run(spec.duration + DRAIN);
    return summariseRun(this, this.#run, this.#sampler, snapshot);
  }

  /** Where every packet is: of the tunnel's copies and of the inner packets. */
  conservation(): SimResult['conservation'] {
    const sum = (pick: (link: Link) => number): number =>
      [...this.sides.uplink.links, ...this.sides.downlink.links].reduce(
        (total, link) => total + pick(link),
        0,
      );
    const drops = (of: (end: End) => Record<string, number>): number =>
      [this.mag, this.lma]
        .flatMap((end) => Object.values(of(end)))
        .reduce((total, count) => total + count, 0);
    return {
      sent: this.sides.uplink.sent + this.sides.downlink.sent,
      transmitted: sum((link) => link.counters.offered + link.counters.doubled),
      lost: sum((link) => link.counters.lost),
      queueDrops: sum((link) => link.counters.queueDrops),
      downDrops: sum((link) => link.counters.downDrops),
      senderDrops: drops((end) => end.senderDrops),
      receiverDrops: drops((end) => end.receiverDrops),
      delivered: this.sides.uplink.delivered + this.sides.downlink.delivered,
      underway: sum((link) => link.inFlight) + this.mag.held + this.lma.held,
    };
  }

  sender(direction: Direction): End {
    return direction === 'uplink' ? this.mag : this.lma;
  }

  receiver(direction: Direction): End {
    return direction === 'uplink' ? this.lma : this.mag;
  }

  #addFlow(spec: TrafficSpec): void {
    const number = this.flows.length;
    const isTcp = spec.model === 'tcp' || spec.model === 'requests';
    const { direction } = spec;
    const way = (direction: Direction): FlowWay => {
      const uplink = direction === 'uplink';
      const header = flowHeader({
        protocol: isTcp ? PROTOCOL_TCP : PROTOCOL_UDP,
        source: uplink ? MOBILE_ADDRESS : CORRESPONDENT_ADDRESS,
        destination: uplink ? CORRESPONDENT_ADDRESS : MOBILE_ADDRESS,
        sourcePort: uplink ? FIRST_PORT + number : 443,
        destinationPort: uplink ? 443 : FIRST_PORT + number,
        tos: spec.tos,
      });
      const stream = new Stream();
      const side = this.sides[direction];
      return { uplink, side, header, stream, number: this.streams.push(stream) - 1 };
    };
    const forward = way(direction);
    const backward = way(direction === 'uplink' ? 'downlink' : 'uplink');
    const port = new TunnelFlowPort(this, forward, backward);
    const random = new Random(this.#run.seed, `flow ${number}`);
    const flow = isTcp
      ? new TcpFlow(spec, port, random, INNER_MTU)
      : new DatagramFlow(spec as ConstructorParameters<typeof DatagramFlow>[0], port, random);
    this.flows.push({ spec, direction, flow, forward: forward.stream, backward: backward.stream });
  }

  /** Something is going to happen to a path, at `event.at` of virtual time, not before now. */
  plan(event: SimEvent): void {
    const { spec } = this.#run;
    const path = spec.paths.findIndex(({ bid }) => bid === event.bid);
    const both = [this.sides.uplink.links[path]!, this.sides.downlink.links[path]!];
    const at = (time: number, action: (now: number) => void): void => {
      this.loop.at(this.loop.register(action), time);
    };
    if (event.change === 'weight') {
      at(event.at, () => {
        this.#tell((sessions) => sessions.setWeights(SESSION, new Map([[event.bid, event.weight]])));
        this.#weights[path] = event.weight;
        for (const { shares } of Object.values(this.sides)) shares.setShares(sharesOf(this.#weights));
      });
    } else if (event.change === 'link') {
      at(event.at, (now) => {
        both[0]!.change(now, event.uplink);
        both[1]!.change(now, event.downlink);
      });
    } else {
      const isUp = event.change === 'up';
      at(event.at, (now) => {
        for (const link of both) link.setUp(now, isUp);
      });
      at(event.at + spec.detection, (now) => {
        if (isUp) this.#easeIn(event.bid, now);
        else this.#ease.end({ session: SESSION, bid: event.bid });
        this.#tell((sessions) => sessions.setPathState(SESSION, event.bid, isUp ? 'up' : 'down'));
      });
    }
  }

  /** Both ends change the session. */
  #tell(change: Parameters<End['change']>[0]): void {
    this.mag.change(change);
    this.lma.change(change);
  }

  /** A path that comes back gets its weight step by step, as from the daemon. */
  #easeIn(bid: number, now: number): void {
    const first = this.#ease.begin({ session: SESSION, bid }, HEALTH_DEFAULTS, now / 1000);
    if (!first) return;
    this.#tell((sessions) => sessions.setPathDivisor(SESSION, bid, first.divisor));
    this.loop.at(this.#easer, Math.ceil(this.#ease.nextUs * 1000));
  }

  #stepEasing(now: number): void {
    for (const { bid, divisor } of this.#ease.due(now / 1000)) {
      this.#tell((sessions) => sessions.setPathDivisor(SESSION, bid, divisor));
    }
    this.loop.at(this.#easer, Math.ceil(this.#ease.nextUs * 1000));
  }

  #startEstimators(): void {
    const { spec, seed } = this.#run;
    const isEqual = (direction: Direction): boolean => spec.equalDelay?.includes(direction) ?? false;
    const follower = (direction: Direction): WaitFollower => {
      const receiver = this.receiver(direction);
      const apply = (bounds: WaitBounds): void => {
        receiver.change((sessions) => sessions.setWaits(SESSION, bounds));
      };
      const hold = (path: number, holdUs: number): void => {
        const { bid } = spec.paths[path]!;
        receiver.change((sessions) => sessions.setPathEstimates(SESSION, bid, { holdUs }));
      };
      const { length } = spec.paths;
      return new WaitFollower(
        length,
        spec.resequencer,
        spec.detection,
        apply,
        isEqual(direction) ? hold : null,
      );
    };
    const followers = { uplink: follower('uplink'), downlink: follower('downlink') };
    const receivers = { uplink: this.lma, downlink: this.mag };
    const probed = (direction: Direction, path: number): ProbedLink => ({
      link: this.sides[direction].links[path]!,
      heard: (delay, now, packets) => {
        followers[direction].add(path, delay, now, packets);
        receivers[direction].noteProbe(spec.paths[path]!.bid, now);
      },
    });
    for (const direction of DIRECTIONS) {
      const back = direction === 'uplink' ? 'downlink' : 'uplink';
      const end = this.sender(direction);
      const fellows: PathEstimator[] = [];
      spec.paths.forEach((specified, path) => {
        const { bid } = specified;
        const estimator = new PathEstimator(this.loop, probed(direction, path), probed(back, path), {
          seed: new Random(seed, `probes ${direction} ${path}`).word(),
          interval: spec.probeInterval,
          oracle: spec.oracle,
          equalWithinUs: isEqual(direction) ? spec.resequencer.maxWaitUs : null,
          configuredRate: configuredRate(specified[direction]),
          fellows,
          report: (estimates) => {
            end.change((sessions) => sessions.setPathEstimates(SESSION, bid, estimates));
          },
        });
        this.#estimators.push(estimator);
      });
    }
  }
}

function sharesOf(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => (total ? weight / total : 0));
}

/** One direction of a flow. */
interface FlowWay {
  readonly uplink: boolean;
  readonly side: Side;
  readonly header: FlowHeader;
  readonly stream: Stream;
  /** Of the stream. */
  readonly number: number;
}

/** By a flow's packets go into the tunnel. A class, as the one below, so that calls by it are compiled inline. */
class TunnelFlowPort implements FlowPort {
  readonly loop: EventLoop;
  readonly options: Int32Array;
  readonly segments: Int32Array;
  readonly sizes: Int32Array;
  readonly #simulation: Simulation;
  readonly #forward: FlowWay;
  readonly #backward: FlowWay;

  constructor(simulation: Simulation, forward: FlowWay, backward: FlowWay) {
    const { loop, store } = simulation;
    this.loop = loop;
    this.options = store.options;
    this.segments = store.segments;
    this.sizes = store.sizes;
    this.#simulation = simulation;
    this.#forward = forward;
    this.#backward = backward;
  }

  send(forward: boolean, size: number, segment: number): number {
    const { uplink, side, header, stream, number } = forward ? this.#forward : this.#backward;
    const { store, loop, mag, lma } = this.#simulation;
    const at = store.add(number, stream.send(size, loop.now), size);
    store.segments[at] = segment;
    side.sent++;
    (uplink ? mag : lma).send(store.tagAt(at), size, header);
    return at;
  }
}

/** What comes out of an end: to the links on the one side, to the flows on the other. */
class TunnelPorts implements EndPorts {
  readonly #loop: EventLoop;
  readonly #store: PacketStore;
  readonly #streams: readonly Stream[];
  readonly #flows: readonly RunningFlow[];
  readonly #out: Side;
  readonly #into: Side;
  /** Flows whose packets come out at this moment. The array is written over and never cut, which would give its memory back. */
  readonly #burst: Flow[] = [];
  #burstLength = 0;

  constructor({ loop, store, streams, flows }: Simulation, out: Side, into: Side) {
    this.#loop = loop;
    this.#store = store;
    this.#streams = streams;
    this.#flows = flows;
    this.#out = out;
    this.#into = into;
  }

  transmit(path: number, words: Int32Array, at: number, length: number): void {
    const out = this.#out;
    out.shares.count(path);
    out.links[path]!.send(this.#loop.now, words, at, length);
  }

  arrived(tag: number): void {
    const store = this.#store;
    const at = store.find(tag);
    // Copies of a redundant scheduler or of a link: only the first counts (RFC 4737 §3.3).
    if (store.progress[at] !== IN_TUNNEL) return;
    store.progress[at] = ARRIVED;
    this.#streams[store.streams[at]!]!.before.push(store.numbers[at]!, this.#loop.now);
  }

  delivered(tag: number): void {
    const store = this.#store;
    const { now } = this.#loop;
    const side = this.#into;
    const at = store.find(tag);
    side.delivered++;
    side.deliveredOctets += store.sizes[at]!;
    const stream = store.streams[at]!;
    // A copy gets through where packets have no sequence numbers.
    const isFirst = store.progress[at] !== DELIVERED;
    if (isFirst) {
      store.progress[at] = DELIVERED;
      this.#streams[stream]!.after.push(store.numbers[at]!, now);
    }
    const { flow } = this.#flows[stream >> 1]!;
    flow.receive((stream & 1) === 0, at, now, isFirst);
    this.#addToBurst(flow);
  }

  #addToBurst(flow: Flow): void {
    for (let i = 0; i < this.#burstLength; i++) if (this.#burst[i] === flow) return;
    this.#burst[this.#burstLength++] = flow;
  }

  burstOver(): void {
    const { now } = this.#loop;
    for (let i = 0; i < this.#burstLength; i++) this.#burst[i]!.burstOver(now);
    this.#burstLength = 0;
  }
}
