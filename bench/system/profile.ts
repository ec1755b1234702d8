/**
 * Where the nanoseconds go: perf(1) samples the threads of this process, in which both ends of tunloom run, while traffic
 * passes; samples are grouped by what they were spent on and divided by packets. Generator and iperf3 are not sampled.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { iperf3 } from '../../src/lab/iperf3.ts';
import { withTunnel } from './measurement.ts';
import type { Tunnel } from './peers/peer.ts';
import { type Frame, groupOf, stageOf } from './profile-groups.ts';
import type { Scenario } from './scenario.ts';
import { countSystemCalls } from './system-calls.ts';
import { UdpLoad } from './udp-load.ts';

export interface Profile {
  readonly scenario: string;
  readonly load: string;
  readonly packetsPerSecond: number;
  /** CPU time of both ends a packet. */
  readonly nanosecondsPerPacket: number;
  /** The same by group. */
  readonly groups: Readonly<Record<string, number>>;
  /** The same by stage of the packet's way. */
  readonly stages: Readonly<Record<string, number>>;
  /** System calls and context switches of both ends a packet; empty where perf cannot count them. */
  readonly systemCalls: Readonly<Record<string, number>>;
  /** The functions with most samples of their own, nanoseconds a packet. */
  readonly functions: readonly { readonly symbol: string; readonly nanoseconds: number }[];
}

/** cpu-clock works in virtual machines without performance counters. The rate is prime to everybody's ticks. */
const SAMPLES_PER_SECOND = 4999;
const SECONDS = 2;
/** Until traffic is even. */
const LEAD_MS = 1000;
/** Lead, a second for counting system calls, samples, and time for perf to start twice. */
const TRAFFIC_SECONDS = LEAD_MS / 1000 + SECONDS + 2;
/** Every encapsulation carries it. */
const UDP_RATE = 50_000;
const UDP_SIZE = 64;
const FUNCTIONS = 15;
const LARGEST_OUTPUT = 1 << 30;

