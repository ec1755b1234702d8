/**
 * One scenario in the lab: network namespaces, emulated links, TUN devices, the daemon's data plane with its probes, the kernel's TCP.
 * Links change, paths die and weights are set at the times that the scenario says.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { DistributionSpec, SchedulerName } from '../../dataplane/distribution-spec.ts';
import type { ResequencerStatus } from '../../dataplane/status.ts';
import type { LinkSpec } from '../../emulator/model/link.ts';
import { TunloomError } from '../../errors.ts';
import { NamespaceLab } from '../namespace-lab.ts';
import { CORRESPONDENT, MOBILE, SESSION } from '../plan.ts';
import { exchangeSysctl } from '../../net/sysctl.ts';
import { HEALTH_DEFAULTS } from '../../paths/path-health.ts';
import { linkSeed } from '../../sim/link.ts';
import { DIRECTIONS, type Direction, type SimEvent, type SimSpec } from '../../sim/spec.ts';
import type { EndReport, TrafficMessage, TrafficTask } from './traffic-task.ts';

/** Between the last thread's report of being ready and the beginning of the traffic. */
const LEAD_MS = 200;
/** Until probes have found the paths. */
const WARM_UP_MS = 600;
/** The simulator's receive window of 4096 segments, and as much again for what the kernel keeps about them. */
const TCP_BUFFERS = '4096 131072 16777216';

export interface ScenarioJob {
  readonly spec: SimSpec;
  readonly distribution: { readonly scheduler: SchedulerName } & Partial<DistributionSpec>;
  /** AssemblyScript file of the scheduler `custom`. */
  readonly file: string | null;
  readonly seed: number;
}

export interface ScenarioRun {
  readonly mag: EndReport;
  readonly lma: EndReport;
  /** Shares of the packets that the sending end of a direction sent, in the order of the paths. */
  readonly shares: Readonly<Record<Direction, readonly number[]>>;
  /** Of the receiving end of a direction. */
  readonly resequencers: Readonly<Record<Direction, ResequencerStatus>>;
}

/** Runs `job`. Throws LAB_TRAFFIC, and what setting up the lab throws; nothing is left behind. */
export async function runScenario(job: ScenarioJob, signal: AbortSignal): Promise<ScenarioRun> {
  const { spec, distribution } = job;
  const lab = await NamespaceLab.start({
    paths: spec.paths.map(({ weight, uplink, downlink }, index) => ({
      name: `wan${index + 1}`,
      weight,
      encapsulation: 'gre',
      family: 4,
      // The n-th packet of a link meets what it meets in the simulator, but for probes.
      link: {
        uplink,
        downlink,
        seeds: {
          uplink: linkSeed(job.seed, 'uplink', index),
          downlink: linkSeed(job.seed, 'downlink', index),
        },
      },
    })),
    duration: spec.duration / 1e9,
    workers: 1,
    memory: false,
    static: true,
    seed: job.seed,
    health: healthOf(spec),
    equalDelay: spec.equalDelay?.map((direction) => (direction === 'uplink' ? 'lma' : 'mag')),
    session: {
      distribution: { peerWindow: spec.resequencer.window, seed: job.seed, ...distribution },
      resequencer: spec.resequencer,
      latency: spec.latency,
    },
    ...(job.file === null ? {} : { customScheduler: job.file }),
  });
  const workers: Worker[] = [];
  const timers: NodeJS.Timeout[] = [];
  try {
    await pause(WARM_UP_MS, undefined, { signal });
    const before = DIRECTIONS.map((direction) => sentPackets(lab, direction));
    const ends = (['mag', 'lma'] as const).map((role) => startEnd(lab, job, role, workers));
    await Promise.all(ends.map(({ ready }) => ready));
    const start = process.hrtime.bigint() + BigInt(LEAD_MS) * 1_000_000n;
    for (const { begin } of ends) begin(Number(start));
    for (const event of spec.events) {
      timers.push(setTimeout(() => apply(lab, spec, event), LEAD_MS + event.at / 1e6));
    }
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    const [mag, lma] = await Promise.race([Promise.all(ends.map(({ report }) => report)), aborted]);
    const shares = DIRECTIONS.map((direction, i) => {
      const sent = sentPackets(lab, direction).map((count, path) => count - before[i]![path]!);
      const total = sent.reduce((sum, count) => sum + count, 0);
      return sent.map((count) => (total ? count / total : 0));
    });
    return {
      mag: mag!,
      lma: lma!,
      shares: { uplink: shares[0]!, downlink: shares[1]! },
      resequencers: {
        uplink: lab.session('lma').resequencer,
        downlink: lab.session('mag').resequencer,
      },
    };
  } finally {
    for (const timer of timers) clearTimeout(timer);
    await Promise.all(workers.map((worker) => worker.terminate()));
    await lab.stop();
  }
}

