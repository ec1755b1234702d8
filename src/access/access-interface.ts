/**
 * One access interface of a MAG: notices nodes (Router Solicitation, DHCP, link) and that they have gone, tells them what their bindings
 * give, and keeps our addresses there and the routes to them. access-side.ts owns these and gives them time.
 */
import type { AccessGrant } from '../pmipv6/access-grant.ts';
import { formatAddress, parseAddress, prefixContains } from '../ip.ts';
import { Deadlines } from '../pmipv6/deadlines.ts';
import type { Link } from '../net/netlink/link.ts';
import { formatMac } from '../net/netlink/link.ts';
import { type AccessInterfaceConfig, type AttachReason, identify } from './access-config.ts';
import type { AccessContext } from './access-context.ts';
import { AccessPort, linkLocalText } from './access-port.ts';
import type { Asker } from './advertiser.ts';
import { AttachedNode } from './attached-node.ts';
import { type DhcpReply, DhcpServer } from './dhcp-server.ts';
import { PrefixDelegation, type ReceivedDhcp6, linkLayerDuid } from './prefix-delegation.ts';
import { Inquiry } from './inquiry.ts';
import { Installation } from './installation.ts';
import { Reachability } from './reachability.ts';
import type { ArpPacket } from './wire/arp-packet.ts';
import type { DhcpMessage } from './wire/dhcp-message.ts';
import type { Dhcp6Message } from './wire/dhcp6-message.ts';

/** Nodes behind an interface; more are not noticed, lest invented link-layer addresses eat the memory. */
const MOST_NODES = 16_384;
/** A node that fell silent, or whose link failed, is remembered for so long: what it says next makes it come back, as nothing would have it ask anew. */
const LOST_MS = 3_600_000;
/** RFC 8200 §5; of an interface that has gone. */
const LEAST_MTU = 1280;
/** If neither the binding nor the interface has one. */
const FALLBACK_LINK_LOCAL = 'fe80::1';

export class AccessInterface {
  readonly port: AccessPort;
  #config: AccessInterfaceConfig;
  readonly #context: AccessContext;
  readonly #nodes = new Map<string, AttachedNode>();
  readonly #deadlines = new Deadlines<AttachedNode>(({ deadline }) => deadline);
  readonly #installation: Installation;
  #up = false;

  constructor(config: AccessInterfaceConfig, context: AccessContext) {
    this.#config = config;
    this.#context = context;
    this.#installation = new Installation(config.name, context);
    this.port = new AccessPort(config.name, context, {
      solicited: (linkLayer, asker) => this.#solicited(linkLayer, asker),
      dhcp: (message) => this.#dhcp(message),
      dhcp6: (received, from) => this.#dhcp6(received, from),
      arp: (linkLayer, packet) => this.#arp(linkLayer, packet),
      heard: (linkLayer, address) => this.#heard(linkLayer, address),
    });
  }

  get name(): string {
    return this.#config.name;
  }

