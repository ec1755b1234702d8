/** One mobile node on an access interface: what it was told, what is installed for it. */
import type { AccessGrant } from '../pmipv6/access-grant.ts';
import { Advertiser, type AdvertiserSettings, type Asker } from './advertiser.ts';
import { DhcpServer } from './dhcp-server.ts';
import { PrefixDelegation } from './prefix-delegation.ts';
import type { Inquiry } from './inquiry.ts';
import type { Reachability } from './reachability.ts';
import type { Route } from '../net/netlink/route.ts';

const UNSERVED_MS = 60_000;

export class AttachedNode {
  readonly identity: string;
  readonly advertiser: Advertiser;
  readonly dhcp = new DhcpServer();
  readonly delegation = new PrefixDelegation();
  /** Where its latest DHCPv6 message came from. */
  dhcp6Client: Asker | null = null;
  /** null: its silence does not matter. */
  reachability: Reachability | null = null;
  /** It fell silent or its link failed, and it counts as gone until it shows itself; until when that is waited for, otherwise null. */
  lostUntil: number | null = null;
  /** The link has come back, and the node is asked whether it is there; null: it is not. */
  inquiry: Inquiry | null = null;
  /** null: not known yet, and everything goes to the multicast or broadcast address. */
  linkLayer: Uint8Array | null = null;
  /** The node's own link-local address, from what it sends. */
  linkLocal: string | null = null;
  /** The node is there, whether or not it has a binding. */
  attached = true;
  grant: AccessGrant | null = null;
  /** Its IPv4 home address and our own there by its present or last binding; null: none. */
  home: AccessGrant['homeAddress'] = null;
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

  /** When something is to be done about it; null: never. Milliseconds of the clock that never jumps, as all times here. */
  get deadline(): number | null {
    const next = Math.min(
      this.advertiser.nextDeadline() ?? Infinity,
      this.#forgetAt() ?? Infinity,
      this.attached ? (this.reachability?.nextDeadline() ?? Infinity) : Infinity,
      this.inquiry?.nextDeadline() ?? Infinity,
    );
    return next === Infinity ? null : next;
  }

  /**
   * A node that has left is forgotten when it has been told that all is over; one that never got service, some time after it was last
   * seen. One that had service is waited for: the LMA may be out of reach for long.
   */
  isForgotten(now: number): boolean {
    const at = this.#forgetAt();
    return at !== null && now >= at;
  }

  /** It has left and has been told that all is over: it needs nothing of ours any more, even if it is waited for. */
  get isTold(): boolean {
    return !this.grant && !this.attached && this.advertiser.idle;
  }

  #forgetAt(): number | null {
    if (this.grant) return null;
    if (!this.attached) return this.advertiser.idle ? (this.lostUntil ?? this.seen) : null;
    return this.lasting ? null : this.seen + UNSERVED_MS;
  }

  /** Delegated prefixes of the binding that it has given back. */
  releasedPrefixes(): string[] {
    return (this.grant?.delegatedPrefixes ?? []).filter((prefix) => this.delegation.hasReleased(prefix));
  }
}
