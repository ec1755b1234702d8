/** What an encapsulation costs: octets of outer headers, and so the inner MTU (PROTOCOLS: RFC 2473 §7, RFC 4459). */
import type { PathSpec } from './session-spec.ts';

type Encapsulated = Pick<PathSpec, 'encapsulation' | 'gre' | 'encapsulationLimit' | 'local'>;

/** Octets in front of the inner packet; equal to the length of the path's template. */
export function encapsulationOverhead(path: Encapsulated): number {
  const v6 = path.local.includes(':');
  const udp = path.encapsulation.includes('udp');
  let octets = v6 ? 40 : 20;
  if (v6 && !udp && path.encapsulationLimit !== null) octets += 8;
  if (udp) octets += 8;
  if (path.encapsulation === 'udp-gre') octets += 4;
  if (path.encapsulation.includes('gre')) {
    const { key, sequence, checksum } = path.gre;
    octets += 4 + (key ? 4 : 0) + (sequence ? 4 : 0) + (checksum ? 4 : 0);
  }
  return octets;
}
