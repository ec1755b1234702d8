/** Measures one scenario once: builds the network and the tunnel, sends through it, takes everything down again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { iperf3 } from '../../src/lab/iperf3.ts';
import type { TransferEnds } from '../../src/lab/measurement.ts';
import type { PingResult } from '../../src/lab/ping.ts';
import { LabTopology } from '../../src/lab/topology.ts';
import { startTraffic } from '../../src/lab/traffic.ts';
import { machineBusySeconds, processSeconds } from './cpu-time.ts';
import type { MetricKey, Part, Sample } from './metric.ts';
import type { Tunnel } from './peers/peer.ts';
import type { Scenario } from './scenario.ts';
import { UdpLoad } from './udp-load.ts';
import { sweep } from './udp-sweep.ts';

export interface MeasurementOptions {
  readonly only: readonly Part[];
  readonly seconds: number;
  readonly signal: AbortSignal;
  readonly progress: (step: string) => void;
  /** Rates that an earlier run found, by metric: where a sweep begins. */
  readonly guesses: Map<string, number>;
}

const STREAMS = 8;
const WARM_UP = { perSecond: 20_000, seconds: 0.7 };
const IDLE_PINGS = { count: 200, intervalMs: 2 };
const LOADED_INTERVAL_MS = 5;
/** Slow start is over by then. */
const RAMP_MS = 300;
/** What a transfer may take beyond its length before it counts as failed. */
const GRACE_MS = 8000;
/** UDP trials are so much shorter than TCP transfers; at 50,000 datagrams a second and 0.5 s, 1 % is 250. */
const TRIAL_PART = 4;

/** Throws if the network or the tunnel cannot be set up; a part that fails becomes a note. */
export function measure(scenario: Scenario, options: MeasurementOptions): Promise<Sample> {
  options.progress('set-up');
  return withTunnel(scenario, options.signal, (tunnel) => new Measurement(scenario, tunnel, options).run());
}

/** Builds a scenario's network and tunnel, and takes them down whatever `action` does. */
export async function withTunnel<T>(
  scenario: Scenario,
  signal: AbortSignal,
  action: (tunnel: Tunnel) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-bench-'));
  let topology: LabTopology | undefined;
  let tunnel: Tunnel | undefined;
  try {
    topology = new LabTopology(scenario.links);
    topology.countWirePackets(false);
    tunnel = await scenario.start({ topology, folder, signal });
    return await action(tunnel);
  } finally {
    try {
      await tunnel?.stop();
    } finally {
      await topology?.dispose();
      rmSync(folder, { recursive: true, force: true });
      collectGarbage();
    }
  }
}

