/** What an access interface has of ours in the kernel: settings, our addresses towards its nodes, routes to them. Driven by access-interface.ts. */
import type { Route } from '../net/netlink/route.ts';
import type { AccessGrant } from '../pmipv6/access-grant.ts';
import { type AccessContext, prepareRouter } from './access-context.ts';
import type { AttachedNode } from './attached-node.ts';

export class Installation {
  readonly #device: string;
  readonly #context: AccessContext;
  /** How many nodes need an address of ours. */
  readonly #addresses = new Map<string, number>();

  constructor(device: string, context: AccessContext) {
    this.#device = device;
    this.#context = context;
  }

  /** A device of this name has come: kernel settings of an interface that a MAG stands on, and what `nodes` have. */
  prepare(nodes: Iterable<AttachedNode>): void {
    const { host } = this.#context;
    const device = this.#device;
    prepareRouter(this.#context, device);
    // Of a device that had this name before nothing is left.
    for (const address of this.#addresses.keys()) host.addAddress(device, address);
    for (const { routes } of nodes) host.addRoutes(routes);
  }

  /** `linkLocal`: our address towards the node. */
  install(node: AttachedNode, grant: AccessGrant, linkLocal: string): void {
    const { host, linkLocalOf } = this.#context;
    const device = this.#device;
    const address = `${linkLocal}/64`;
    const isDevices = linkLocal === linkLocalOf(device) && !this.#addresses.has(address);
    this.#holdLinkLocal(node, isDevices ? null : address);
    const addresses = grant.homeAddress ? [`${grant.homeAddress.router}/32`] : [];
    const routes: Route[] = [
      ...grant.homePrefixes.map(({ prefix }) => ({ prefix, device })),
      ...(grant.homeAddress ? [{ prefix: `${grant.homeAddress.address}/32`, device }] : []),
      ...grant.delegatedPrefixes
        .filter((prefix) => !node.delegation.hasReleased(prefix))
        .map((prefix) => this.#delegatedRoute(prefix, node, grant)),
    ];
    const wanted = new Set(routes.map(routeKey));
    host.removeRoutes(node.routes.filter((route) => !wanted.has(routeKey(route))));
    node.routes = routes;
    for (const router of addresses) this.#hold(router, 1);
    for (const router of node.addresses) this.#hold(router, -1);
    node.addresses = addresses;
    host.addRoutes(routes);
  }

  uninstall(node: AttachedNode): void {
    this.#context.host.removeRoutes(node.routes);
    node.routes = [];
    for (const address of node.addresses) this.#hold(address, -1);
    node.addresses = [];
  }

  /** The node has been told that all is over: it needs the router's address no more. */
  forget(node: AttachedNode): void {
    this.#holdLinkLocal(node, null);
  }

  /** The interface is given back as it was; its nodes have nothing any more. */
  release(): void {
    const { host } = this.#context;
    for (const address of this.#addresses.keys()) host.removeAddress(this.#device, address);
    this.#addresses.clear();
    host.releaseSettings(this.#device);
  }

  /** A mobile router has the network behind it: by its own address there, once that is known. */
  #delegatedRoute(prefix: string, node: AttachedNode, grant: AccessGrant): Route {
    const via = prefix.includes(':') ? node.linkLocal : (grant.homeAddress?.address ?? null);
    return { prefix, device: this.#device, ...(via === null ? {} : { via }) };
  }

  #holdLinkLocal(node: AttachedNode, address: string | null): void {
    const before = node.heldLinkLocal;
    if (address === before) return;
    node.heldLinkLocal = address;
    if (address !== null) this.#hold(address, 1);
    if (before !== null) this.#hold(before, -1);
  }

  /** An address of ours is on the interface for as long as a node needs it. */
  #hold(address: string, change: 1 | -1): void {
    const before = this.#addresses.get(address) ?? 0;
    this.#addresses.set(address, before + change);
    if (before === 0) this.#context.host.addAddress(this.#device, address);
    if (before + change > 0) return;
    this.#addresses.delete(address);
    this.#context.host.removeAddress(this.#device, address);
  }
}

function routeKey({ prefix, via }: Route): string {
  return `${prefix} ${via ?? ''}`;
}
