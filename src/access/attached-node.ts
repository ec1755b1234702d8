/** One mobile node on an access interface: what it was told, what is installed for it. */
import type { AccessGrant } from '../pmipv6/access-grant.ts';
import { Advertiser, type AdvertiserSettings, type Asker } from './advertiser.ts';
import { DhcpServer } from './dhcp-server.ts';
import { PrefixDelegation } from './prefix-delegation.ts';
import type { Reachability } from './reachability.ts';
import type { Route } from '../net/netlink/route.ts';

export class AttachedNode {
  readonly identity: string;
  readonly advertiser: Advertiser;
  readonly dhcp = new DhcpServer();
  readonly delegation = new PrefixDelegation();
  /** Where its latest DHCPv6 message came from. */
  dhcp6Client: Asker | null = null;
  /** null: its silence does not matter. */
  reachability: Reachability | null = null;
  /** It fell silent, and counts as gone until it shows itself; until when that is waited for, otherwise null. */
  lostUntil: number | null = null;
  /** null: not known yet, and everything goes to the multicast or broadcast address. */
  linkLayer: Uint8Array | null = null;
  /** The node's own link-local address, from what it sends. */
  linkLocal: string | null = null;
  /** The node is there, whether or not it has a binding. */
  attached = true;
  grant: AccessGrant | null = null;
  /** Our link-local address by its present or last binding; null: the interface's own. */
  assignedLinkLocal: string | null = null;
  /** Until when (milliseconds of the clock that never jumps). */
  grantedUntil = 0;
  /** What the session's tunnels are known to carry now, if that is less than the grant says; octets. */
  learnedMtu = Infinity;
  /** When it last showed that it is there (milliseconds of the clock that never jumps). */
  seen = 0;
  /** It has had service, or the interface stands for it: not to be forgotten while it is attached. */
  lasting = false;
  /** Addresses of ours on the interface, as CIDR, and routes to the node. */
  addresses: readonly string[] = [];
  routes: readonly Route[] = [];
  /** Our link-local address on the interface that is there for the node, as CIDR: until its farewell has gone out. */
  heldLinkLocal: string | null = null;

  constructor(identity: string, settings: AdvertiserSettings) {
    this.identity = identity;
    this.advertiser = new Advertiser(settings);
  }
}
