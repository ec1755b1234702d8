/**
 * A MAG and an LMA as daemons in namespaces of their own, joined by two WAN links, with a Linux host behind the MAG that configures
 * itself and a correspondent address at the LMA.
 *
 *   host eth0 -- acc0 [MAG] == wan0, wan1 == [LMA] 2001:db8:c::1
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { BindingStatus } from '../../src/control/signaling-status.ts';
import { callControl } from '../../src/control/client.ts';
import { startTraffic } from '../../src/lab/traffic.ts';
import type { DataplaneStatus, SessionStatus } from '../../src/dataplane/status.ts';
import { exchangeSysctl } from '../../src/net/sysctl.ts';
import { Daemon, addNamespace, joinNamespaces, run, waitFor } from './daemon.ts';
import { MobileHost } from './mobile-host.ts';

export const CORRESPONDENT = '2001:db8:c::1';
export const LMAA = '2001:db8:f::1';
export const NODE = 'mn1@example.org';
export const WAN = [
  { mag: '2001:db8:a::1', lma: '2001:db8:a::ff' },
  { mag: '2001:db8:b::1', lma: '2001:db8:b::ff' },
] as const;

interface End {
  readonly namespace: string;
  readonly address: string;
}

interface TcpReport {
  readonly bytes: number;
  readonly sha256: string;
}

function memory({ sessions, paths }: { sessions: number; paths: number }): string {
  return `memory: { sessions: ${sessions}, paths: ${paths}, heapMiB: 64, buffers: 4096 }`;
}

const FEW = { sessions: 64, paths: 256 };

/** Part of a configuration: a machine that stalls does not make a resequencer give up what is only unread. */
export const PATIENT = 'tunnels: { resequencer: { maxWait: 2s } }';

/** The kernel's counters of IPv6 in a namespace, by name. */
function countersOf(namespace: string): Map<string, number> {
  const text = run('ip', 'netns', 'exec', namespace, 'cat', '/proc/net/snmp6');
  return new Map(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/))
      .map(([name, value]) => [name!, Number(value)]),
  );
}

/** Datagrams that sockets of a namespace have been given. */
function datagramsRead(namespace: string): number {
  return countersOf(namespace).get('Udp6InDatagrams') ?? 0;
}

export class Deployment {
  readonly mag: string;
  readonly lma: string;
  readonly host: MobileHost;
  readonly folder = mkdtempSync(join(tmpdir(), 'tunloom-'));
  magDaemon: Daemon | undefined;
  lmaDaemon: Daemon | undefined;

  readonly #under: readonly string[];

  /** `under`: as in Daemon.start. */
  constructor(tag: string, under: readonly string[] = []) {
    this.#under = under;
    this.mag = `tl${tag}m-${process.pid}`;
    this.lma = `tl${tag}l-${process.pid}`;
    for (const namespace of [this.mag, this.lma]) {
      addNamespace(namespace);
      exchangeSysctl(namespace, 'ipv6/conf/all/forwarding', '1');
      exchangeSysctl(namespace, 'ipv4/conf/all/rp_filter', '0');
      exchangeSysctl(namespace, 'ipv4/conf/default/rp_filter', '0');
      // A link that goes down keeps its addresses, as those of a real access network come back.
      exchangeSysctl(namespace, 'ipv6/conf/all/keep_addr_on_down', '1');
      exchangeSysctl(namespace, 'ipv6/conf/default/keep_addr_on_down', '1');
    }
    WAN.forEach((_, i) => this.join(i));
    for (const address of [LMAA, CORRESPONDENT]) {
      run('ip', '-n', this.lma, 'address', 'add', `${address}/128`, 'dev', 'lo');
    }
    this.host = new MobileHost(`tl${tag}h-${process.pid}`, this.mag, 'acc0', '02:00:5e:00:53:01');
    run('ip', '-n', this.mag, 'link', 'set', 'acc0', 'up');
  }

  /** Makes the WAN link `i`, which is not there, with all its addresses and routes. */
  join(i: number): void {
    const { mag, lma } = WAN[i]!;
    joinNamespaces([this.mag, `wan${i}`, `${mag}/64`], [this.lma, `wan${i}`, `${lma}/64`]);
    const via = ['via', lma, 'dev', `wan${i}`, 'metric', String(10 + i)];
    run('ip', '-n', this.mag, 'route', 'add', `${LMAA}/128`, ...via);
  }