/** Probes as often as in the simulator; a path dies, and comes back, after the scenario's `detection`. */
function healthOf(spec: SimSpec): NonNullable<Parameters<typeof NamespaceLab.start>[0]['health']> {
  const probes = Math.max(2, Math.round(spec.detection / spec.probeInterval));
  return { ...HEALTH_DEFAULTS, intervalUs: spec.probeInterval / 1000, silent: probes, recover: probes };
}

function sentPackets(lab: NamespaceLab, direction: Direction): number[] {
  return lab.session(direction === 'uplink' ? 'mag' : 'lma').paths.map(({ txPackets }) => txPackets);
}

interface RunningEnd {
  readonly ready: Promise<void>;
  readonly report: Promise<EndReport>;
  begin(start: number): void;
}

function startEnd(
  lab: NamespaceLab,
  { spec, seed }: ScenarioJob,
  role: 'mag' | 'lma',
  workers: Worker[],
): RunningEnd {
  const namespace = lab.topology[role];
  exchangeSysctl(namespace, 'ipv4/tcp_rmem', TCP_BUFFERS);
  exchangeSysctl(namespace, 'ipv4/tcp_wmem', TCP_BUFFERS);
  // A transfer must not profit from what the one before it has learned.
  exchangeSysctl(namespace, 'ipv4/tcp_no_metrics_save', '1');
  const [own, other] = role === 'mag' ? [MOBILE, CORRESPONDENT] : [CORRESPONDENT, MOBILE];
  const task: TrafficTask = {
    namespace,
    role,
    address: own[4],
    peer: other[4],
    traffic: spec.traffic,
    seed,
    duration: spec.duration,
  };
  const file = import.meta.url.endsWith('.ts') ? './traffic-worker.ts' : './traffic-worker.js';
  const worker = new Worker(new URL(file, import.meta.url), { workerData: task });
  workers.push(worker);
  const ready = Promise.withResolvers<void>();
  const report = Promise.withResolvers<EndReport>();
  ready.promise.catch(() => {});
  report.promise.catch(() => {});
  const fail = (reason: string): void => {
    const error = new TunloomError('LAB_TRAFFIC', `traffic in ${namespace}: ${reason}`);
    ready.reject(error);
    report.reject(error);
  };
  worker.on('message', (message: TrafficMessage) => {
    if (message.kind === 'ready') ready.resolve();
    else if (message.kind === 'done') report.resolve(message.report);
    else fail(message.reason);
  });
  worker.on('error', (error) => fail(error.message));
  worker.on('exit', () => fail('ended without a report'));
  return {
    ready: ready.promise,
    report: report.promise,
    begin: (start) => worker.postMessage({ start }),
  };
}

/** Everything is lost on a link that is down. Both ends find that out by themselves. */
const DEAD: Partial<LinkSpec> = { loss: { model: 'random', probability: 1 } };

function apply(lab: NamespaceLab, spec: SimSpec, event: SimEvent): void {
  const path = spec.paths.findIndex(({ bid }) => bid === event.bid);
  const change = (uplink: Partial<LinkSpec>, downlink: Partial<LinkSpec>): void => {
    const { wan } = lab.topology;
    wan.emulator!.change(wan.linkOf(path), 'uplink', uplink);
    wan.emulator!.change(wan.linkOf(path), 'downlink', downlink);
  };
  if (event.change === 'weight') {
    const weights = new Map([[path + 1, event.weight]]);
    lab.mag.dataplane.setWeights(SESSION, weights);
    lab.lma.dataplane.setWeights(SESSION, weights);
  } else if (event.change === 'down') change(DEAD, DEAD);
  else if (event.change === 'link') change(event.uplink, event.downlink);
  else {
    const { uplink, downlink } = linksAt(spec, event);
    change({ loss: uplink.loss }, { loss: downlink.loss });
  }
}

/** The links of an event's path as the scenario has them just before it. */
function linksAt(spec: SimSpec, event: SimEvent): Record<Direction, LinkSpec> {
  const path = spec.paths.find(({ bid }) => bid === event.bid)!;
  let { uplink, downlink } = path;
  for (const other of spec.events) {
    if (other.bid !== event.bid || other.at > event.at || other === event) continue;
    if (other.change !== 'link') continue;
    uplink = { ...uplink, ...other.uplink };
    downlink = { ...downlink, ...other.downlink };
  }
  return { uplink, downlink };
}