  /** Milliseconds after which a silent node counts as gone; null: never. The link tells of the one node that an interface stands for. */
  get #silence(): number | null {
    const { nodes, silence } = this.#config;
    return nodes.by === 'interface' || silence === null ? null : silence * 1000;
  }

  get config(): AccessInterfaceConfig {
    return this.#config;
  }

  nodes(): AttachedNode[] {
    return [...this.#nodes.values()];
  }

  /** The interface is there, up or down. */
  linkChanged(link: Link, up: boolean): void {
    const fresh = this.port.link?.index !== link.index;
    const moved = !fresh && this.port.link?.address !== link.address;
    this.port.open(link);
    if (fresh) this.#installation.prepare(this.#nodes.values());
    // RFC 4861 §7.2.6: hosts have to know our new link-layer address, and advertisements tell it.
    if (moved) this.#announce();
    if (up === this.#up && !fresh) return;
    this.#up = up;
    if (up) this.#noticeLink();
    else this.#linkLost();
  }

  /** The link is up: that may be all that is to be seen of the one node that an interface stands for. */
  #noticeLink(): void {
    const { nodes, attachOn } = this.#config;
    if (this.#up && nodes.by === 'interface' && attachOn.includes('link')) {
      this.#arrived(nodes.identity, null, 'link');
    }
    if (!this.#up) return;
    const now = this.#context.now();
    for (const node of this.#nodes.values()) {
      if (node.lostUntil === null) continue;
      node.inquiry = new Inquiry(now);
      this.#deadlines.watch(node);
    }
  }

  linkGone(): void {
    this.port.close();
    this.#up = false;
    this.#linkLost();
  }

  /** Its nodes have gone, as far as we can tell. Whoever is behind a switch may not notice, and is waited for. */
  #linkLost(): void {
    const lostUntil = this.#context.now() + LOST_MS;
    for (const node of this.#nodes.values()) {
      node.inquiry = null;
      if (!node.attached) continue;
      // Others had nothing that they could come back to, and may be invented.
      if (node.lasting) node.lostUntil = lostUntil;
      this.#detach(node);
    }
  }

  /** What the node's binding gives it from now on; null: it has none any more. */
  serve(node: AttachedNode, grant: AccessGrant | null): void {
    const now = this.#context.now();
    const mtu = this.#mtu(node);
    node.grant = grant;
    node.grantedUntil = grant ? now + grant.lifetime * 1000 : 0;
    if (grant) {
      node.lasting = true;
      // Kept when it ends: the farewell has to come from the router that the node knows (RFC 4861 §6.2.5).
      node.assignedLinkLocal = grant.linkLocal;
      // Likewise: it is asked by that whether it is there.
      node.home = grant.homeAddress;
    }
    if (grant) this.#install(node, grant);
    else this.#installation.uninstall(node);
    if (grant?.homePrefixes.length) {
      node.advertiser.advertise({ prefixes: grant.homePrefixes, until: node.grantedUntil }, now);
      if (this.#mtu(node) !== mtu) node.advertiser.announce(now);
    } else {
      node.advertiser.withdraw(now);
    }
    if (grant?.homeAddress) {
      const { address, prefixLength, router } = grant.homeAddress;
      const dns = this.#config.dns.filter((server) => !server.includes(':'));
      const service = { address, prefixLength, router, mtu: this.#mtu(node), lease: grant.lifetime, dns };
      this.#reply(node.dhcp.serve(service, now), router);
    } else {
      node.dhcp.refuse();
    }
    this.#delegate(node, grant, now);
    this.#deadlines.watch(node);
  }

  #delegate(node: AttachedNode, grant: AccessGrant | null, now: number): void {
    const duid = this.#duid();
    if (!grant || !duid) {
      node.delegation.refuse();
      return;
    }
    const prefixes = grant.delegatedPrefixes.filter((prefix) => prefix.includes(':'));
    const dns = this.#config.dns.filter((server) => server.includes(':'));
    const service = { prefixes, until: node.grantedUntil, dns };
    const reply = node.delegation.serve(service, duid, now);
    if (reply) this.#replyDhcp6(node, reply);
  }

  /** The session's tunnels carry this from now on (RFC 5213 §6.9.5). */
  setMtu(node: AttachedNode, mtu: number): void {
    const before = this.#mtu(node);
    node.learnedMtu = mtu;
    if (this.#mtu(node) === before) return;
    node.advertiser.announce(this.#context.now());
    this.#deadlines.watch(node);
  }

  known(identity: string): AttachedNode | null {
    return this.#nodes.get(identity) ?? null;
  }

  /** The node of that identity, also if it has not been seen, or not yet again. */
  take(identity: string): AttachedNode {
    return this.#nodes.get(identity) ?? this.#add(identity);
  }

  nextDeadline(): number | null {
    return this.#deadlines.next();
  }

  tick(now: number): void {
    for (let node = this.#deadlines.take(now); node; node = this.#deadlines.take(now)) {
      for (const due of node.advertiser.tick(now)) {
        this.port.advertise(due, {
          linkLocal: this.#linkLocal(node),
          linkLayer: node.linkLayer,
          mtu: this.#mtu(node),
          dns: this.#config.dns,
        });
      }
      this.#checkReachable(node, now);
      if (node.isTold) this.#installation.forget(node);
      if (node.isForgotten(now)) this.#forget(node);
      else this.#deadlines.watch(node);
    }
  }

  /** The interface is none of ours any more: nodes are told as much, and nothing is left behind. */
  end(): void {
    this.#detachAll();
    for (const node of this.#nodes.values()) if (node.grant) this.serve(node, null);
    this.tick(this.#context.now());
    this.port.close();
    this.#installation.release();
  }

  /** Goes on under another configuration of the same name. Nodes that it names otherwise leave, and come under their new names. */
  reconfigure(config: AccessInterfaceConfig): void {
    const before = this.#config;
    const silence = this.#silence;
    this.#config = config;
    const now = this.#context.now();
    const renamed = this.#nodesNamedOtherwise();
    for (const { node } of renamed) {
      if (node.attached) this.#detach(node);
      if (node.grant) this.serve(node, null);
    }
    if (this.#silence !== silence) this.#watchSilence(now);
    for (const node of this.#nodes.values()) {
      // Times and name servers may be others.
      if (node.grant)
        this.serve(node, { ...node.grant, lifetime: Math.max(0, node.grantedUntil - now) / 1000 });
      if (node.attached && config.technology !== before.technology) this.#tellAttached(node, 'link');
    }
    this.#announce();
    for (const { identity, linkLayer } of renamed) {
      if (identity !== null) this.#arrived(identity, linkLayer, 'sign-of-life');
    }
    this.#noticeLink();
  }

  /** Nodes that are there and are somebody else now, null: nobody. */
  #nodesNamedOtherwise(): { node: AttachedNode; identity: string | null; linkLayer: Uint8Array | null }[] {
    const { nodes } = this.#config;
    return [...this.#nodes.values()].flatMap((node) => {
      const { linkLayer, attached } = node;
      const identity =
        nodes.by === 'interface' ? nodes.identity : linkLayer && identify(nodes, formatMac(linkLayer));
      return identity === node.identity ? [] : [{ node, identity: attached ? identity : null, linkLayer }];
    });
  }

  #watchSilence(now: number): void {
    const silence = this.#silence;
    for (const node of this.#nodes.values()) {
      node.reachability = silence === null ? null : new Reachability(silence, now);
      this.#deadlines.watch(node);
    }
  }

  #solicited(linkLayer: Uint8Array, asker: Asker | null): void {
    const identity = identify(this.#config.nodes, formatMac(linkLayer));
    if (identity === null) {
      this.port.count('unknownNode');
      return;
    }
    const node = this.#seen(identity);
    if (!node) return;
    if (asker) this.#learnLinkLocal(node, asker.address);
    node.advertiser.solicit(asker, this.#context.now());
    this.#deadlines.watch(node);
    if (this.#config.attachOn.includes('router-solicitation')) {
      this.#arrived(identity, linkLayer, 'router-solicitation');
    }
  }

  #dhcp(message: DhcpMessage): void {
    const identity = identify(this.#config.nodes, formatMac(message.hardwareAddress));
    if (identity === null) {
      this.port.count('unknownNode');
      return;
    }
    const node = this.#seen(identity);
    if (!node) return;
    const outcome = node.dhcp.receive(message, this.#context.now());
    if (outcome.outcome === 'reply') this.#reply(outcome.reply, node.grant!.homeAddress!.router);
    else this.port.count(`dhcp.${outcome.outcome}`);
    if (outcome.outcome === 'declined') {
      this.#context.log('warn', `${identity} declined its home address: another host uses it`, identity);
    }
    if (outcome.outcome === 'released') this.#addressReleased(node);
    if (outcome.outcome === 'waiting' && node.grant) this.#context.addressWanted(identity);
    if (DhcpServer.wantsService(message) && this.#config.attachOn.includes('dhcp')) {
      this.#arrived(identity, message.hardwareAddress, 'dhcp');
    }
  }

  /** A node that has nothing else has left by that, until it asks again. */
  #addressReleased(node: AttachedNode): void {
    const { identity, grant } = node;
    if (grant?.homePrefixes.length) this.#context.addressReleased(identity);
    else if (node.attached) this.#detach(node);
  }

  #dhcp6(received: ReceivedDhcp6, from: Asker): void {
    const identity = identify(this.#config.nodes, formatMac(from.linkLayer));
    const duid = this.#duid();
    if (identity === null || !duid) {
      this.port.count(identity === null ? 'unknownNode' : 'dhcp6.noIdentifier');
      return;
    }
    const node = this.#seen(identity);
    if (!node) return;
    this.#learnLinkLocal(node, from.address);
    node.dhcp6Client = from;
    const released = node.releasedPrefixes();
    const outcome = node.delegation.receive(received, duid, this.#context.now());
    if (outcome.outcome === 'reply') this.#replyDhcp6(node, outcome.reply);
    else this.port.count(`dhcp6.${outcome.outcome}`);
    // Prefixes may have been given back, or taken again.
    const after = node.releasedPrefixes();
    if (node.grant && after.length !== released.length) this.#install(node, node.grant);
    const prefixes = after.filter((prefix) => !released.includes(prefix));
    if (prefixes.length) this.#context.released({ node: identity, prefixes });
    if (outcome.outcome === 'wanted') this.#context.delegationWanted(identity);
    if (PrefixDelegation.wantsService(received.message) && this.#config.attachOn.includes('dhcp')) {
      this.#arrived(identity, from.linkLayer, 'dhcp');
    }
  }

  #replyDhcp6(node: AttachedNode, reply: Dhcp6Message): void {
    if (node.dhcp6Client) this.port.answerDhcp6(reply, node.dhcp6Client, this.#linkLocal(node));
  }

  #duid(): Uint8Array | null {
    const address = this.port.hardwareAddress;
    return address && linkLayerDuid(address);
  }

  /** Delegated prefixes are routed by it. */
  #learnLinkLocal(node: AttachedNode, address: Uint8Array): void {
    const linkLocal = linkLocalText(address);
    if (linkLocal === null || linkLocal === node.linkLocal) return;
    node.linkLocal = linkLocal;
    if (node.grant) this.#install(node, node.grant);
  }

  /**
   * The home subnet is not on this link, whatever the node's mask says; we answer for all of it (RFC 5844 §3.2.4) but the node's own
   * address, which an answer would be a conflict about (RFC 5227 §2.4). The kernel's proxy_arp goes by routes, and has no such exception.
   */
  #arp(linkLayer: Uint8Array, packet: ArpPacket): void {
    this.#heard(linkLayer, null);
    const identity = identify(this.#config.nodes, formatMac(linkLayer));
    const home = identity === null ? null : this.#nodes.get(identity)?.grant?.homeAddress;
    if (!home || packet.operation !== 'request') return;
    const own = parseAddress(home.address);
    const isOwn = (address: Uint8Array): boolean => Buffer.compare(address, own.bytes) === 0;
    const subnet = { ...own, length: home.prefixLength };
    if (!isOwn(packet.senderAddress) || isOwn(packet.targetAddress)) return;
    // The router's address is on the interface, and so the kernel's to answer for.
    if (formatAddress(packet.targetAddress) === home.router) return;
    if (prefixContains(subnet, packet.targetAddress)) this.port.answerArp(packet);
  }

  /** A sign of life of a node that we know; others have to ask for service. */
  #heard(linkLayer: Uint8Array, address: Uint8Array | null): void {
    const identity = identify(this.#config.nodes, formatMac(linkLayer));
    const known = identity === null ? undefined : this.#nodes.get(identity);
    if (identity === null || !known || (this.#silence === null && known.lostUntil === null)) return;
    const node = this.#seen(identity);
    if (!node) return;
    if (address) this.#learnLinkLocal(node, address);
    if (node.lostUntil !== null) this.#arrived(identity, linkLayer, 'sign-of-life');
  }

  /** Asks a silent node whether it is still there, and gives it up in the end. */
  #checkReachable(node: AttachedNode, now: number): void {
    if (node.inquiry?.tick(now)) this.#ask(node);
    if (!node.attached || !node.reachability) return;
    const due = node.reachability.tick(now);
    if (due === 'probe') {
      // There is nothing to ask it by, so silence proves nothing.
      if (!this.#ask(node)) node.reachability.heard(now);
    } else if (due === 'silent') {
      this.port.count('silentNodes');
      this.#context.log(
        'info',
        `${node.identity} has been silent for ${this.#config.silence} s`,
        node.identity,
      );
      node.lostUntil = now + LOST_MS;
      this.#detach(node);
    }
  }

  /** Whether it is there; false: there is nothing to ask it by. */
  #ask(node: AttachedNode): boolean {
    const { linkLayer, linkLocal, home } = node;
    if (!linkLayer || (linkLocal === null && !home)) return false;
    this.port.probe({
      linkLayer,
      ipv6: linkLocal === null ? null : { target: linkLocal, from: this.#linkLocal(node) },
      ipv4: home ? { target: home.address, from: home.router } : null,
    });
    return true;
  }

  #reply(reply: DhcpReply | null, router: string): void {
    if (reply) this.port.answerDhcp(reply, router);
  }

  /** Tells the MAG once, and again as long as the node gets no service or when it shows another link-layer address. */
  #arrived(identity: string, linkLayer: Uint8Array | null, trigger: AttachReason): void {
    const node = this.#seen(identity);
    if (!node) return;
    const moved =
      linkLayer !== null && (node.linkLayer === null || formatMac(node.linkLayer) !== formatMac(linkLayer));
    if (moved) node.linkLayer = linkLayer;
    if (node.attached && node.grant && !moved) return;
    node.attached = true;
    node.lostUntil = null;
    node.inquiry = null;
    this.#tellAttached(node, trigger);
  }

  #tellAttached({ identity, linkLayer }: AttachedNode, trigger: AttachReason): void {
    const { name, technology } = this.#config;
    this.#context.attached({ node: identity, interface: name, linkLayer, technology, trigger });
  }

  #announce(): void {
    for (const node of this.#nodes.values()) {
      node.advertiser.announce(this.#context.now());
      this.#deadlines.watch(node);
    }
  }

  #detachAll(): void {
    for (const node of this.#nodes.values()) {
      node.lostUntil = null;
      if (node.attached) this.#detach(node);
    }
  }

  #detach(node: AttachedNode): void {
    node.attached = false;
    this.#deadlines.watch(node);
    this.#context.detached({ node: node.identity, interface: this.name });
  }

  /** The node, which shows that it is there; null: there are too many. */
  #seen(identity: string): AttachedNode | null {
    const known = this.#nodes.get(identity);
    if (!known && this.#nodes.size >= MOST_NODES) {
      this.port.count('tooManyNodes');
      return null;
    }
    const node = known ?? this.#add(identity);
    node.seen = this.#context.now();
    node.reachability?.heard(node.seen);
    this.#deadlines.watch(node);
    return node;
  }

  #add(identity: string): AttachedNode {
    const node = new AttachedNode(identity, {
      maxInterval: () => this.#config.maxAdvertisementInterval * 1000,
      random: this.#context.random,
    });
    node.seen = this.#context.now();
    node.lasting = this.#config.nodes.by === 'interface';
    if (this.#silence !== null) node.reachability = new Reachability(this.#silence, node.seen);
    this.#nodes.set(identity, node);
    this.#deadlines.watch(node);
    return node;
  }

  #forget(node: AttachedNode): void {
    this.#deadlines.forget(node);
    this.#installation.forget(node);
    this.#nodes.delete(node.identity);
    if (node.attached) this.#context.detached({ node: node.identity, interface: this.name });
  }

  /** Tunnel MTU or that of the access link, whichever is less (RFC 5213 §6.9.5). */
  #mtu({ grant, learnedMtu }: AttachedNode): number {
    return Math.min(grant?.mtu ?? Infinity, learnedMtu, this.port.link?.mtu ?? LEAST_MTU);
  }

  /** Ours towards the node; never one that the node has itself, whatever the LMA says (RFC 5213 §6.9.1.2 item 15). */
  #linkLocal({ assignedLinkLocal, linkLocal }: AttachedNode): string {
    if (assignedLinkLocal && assignedLinkLocal !== linkLocal) return assignedLinkLocal;
    return this.#context.linkLocalOf(this.name) ?? FALLBACK_LINK_LOCAL;
  }

  #install(node: AttachedNode, grant: AccessGrant): void {
    this.#installation.install(node, grant, this.#linkLocal(node));
  }
}