  async startLma(
    extra = '',
    mags = '{ address: 2001:db8:a::/64 }, { address: 2001:db8:b::/64 }',
    addresses: readonly string[] = [LMAA],
    room = FEW,
  ): Promise<void> {
    this.lmaDaemon = await Daemon.start(
      this.lma,
      'lma',
      join(this.folder, 'lma.yaml'),
      `
addresses: [${addresses.map((address) => `'${address}'`).join(', ')}]
state: ${this.folder}/lma
workers: 1
tun: { name: tlma, addresses: ['2001:db8:1000::ffff/128'], queueLength: 10000 }
${memory(room)}
pools: { homePrefixes: ['2001:db8:1000::/48'], delegated: [{ pool: '2001:db8:4000::/36', length: 56 }] }
mags: [${mags}]
nodes: [{ identity: '*@example.org' }]
${extra}`,
      join(this.folder, 'lma.sock'),
      this.#under,
    );
  }

  async startMag(
    extra = '',
    lma = `{ ipv6: '${LMAA}' }`,
    node = `{ identity: '*@example.org' }`,
  ): Promise<void> {
    this.magDaemon = await Daemon.start(
      this.mag,
      'mag',
      join(this.folder, 'mag.yaml'),
      `
identity: mag1@example.org
lma: ${lma}
interfaces:
  - { name: wan0, bid: 1, label: 11, technology: lte }
  - { name: wan1, bid: 2, label: 9, technology: wlan, priority: 1 }
nodes: [${node}]
access: [{ name: acc0, node: ${NODE}, attachOn: [link, router-solicitation] }]
state: ${this.folder}/mag
workers: 1
tun: { name: tmag, queueLength: 10000 }
${memory(FEW)}
heartbeat: { interval: 1s, missingAllowed: 1 }
${extra}`,
      join(this.folder, 'mag.sock'),
      this.#under,
    );
  }

  bindings(end: 'mag' | 'lma'): Promise<BindingStatus[]> {
    return this.#get(end, '/v1/bindings') as Promise<BindingStatus[]>;
  }

  sessions(end: 'mag' | 'lma'): Promise<SessionStatus[]> {
    return this.#get(end, '/v1/sessions') as Promise<SessionStatus[]>;
  }

  /** Until both ends, or those named, have one session with exactly these paths, and send on them. */
  async pathsAre(bids: readonly number[], ...ends: readonly ('mag' | 'lma')[]): Promise<void> {
    let seen = '';
    try {
      await waitFor(async () => {
        const both = await Promise.all(
          (ends.length ? ends : (['mag', 'lma'] as const)).map((end) => this.sessions(end)),
        );
        const states = both.map((sessions) =>
          // Paths that only receive, as while they are registered or given up, have no weight.
          sessions.flatMap(({ paths }) => paths.map(({ bid, weight }) => (weight ? bid : `(${bid})`))).join(),
        );
        seen = states.join(' | ');
        return states.every((state) => state === bids.join());
      }, 20_000);
    } catch (error) {
      throw new Error(
        `paths are ${seen}, expected ${bids.join()}; MAG: ${this.magDaemon?.log}; LMA: ${this.lmaDaemon?.log}`,
        {
          cause: error,
        },
      );
    }
  }

  /** The host's address by SLAAC. */
  async address(): Promise<string> {
    let address: string | undefined;
    await waitFor(() => {
      address = this.host
        .addresses(6)
        .find((one) => one.startsWith('2001:db8:1000:'))
        ?.split('/')[0];
      return address !== undefined;
    }, 20_000);
    return address!;
  }

  /** Whether the correspondent answers the host. Not in step with this process, which may be part of the way. */
  pings(): Promise<boolean> {
    const args = ['netns', 'exec', this.host.namespace, 'ping', '-c', '1', '-W', '1', CORRESPONDENT];
    const ping = spawn('ip', args, { stdio: 'ignore' });
    return new Promise((resolve) => ping.once('exit', (status) => resolve(status === 0)));
  }