/** A data plane has a hundred MiB of memory, of which JavaScript sees only a handle that it is in no hurry to drop. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

class Measurement {
  readonly #scenario: Scenario;
  readonly #tunnel: Tunnel;
  readonly #options: MeasurementOptions;
  readonly #values: Partial<Record<MetricKey, number>> = {};
  readonly #notes: string[] = [];

  constructor(scenario: Scenario, tunnel: Tunnel, options: MeasurementOptions) {
    this.#scenario = scenario;
    this.#tunnel = tunnel;
    this.#options = options;
  }

  async run(): Promise<Sample> {
    await this.#warmUp();
    // What has compiled the code for super-packets goes before what the targets are about.
    await this.#part('tcp8', 'TCP, 8 streams', () => this.#eightStreams());
    await this.#part('tcp1', 'TCP, 1 stream', () => this.#oneStream());
    await this.#part('udp64', 'UDP 64', () => this.#udp(64, 'udp64Paced', 'udp64Flood'));
    await this.#part('udp1400', 'UDP 1400', () => this.#udp(1400, 'udp1400Paced', 'udp1400Flood'));
    await this.#part('ping', 'ping', () => this.#idlePing());
    return { values: this.#values, notes: this.#notes };
  }

  /** A tunnel runs for years: neighbours are known, code is compiled, caches are filled before anything counts. */
  async #warmUp(): Promise<void> {
    const { ends } = this.#tunnel;
    const load = await UdpLoad.start(ends, 64, this.#options.signal);
    try {
      await load.run(WARM_UP);
    } finally {
      await load.stop();
    }
  }

  async #part(part: Part, title: string, action: () => Promise<void>): Promise<void> {
    const { only, signal, progress } = this.#options;
    signal.throwIfAborted();
    if (!only.includes(part)) return;
    progress(title);
    try {
      await action();
    } catch (error) {
      signal.throwIfAborted();
      this.#notes.push(`${title}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #idlePing(): Promise<void> {
    this.#recordPing(await this.#ping(IDLE_PINGS.count, IDLE_PINGS.intervalMs), 'pingIdle', 'pingIdle99');
  }

  async #ping(count: number, intervalMs: number): Promise<PingResult> {
    const { from, source, destination } = this.#tunnel.ends;
    const task = { kind: 'ping', namespace: from, host: destination, source, count, intervalMs } as const;
    const traffic = startTraffic<PingResult>(task);
    const stop = (): void => void traffic.stop();
    this.#options.signal.addEventListener('abort', stop, { once: true });
    try {
      return await traffic.result;
    } finally {
      this.#options.signal.removeEventListener('abort', stop);
    }
  }

  #recordPing(result: PingResult, median: MetricKey, percentile: MetricKey): void {
    const sorted = result.rttMs.map((ms) => ms * 1000).sort((a, b) => a - b);
    if (!sorted.length) throw new Error('no ping was answered');
    this.#values[median] = sorted[Math.floor(sorted.length / 2)]!;
    this.#values[percentile] = sorted[Math.ceil(sorted.length * 0.99) - 1]!;
    const lost = result.sent - result.received;
    if (lost) this.#notes.push(`${lost} of ${result.sent} pings lost`);
  }

  /** CPU time is taken over the whole transfer; the pings beside it are too few to matter. */
  async #oneStream(): Promise<void> {
    const { seconds } = this.#options;
    const pids = this.#tunnel.pids();
    const machine = machineBusySeconds();
    const tunnel = processSeconds(pids);
    const [transfer, echo] = await Promise.all([this.#tcp(1), this.#pingLater(seconds * 1000 - RAMP_MS)]);
    const gigabytes = transfer.bytes / 1e9;
    this.#values.tcp1 = transfer.bitsPerSecond / 1e6;
    this.#values.cpuMachine = (machineBusySeconds() - machine) / gigabytes;
    this.#values.cpuTunnel = (processSeconds(pids) - tunnel) / gigabytes;
    this.#recordPing(echo, 'pingTcp', 'pingTcp99');
  }

  async #pingLater(forMs: number): Promise<PingResult> {
    await new Promise((resolve) => setTimeout(resolve, RAMP_MS));
    return this.#ping(Math.floor(forMs / (LOADED_INTERVAL_MS + 1)), LOADED_INTERVAL_MS);
  }

  async #eightStreams(): Promise<void> {
    this.#values.tcp8 = (await this.#tcp(STREAMS)).bitsPerSecond / 1e6;
  }

  async #tcp(streams: number): Promise<{ bitsPerSecond: number; bytes: number }> {
    const { seconds, signal } = this.#options;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000 + GRACE_MS)]);
    const result = await iperf3(this.#tunnel.ends satisfies TransferEnds, seconds, streams, {
      signal: limit,
    });
    if (!result) throw new Error('iperf3 gave no result');
    return result;
  }

  /** Flood first: what it delivers is where the sweep begins. */
  async #udp(size: number, paced: MetricKey, flooded: MetricKey): Promise<void> {
    const { guesses, seconds, signal } = this.#options;
    const trial = seconds / TRIAL_PART;
    const load = await UdpLoad.start(this.#tunnel.ends, size, signal);
    try {
      const flood = await load.run({ perSecond: null, seconds: trial });
      this.#values[flooded] = flood.received / flood.seconds;
      const key = `${this.#scenario.name} ${paced}`;
      const guess = guesses.get(key) ?? flood.received / flood.seconds;
      const found = await sweep(guess, (perSecond) => load.run({ perSecond, seconds: trial }));
      this.#values[paced] = found.perSecond;
      guesses.set(key, found.perSecond);
      if (found.generatorLimit) this.#notes.push(`UDP ${size}, paced: the generator's limit`);
    } finally {
      await load.stop();
    }
  }
}