export function hasPerf(): boolean {
  return spawnSync('perf', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Profiles of a tunloom scenario under one TCP stream and under 64-octet UDP. */
export async function profileScenario(scenario: Scenario, signal: AbortSignal): Promise<Profile[]> {
  // Workers that start from here on tell perf the names of what they compile.
  setFlagsFromString('--perf-basic-prof');
  const names = wasmNames();
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-perf-'));
  try {
    return await withTunnel(scenario, signal, async (tunnel) => {
      const threads = readdirSync('/proc/self/task');
      const record = (load: string): Promise<Profile> =>
        recordProfile(
          { tunnel, threads, names, signal, file: join(folder, 'perf.data') },
          scenario.name,
          load,
        );
      const transfer = iperf3(tunnel.ends, TRAFFIC_SECONDS, 1, { signal });
      const profiles = [await record('one TCP stream')];
      await transfer;
      const load = await UdpLoad.start(tunnel.ends, UDP_SIZE, signal);
      try {
        const traffic = load.run({ perSecond: UDP_RATE, seconds: TRAFFIC_SECONDS });
        profiles.push(await record(`UDP ${UDP_SIZE} octets, ${UDP_RATE} a second`));
        await traffic;
      } finally {
        await load.stop();
      }
      return profiles;
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(`/tmp/perf-${process.pid}.map`, { force: true });
  }
}

interface Recording {
  readonly tunnel: Tunnel;
  readonly threads: readonly string[];
  readonly names: ReadonlyMap<number, string>;
  readonly file: string;
  readonly signal: AbortSignal;
}

async function recordProfile(recording: Recording, scenario: string, load: string): Promise<Profile> {
  const { tunnel, threads, names, file, signal } = recording;
  await pause(LEAD_MS, undefined, { signal });
  const systemCalls = await countSystemCalls(threads, () => tunnel.packets?.() ?? 0, signal);
  const before = tunnel.packets?.() ?? 0;
  const started = performance.now();
  // All of the machine, because a clock for each thread would be set anew at every switch, which costs more than the switch.
  const options = ['-q', '-a', '-g', '-e', 'cpu-clock', '-F', String(SAMPLES_PER_SECOND)];
  const perf = spawn('perf', ['record', ...options, '-o', file, '--', 'sleep', String(SECONDS)], {
    stdio: 'ignore',
    signal,
  });
  await new Promise<void>((resolve, reject) => {
    perf.once('error', reject);
    perf.once('close', () => resolve());
  });
  const elapsed = (performance.now() - started) / 1000;
  const packetsPerSecond = ((tunnel.packets?.() ?? 0) - before) / elapsed;
  const script = execFileSync('perf', ['script', '-i', file, '-F', 'ip,sym,dso', '--tid', threads.join()], {
    encoding: 'utf8',
    maxBuffer: LARGEST_OUTPUT,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const stacks = readStacks(script);
  const perSample = 1e9 / SAMPLES_PER_SECOND / SECONDS / packetsPerSecond;
  return {
    ...{ scenario, load, packetsPerSecond },
    nanosecondsPerPacket: stacks.length * perSample,
    groups: count(stacks.map(groupOf), perSample),
    stages: count(stacks.map(stageOf), perSample),
    systemCalls,
    functions: Object.entries(
      count(
        stacks.map((stack) => nameOf(stack[0]!, names)),
        perSample,
      ),
    )
      .map(([symbol, nanoseconds]) => ({ symbol, nanoseconds }))
      .sort((a, b) => b.nanoseconds - a.nanoseconds)
      .slice(0, FUNCTIONS),
  };
}

/** Stacks of perf-script(1): a line a frame, "address symbol (object)", innermost first; an empty line ends a stack. */
export function readStacks(script: string): Frame[][] {
  return script
    .split('\n\n')
    .map((block) =>
      block.split('\n').flatMap((line) => {
        const match = /^\s*[0-9a-f]+ (.*) \((.*)\)$/.exec(line);
        return match ? [{ symbol: match[1]!, object: match[2]! }] : [];
      }),
    )
    .filter((stack) => stack.length > 0);
}

function nameOf({ symbol, object }: Frame, names: ReadonlyMap<number, string>): string {
  const wasm = /wasm-function\[(\d+)\]/.exec(symbol);
  if (wasm) return `${names.get(Number(wasm[1])) ?? wasm[0]} (WebAssembly)`;
  return symbol === '[unknown]' ? `unknown in ${object.split('/').at(-1)}` : symbol;
}

function count(keys: readonly string[], each: number): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const key of keys) sums[key] = (sums[key] ?? 0) + each;
  return sums;
}

/** Names of the functions of build/release.wasm, which has none itself: a build that differs only in having them. */
function wasmNames(): ReadonlyMap<number, string> {
  const root = new URL('../../', import.meta.url).pathname;
  const folder = mkdtempSync(join(tmpdir(), 'tunloom-names-'));
  try {
    const asc = join(root, 'node_modules/.bin/asc');
    const output = ['--debug', '--textFile', join(folder, 'names.wat'), '-o', join(folder, 'names.wasm')];
    execFileSync(process.execPath, [asc, '--target', 'release', ...output], { cwd: root, stdio: 'ignore' });
    const module = new WebAssembly.Module(readFileSync(join(folder, 'names.wasm')));
    const [section] = WebAssembly.Module.customSections(module, 'name');
    return section ? readNames(new Uint8Array(section)) : new Map();
  } catch {
    // Numbers have to do.
    return new Map();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The function names of a name section (WebAssembly core specification, appendix A.4). */
export function readNames(bytes: Uint8Array): Map<number, string> {
  const names = new Map<number, string>();
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const octet = bytes[at++]!;
      value |= (octet & 127) << shift;
      if (octet < 128) return value;
    }
  };
  while (at < bytes.length) {
    const kind = bytes[at++];
    const end = number() + at;
    if (kind === 1) {
      for (let left = number(); left > 0; left--) {
        const index = number();
        const length = number();
        names.set(index, new TextDecoder().decode(bytes.subarray(at, (at += length))));
      }
    }
    at = end;
  }
  return names;
}