  /**
   * What both ends and the kernel under them have counted, for the message of an expectation about loss or order: it tells where that
   * happened.
   */
  async account(): Promise<string> {
    const ends = await Promise.all(
      (['mag', 'lma'] as const).map(async (end) => {
        const status = (await this.#get(end, '/v1/status')) as DataplaneStatus;
        const sessions = (await this.sessions(end)).map(({ name, wait, resequencer, paths }) => {
          const { depthHistogram: _depth, waitHistogram: _wait, ...counts } = resequencer;
          const byPath = paths.map(({ bid, txPackets, rxPackets }) => ({ bid, txPackets, rxPackets }));
          return { name, wait, resequencer: counts, paths: byPath };
        });
        return `${end}: ${JSON.stringify({ drops: status.drops, workers: status.workers, sessions })}`;
      }),
    );
    const kernel = [this.mag, this.lma, this.host.namespace].map((namespace) => {
      const links = JSON.parse(run('ip', '-n', namespace, '-s', '-j', 'link')) as {
        ifname: string;
        stats64: Record<'rx' | 'tx', { dropped: number }>;
      }[];
      const dropped = links.map(({ ifname, stats64: { rx, tx } }) => `${ifname} ${rx.dropped}/${tx.dropped}`);
      const counted = [...countersOf(namespace)].filter(
        ([name, value]) => value && /^(Udp6|Ip6.*(Discards|Errors|NoRoutes))/.test(name),
      );
      return `${namespace}: dropped in/out ${dropped.join(', ')}; ${counted.map((pair) => pair.join(' ')).join(', ')}`;
    });
    return [...ends, ...kernel].join('\n');
  }

  /** A TCP stream between host and correspondent; `meanwhile` happens in its middle. Gives the octets that arrived whole and unchanged. */
  async tcp(
    direction: 'uplink' | 'downlink',
    address: string,
    seconds: number,
    meanwhile: () => Promise<void> = () => Promise.resolve(),
  ): Promise<number> {
    const [from, to] = this.#ends(direction, address);
    const { namespace, address: host } = to;
    const server = startTraffic<TcpReport>({ kind: 'tcp-server', namespace, host, port: 5001 });
    await server.ready;
    const client = startTraffic<TcpReport>({
      kind: 'tcp-client',
      namespace: from.namespace,
      host,
      port: 5001,
      source: from.address,
      seconds,
    });
    await client.ready;
    await meanwhile();
    const [received, sent] = await Promise.all([server.result, client.result]);
    expect(received).toMatchObject({ bytes: sent.bytes, sha256: sent.sha256 });
    return received.bytes;
  }

  /**
   * Numbered datagrams between host and correspondent, 1000 a second for as long as `meanwhile` takes. Fails if one is lost, doubled or
   * misordered, and says what was counted where. Both ends have to be PATIENT.
   */
  async allDatagramsArrive(
    direction: 'uplink' | 'downlink',
    address: string,
    meanwhile: () => Promise<void>,
  ): Promise<void> {
    const [from, to] = this.#ends(direction, address);
    const { namespace, address: host } = to;
    const sink = startTraffic<{ received: number; outOfOrder: number; duplicates: number }>({
      kind: 'udp-sink',
      namespace,
      host,
      port: 5002,
    });
    await sink.ready;
    const before = datagramsRead(namespace);
    const source = startTraffic<{ sent: number }>({
      ...{ kind: 'udp-source', namespace: from.namespace, host, port: 5002, source: from.address },
      ...{ count: Infinity, size: 600, perSecond: 1000 },
    });
    await source.ready;
    await meanwhile();
    source.finish();
    const { sent } = await source.result;
    // If some are missing, the report says so.
    await waitFor(() => datagramsRead(namespace) - before >= sent, 5_000).catch(() => {});
    const account = await this.account();
    sink.finish();
    const { received, ...rest } = await sink.result;
    const result = { lost: sent - received, ...rest };
    expect(result, account).toEqual({ lost: 0, outOfOrder: 0, duplicates: 0 });
  }

  #ends(direction: 'uplink' | 'downlink', address: string): [from: End, to: End] {
    const host = { namespace: this.host.namespace, address };
    const correspondent = { namespace: this.lma, address: CORRESPONDENT };
    return direction === 'uplink' ? [host, correspondent] : [correspondent, host];
  }

  /** Changes the MAG's file and has it read again. Throws what the daemon answers. */
  async reloadMag(change: (text: string) => string): Promise<unknown> {
    const file = join(this.folder, 'mag.yaml');
    writeFileSync(file, change(readFileSync(file, 'utf8')));
    return callControl(this.magDaemon!.socket, 'POST', '/v1/reload');
  }

  async stop(): Promise<void> {
    await this.magDaemon?.end('SIGKILL');
    await this.lmaDaemon?.end('SIGKILL');
    this.host.dispose();
    for (const namespace of [this.mag, this.lma]) spawnSync('ip', ['netns', 'delete', namespace]);
    rmSync(this.folder, { recursive: true });
  }

  #get(end: 'mag' | 'lma', path: string): Promise<unknown> {
    return callControl((end === 'mag' ? this.magDaemon : this.lmaDaemon)!.socket, 'GET', path);
  }
}
