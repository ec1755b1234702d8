/** What one run goes through: bare veth, tunloom in all wanted shapes, the other tunnels that are installed. */
import type { Encapsulation } from '../../src/dataplane/session-spec.ts';
import { type LabPath, planPaths } from '../../src/lab/plan.ts';
import type { BenchOptions } from './options.ts';
import { startBareVeth } from './peers/bare-veth.ts';
import { FASTD } from './peers/fastd.ts';
import { GLORYTUN } from './peers/glorytun.ts';
import { MLVPN } from './peers/mlvpn.ts';
import { OPENVPN } from './peers/openvpn.ts';
import type { Ground, Peer, Tunnel } from './peers/peer.ts';
import { startTunloom } from './peers/tunloom.ts';
import { VTUN } from './peers/vtun.ts';
import { WIREGUARD_GO } from './peers/wireguard-go.ts';

export interface Scenario {
  /** Unique, for people and for the targets. */
  readonly name: string;
  readonly kind: 'bare' | 'tunloom' | 'peer';
  readonly paths: number;
  /** What was configured, in a few words. */
  readonly settings: string;
  /** The network that it needs. */
  readonly links: readonly LabPath[];
  readonly start: (ground: Ground) => Promise<Tunnel>;
}

export interface Plan {
  readonly scenarios: readonly Scenario[];
  /** Peers that are not installed. */
  readonly absent: readonly string[];
}

export const BARE = 'bare veth';
export const BARE_WITHOUT_OFFLOAD = 'bare veth, no offload';

export const PEERS: readonly Peer[] = [MLVPN, FASTD, WIREGUARD_GO, VTUN, OPENVPN, GLORYTUN];

/** A tunloom scenario's name: encapsulation, outer family, weights or number of equal paths. */
export function tunloomName(encapsulation: Encapsulation, family: 4 | 6, weights: readonly number[]): string {
  const equal = weights.every((weight) => weight === weights[0]);
  const shape = equal ? `${weights.length} path${weights.length > 1 ? 's' : ''}` : weights.join(':');
  return `tunloom ${encapsulation}/IPv${family}, ${shape}`;
}

/** Plans the run. `find` is told from outside so that it can be tested without looking at the machine. */
export function planScenarios(options: BenchOptions, find = (peer: Peer) => peer.find()): Plan {
  const scenarios: Scenario[] = [bare(BARE, true), bare(BARE_WITHOUT_OFFLOAD, false)];
  for (const encapsulation of options.encapsulations) {
    for (const family of options.families) {
      for (const count of options.paths) {
        scenarios.push(tunloom(encapsulation, family, Array<number>(count).fill(1), options));
        if (encapsulation === 'udp-gre' && family === 4 && count === 2) {
          scenarios.push(tunloom(encapsulation, family, [3, 2], options));
        }
      }
    }
  }
  const absent: string[] = [];
  for (const peer of PEERS) {
    if (options.peers && !options.peers.includes(peer.name.toLowerCase())) continue;
    const version = find(peer);
    if (version === null) absent.push(peer.name);
    else scenarios.push(other(peer, version));
  }
  return { scenarios, absent };
}

function bare(name: string, offload: boolean): Scenario {
  return {
    name,
    kind: 'bare',
    paths: 1,
    settings: offload ? 'segmentation offload on' : 'tso off, gso off',
    links: links('udp', 4, [1]),
    start: async (ground) => startBareVeth(ground, offload),
  };
}

function tunloom(
  encapsulation: Encapsulation,
  family: 4 | 6,
  weights: readonly number[],
  { workers, busyPoll, xdp }: Pick<BenchOptions, 'workers' | 'busyPoll' | 'xdp'>,
): Scenario {
  const paths = links(encapsulation, family, weights);
  return {
    name: tunloomName(encapsulation, family, weights),
    kind: 'tunloom',
    paths: weights.length,
    settings: `${workers} worker${workers > 1 ? 's' : ''} an end, busy-polling for ${busyPoll} µs, AF_XDP ${xdp}`,
    links: paths,
    start: (ground) => startTunloom(ground, { paths, workers, busyPollUs: busyPoll, xdp }),
  };
}

function other(peer: Peer, version: string): Scenario {
  return {
    name: peer.name,
    kind: 'peer',
    paths: peer.paths,
    settings: `${version}; ${peer.settings}`,
    links: links('udp', 4, Array<number>(peer.paths).fill(1)),
    start: (ground) => peer.start(ground),
  };
}

function links(encapsulation: Encapsulation, family: 4 | 6, weights: readonly number[]): LabPath[] {
  return planPaths({ paths: [], weights: weights.join(':'), encapsulation, family: String(family) });
}
