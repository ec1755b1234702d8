/**
 * One run: a MAG and an LMA with the real hot path between links in virtual time, traffic in both directions, changes on the way,
 * and a result. The same spec, scheduler and seed give the same result to the bit.
 *
 *   flow -> end -> link 1 --+-> end -> flow           uplink: MAG to LMA
 *             \--> link 2 --/                         downlink: the other way round, on links of its own
 */
import { type Direction, type SimEvent, type SimRun, type TrafficSpec } from './spec.ts';
import { End, type FlowHeader, flowHeader } from './end.ts';
import { EventLoop } from './event-loop.ts';
import { Link } from './link.ts';
import { Collected } from './metrics/distribution.ts';
import { ShareDeviation } from './metrics/share-deviation.ts';
import { PacketStore } from './packet-store.ts';
import { PathEstimator } from './path-estimator.ts';
import { Random } from './random.ts';
import { type SimResult, summariseRun, takeSnapshot } from './result.ts';
import { Sampler } from './sampler.ts';
import { Stream } from './stream.ts';
import { DatagramFlow } from './traffic/datagrams.ts';
import type { Flow, FlowPort } from './traffic/flow.ts';
import { TcpFlow } from './traffic/tcp-flow.ts';
import {
  CORRESPONDENT_ADDRESS,
  INNER_MTU,
  MOBILE_ADDRESS,
  SESSION,
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

/** One direction of a flow. */
interface FlowWay {
  readonly uplink: boolean;
  readonly side: Side;
  readonly header: FlowHeader;
  readonly stream: Stream;
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
  /** Nanoseconds of each delivered packet, before and after the resequencer. */
  readonly delays: { readonly before: Collected; readonly after: Collected };
}

export class Simulation {
  readonly loop = new EventLoop();
  readonly store = new PacketStore();
  readonly flows: RunningFlow[] = [];
  readonly sides: Readonly<Record<Direction, Side>>;
  readonly mag: End;
  readonly lma: End;
  readonly #run: SimRun;
  /** Of the paths, now. */
  readonly #weights: number[];
  readonly #sampler: Sampler;
  readonly #estimators: PathEstimator[] = [];

  constructor(module: WebAssembly.Module, run: SimRun) {
    this.#run = run;
    const { spec, seed } = run;
    this.#weights = spec.paths.map(({ weight }) => weight);
    const links = (direction: Direction): Link[] =>
      spec.paths.map(
        (path, i) =>
          new Link(this.loop, path[direction], seed, `${direction} ${i}`, (words, at, length) => {
            this.#receiver(direction).receive(i, words, at, length);
          }),
      );
    const side = (direction: Direction): Side => ({
      direction,
      links: links(direction),
      shares: new ShareDeviation(sharesOf(this.#weights)),
      sent: 0,
      delivered: 0,
      deliveredOctets: 0,
      delays: { before: new Collected(), after: new Collected() },
    });
    this.sides = { uplink: side('uplink'), downlink: side('downlink') };
    // Sources act before ends within an instant, so what they send together goes out together.
    spec.traffic.forEach((traffic) => {
      for (let copy = 0; copy < traffic.flows; copy++) this.#addFlow(traffic);
    });
    const end = (role: 'mag' | 'lma', out: Side, into: Side): End =>
      new End(
        role,
        module,
        tunnelSession(role, spec, { seed, ...run.distribution }),
        this.loop,
        this.store,
        {
          transmit: (path, words, at, length) => {
            out.shares.count(path);
            out.links[path]!.send(this.loop.now, words, at, length);
          },
          arrived: (_, tag) => this.#arrived(tag),
          delivered: (tag) => this.#delivered(into, tag),
        },
        spec.batch,
      );
    this.mag = end('mag', this.sides.uplink, this.sides.downlink);
    this.lma = end('lma', this.sides.downlink, this.sides.uplink);
    spec.events.forEach((event) => this.#plan(event));
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
    const drops = [this.mag.drops, this.lma.drops].flatMap((reasons) => Object.values(reasons));
    return {
      sent: this.sides.uplink.sent + this.sides.downlink.sent,
      transmitted: sum((link) => link.counters.offered + link.counters.doubled),
      lost: sum((link) => link.counters.lost),
      queueDrops: sum((link) => link.counters.queueDrops),
      downDrops: sum((link) => link.counters.downDrops),
      dataplaneDrops: drops.reduce((total, count) => total + count, 0),
      delivered: this.sides.uplink.delivered + this.sides.downlink.delivered,
      underway: sum((link) => link.inFlight) + this.mag.held + this.lma.held,
    };
  }

  #receiver(direction: Direction): End {
    return direction === 'uplink' ? this.lma : this.mag;
  }

  #sender(direction: Direction): End {
    return direction === 'uplink' ? this.mag : this.lma;
  }

  #addFlow(spec: TrafficSpec): void {
    const number = this.flows.length;
    const isTcp = spec.model === 'tcp' || spec.model === 'requests';
    const { direction } = spec;
    const wayOf = (direction: Direction, stream: Stream): FlowWay => {
      const uplink = direction === 'uplink';
      const header = flowHeader({
        protocol: isTcp ? PROTOCOL_TCP : PROTOCOL_UDP,
        source: uplink ? MOBILE_ADDRESS : CORRESPONDENT_ADDRESS,
        destination: uplink ? CORRESPONDENT_ADDRESS : MOBILE_ADDRESS,
        sourcePort: uplink ? FIRST_PORT + number : 443,
        destinationPort: uplink ? 443 : FIRST_PORT + number,
        tos: spec.tos,
      });
      return { uplink, side: this.sides[direction], header, stream };
    };
    const streams = { forward: new Stream(), backward: new Stream() };
    const ways = {
      forward: wayOf(direction, streams.forward),
      backward: wayOf(direction === 'uplink' ? 'downlink' : 'uplink', streams.backward),
    };
    const { store } = this;
    const port: FlowPort = {
      loop: this.loop,
      sacks: store.sacks,
      segments: store.segments,
      sent: store.sent,
      sizes: store.sizes,
      send: (forward, size, segment) => {
        const { uplink, side, header, stream } = forward ? ways.forward : ways.backward;
        const tag = store.add(number * 2 + (forward ? 0 : 1), stream.sent++, size, this.loop.now);
        const at = store.find(tag);
        store.segments[at] = segment;
        stream.sentOctets += size;
        side.sent++;
        (uplink ? this.mag : this.lma).send(tag, header);
        return at;
      },
    };
    const random = new Random(this.#run.seed, `flow ${number}`);
    const flow = isTcp
      ? new TcpFlow(spec, port, random, INNER_MTU)
      : new DatagramFlow(spec as ConstructorParameters<typeof DatagramFlow>[0], port, random);
    this.flows.push({ spec, direction, flow, ...streams });
  }

  #arrived(tag: number): void {
    const { store } = this;
    const { now } = this.loop;
    const at = store.find(tag);
    if (!store.arrived[at]) store.arrived[at] = now;
    const flow = store.flows[at]!;
    const running = this.flows[flow >> 1]!;
    const stream = flow & 1 ? running.backward : running.forward;
    stream.arrived(store.numbers[at]!, store.sizes[at]!, now);
  }

  #delivered(side: Side, tag: number): void {
    const { store } = this;
    const { now } = this.loop;
    const at = store.find(tag);
    const size = store.sizes[at]!;
    const sent = store.sent[at]!;
    side.delivered++;
    side.deliveredOctets += size;
    side.delays.before.push(store.arrived[at]! - sent);
    side.delays.after.push(now - sent);
    const flow = store.flows[at]!;
    const running = this.flows[flow >> 1]!;
    const isForward = (flow & 1) === 0;
    const stream = isForward ? running.forward : running.backward;
    stream.delivered(store.numbers[at]!, size, now);
    running.flow.receive(isForward, at, now);
  }

  #plan(event: SimEvent): void {
    const { spec } = this.#run;
    const path = spec.paths.findIndex(({ bid }) => bid === event.bid);
    const both = [this.sides.uplink.links[path]!, this.sides.downlink.links[path]!];
    const at = (time: number, action: (now: number) => void): void => {
      this.loop.at(this.loop.register({ run: action }), time);
    };
    const tell = (change: Parameters<End['change']>[0]): void => {
      this.mag.change(change);
      this.lma.change(change);
    };
    if (event.change === 'weight') {
      at(event.at, () => {
        tell((sessions) => sessions.setWeights(SESSION, new Map([[event.bid, event.weight]])));
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
      at(event.at + spec.detection, () => {
        tell((sessions) => sessions.setPathState(SESSION, event.bid, isUp ? 'up' : 'down'));
      });
    }
  }

  #startEstimators(): void {
    const { spec } = this.#run;
    for (const [direction, back] of [
      ['uplink', 'downlink'],
      ['downlink', 'uplink'],
    ] as const) {
      spec.paths.forEach(({ bid }, i) => {
        const { links } = this.sides[direction];
        const end = this.#sender(direction);
        this.#estimators.push(
          new PathEstimator(
            this.loop,
            links[i]!,
            this.sides[back].links[i]!,
            spec.probeInterval,
            spec.oracle,
            (estimates) => {
              end.change((sessions) => sessions.setPathEstimates(SESSION, bid, estimates));
            },
          ),
        );
      });
    }
  }
}

function sharesOf(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => (total ? weight / total : 0));
}
