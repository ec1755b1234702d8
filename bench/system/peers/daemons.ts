/** Other tunnels' daemons: found on the PATH, run inside a namespace, ended together with everything they forked. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { PingResult } from '../../../src/lab/ping.ts';
import type { LabTopology } from '../../../src/lab/topology.ts';
import { startTraffic } from '../../../src/lab/traffic.ts';
import { withNetlink } from '../../../src/net/netlink.ts';
import { replaceAddress } from '../../../src/net/netlink/address.ts';
import { setLink } from '../../../src/net/netlink/link.ts';
import { processTree } from '../cpu-time.ts';
import { type Ground, INNER, INNER_MTU, type Tunnel, innerEnds } from './peer.ts';

const START_MS = 10_000;
const END_MS = 2_000;
const STEP_MS = 20;

/** The first line that `command` prints about its version, null if it cannot be run. */
export function versionOf(command: string, ...args: string[]): string | null {
  const run = spawnSync(command, args, { encoding: 'utf8', timeout: 5000 });
  if (run.error) return null;
  return /\bv?\d+(\.\w+)+|\bv\d+\b/.exec(`${run.stdout}\n${run.stderr}`)?.[0] ?? 'version unknown';
}

/** The daemons of one tunnel. */
export class Daemons {
  readonly #ground: Ground;
  readonly #children: { readonly child: ChildProcess; readonly log: string }[] = [];

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Runs a command in the namespace of one end; its output goes to a file. */
  run(end: 'mag' | 'lma', command: readonly string[], environment: Record<string, string> = {}): void {
    const { topology, folder } = this.#ground;
    const log = join(folder, `${end}-${this.#children.length}.log`);
    const child = spawn('ip', ['netns', 'exec', topology[end], ...command], {
      cwd: folder,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = createWriteStream(log);
    child.stdout.pipe(output, { end: false });
    child.stderr.pipe(output, { end: false });
    child.on('error', () => {});
    this.#children.push({ child, log });
  }

  pids(): number[] {
    return this.#children.flatMap(({ child }) => (child.pid ? processTree(child.pid) : []));
  }

  /** Resolves when `isTrue` is; throws with the daemons' last words if one ends or time runs out. */
  async until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
    const end = Date.now() + START_MS;
    while (Date.now() < end) {
      this.#ground.signal.throwIfAborted();
      if (await isTrue()) return;
      const ended = this.#children.find(({ child }) => child.exitCode !== null);
      if (ended) throw new Error(`a daemon ended with ${ended.child.exitCode}: ${lastWords(ended.log)}`);
      await pause(STEP_MS);
    }
    const words = this.#children.map(({ log }) => lastWords(log)).join(' | ');
    throw new Error(`no ${what} within ${START_MS / 1000} s: ${words}`);
  }

  /** Waits for device `names.mag` and `names.lma`, gives them their addresses, and waits until the far end answers. */
  async configure(names: { readonly mag: string; readonly lma: string }): Promise<void> {
    const { topology } = this.#ground;
    for (const end of ['mag', 'lma'] as const) {
      const name = names[end];
      await this.until(`device ${name}`, () => linkIs(topology, end, name));
      withNetlink(topology[end], (netlink) =>
        netlink.apply([
          setLink(name, { mtu: INNER_MTU, up: true }),
          replaceAddress(name, `${INNER[end]}/30`),
        ]),
      );
    }
    await this.answer();
  }

  /** Waits until a packet comes through the tunnel and back. */
  answer(): Promise<void> {
    const { from, source, destination } = innerEnds(this.#ground.topology);
    const task = {
      kind: 'ping',
      namespace: from,
      host: destination,
      source,
      count: 1,
      intervalMs: 0,
    } as const;
    return this.until('answer through the tunnel', async () => {
      const { received } = await startTraffic<PingResult>(task).result;
      return received > 0;
    });
  }

  tunnel(): Tunnel {
    return {
      ends: innerEnds(this.#ground.topology),
      pids: () => this.pids(),
      stop: () => this.stop(),
    };
  }

  /** Asks all to end, then makes them. */
  async stop(): Promise<void> {
    const pids = this.pids();
    send(pids, 'SIGTERM');
    const end = Date.now() + END_MS;
    while (pids.some(isAlive) && Date.now() < end) await pause(STEP_MS);
    send(pids.filter(isAlive), 'SIGKILL');
  }
}

function linkIs(topology: LabTopology, end: 'mag' | 'lma', name: string): boolean {
  return withNetlink(topology[end], (netlink) => netlink.link(name)) !== null;
}

function send(pids: readonly number[], signal: 'SIGTERM' | 'SIGKILL'): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z');
  } catch {
    return false;
  }
}

function lastWords(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').slice(-3).join(' / ');
  } catch {
    return '';
  }
}
