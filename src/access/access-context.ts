/** What the parts of the access side share: the host around them, time, chance, and where their news go. */
import type { HostConfiguration } from '../net/host-configuration.ts';
import type { Readiness } from '../net/readiness.ts';
import type { AccessMessage, Attachment, Detachment, PrefixRelease } from './access-config.ts';

export interface AccessContext {
  /** Network namespace, null for the process's own. */
  readonly namespace: string | null;
  readonly readiness: Readiness;
  readonly host: HostConfiguration;
  readonly insidePriority: number | null;
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
  /** Equally distributed from 0 to 1. */
  readonly random: () => number;
  /** Our own link-local address on an interface, null if it has none. */
  readonly linkLocalOf: (device: string) => string | null;
  readonly attached: (attachment: Attachment) => void;
  readonly detached: (detachment: Detachment) => void;
  readonly released: (release: PrefixRelease) => void;
  /** A node has given its IPv4 home address back. */
  readonly addressReleased: (node: string) => void;
  /** A node asks for an IPv4 home address that its binding does not have. */
  readonly addressWanted: (node: string) => void;
  /** A node that has given its delegated prefixes back asks for some again. */
  readonly delegationWanted: (node: string) => void;
  /** null: nobody watches. */
  readonly watch: ((message: AccessMessage) => void) | null;
  /** Deadlines may have changed. */
  readonly changed: () => void;
  readonly log: (level: 'info' | 'warn', text: string, node?: string) => void;
}

/** What access links and LANs have in common: we are the router there, and forward. */
export function prepareRouter({ host, log }: AccessContext, device: string): void {
  host.removeLeftoverRoutes(device);
  host.setSysctl(`ipv6/conf/${device}/accept_ra`, '0');
  // Neighbour Advertisements say that we are a router (R flag), or hosts would not take us for one (RFC 4861 §7.2.5).
  host.setSysctl(`ipv6/conf/${device}/forwarding`, '1');
  if (host.forwardFrom(device)) return;
  log('warn', `${device}: IPv6 is not forwarded, set net.ipv6.conf.all.forwarding=1`);
}
