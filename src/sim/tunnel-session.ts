/** The session that is simulated, as both ends' tables want it: GRE with key and sequence number over IPv4 on every path. */
import type { DistributionSpec } from '../dataplane/distribution-spec.ts';
import type { PathSpec, SessionSpec } from '../dataplane/session-spec.ts';
import { traceRate } from '../emulator/model/trace.ts';
import type { LinkSpec } from './link.ts';
import type { SimSpec } from './spec.ts';

export const SESSION = 'mn1';
/** 192.0.2.10 and 203.0.113.200. */
export const MOBILE_ADDRESS = 0xc000_020a;
export const CORRESPONDENT_ADDRESS = 0xcb00_71c8;
/** Outer IPv4 and GRE with key and sequence number. */
export const OVERHEAD = 32;
const PATH_MTU = 1500;
export const INNER_MTU = PATH_MTU - OVERHEAD;

/** The session of a scenario as the end `role` has it, with `distribution` for what that end sends. */
export function tunnelSession(
  role: 'mag' | 'lma',
  spec: SimSpec,
  distribution: Partial<DistributionSpec>,
): SessionSpec {
  const mag = (bid: number): string => `198.51.100.${bid}`;
  const lma = (bid: number): string => `203.0.113.${bid}`;
  const uplink = role === 'mag';
  return {
    name: SESSION,
    prefixes: ['192.0.2.0/24'],
    sendKey: uplink ? 1 : 2,
    receiveKey: uplink ? 2 : 1,
    allowReordering: false,
    clampMss: false,
    resequencer: spec.resequencer,
    distribution: { peerWindow: spec.resequencer.window, ...distribution },
    ...(spec.latency ? { latency: spec.latency } : {}),
    paths: spec.paths.map(({ bid, name, weight, ...links }): PathSpec => {
      const link = uplink ? links.uplink : links.downlink;
      return {
        bid,
        name,
        weight,
        local: uplink ? mag(bid) : lma(bid),
        remote: uplink ? lma(bid) : mag(bid),
        localPort: 0,
        remotePort: 0,
        encapsulation: 'gre',
        mtu: PATH_MTU,
        gre: { key: true, sequence: true, checksum: false },
        hopLimit: 64,
        dscp: 'copy',
        ecn: 'normal',
        dontFragment: 'set',
        encapsulationLimit: null,
        rate: configuredRate(link),
        delayUs: Math.round(link.delay),
      };
    }),
  };
}

/** What the operator knows of the link beforehand, bits a second; probes correct it. */
export function configuredRate({ trace, rate }: LinkSpec): number | undefined {
  return trace ? traceRate(trace) : (rate ?? undefined);
}
