/**
 * Addresses of logical mobile nodes (RFC 8278 §3.1), which are the MAG itself: on the TUN device, so that the host can be reached through the
 * tunnels, and so that NAT for a network behind it (`masquerade`) finds an IPv4 address there.
 */
import type { AccessGrant } from '../pmipv6/access-grant.ts';
import { formatAddress, parsePrefix } from '../ip.ts';
import type { HostConfiguration } from '../net/host-configuration.ts';

export class OwnAddresses {
  readonly #device: string;
  readonly #host: HostConfiguration;
  /** By node. */
  readonly #addresses = new Map<string, readonly string[]>();

  /** `device`: where the addresses go. */
  constructor(device: string, host: HostConfiguration) {
    this.#device = device;
    this.#host = host;
  }

  /** What the node has from now on; null, or what is granted on an access link: nothing. Throws NETLINK. */
  serve(node: string, grant: AccessGrant | null): void {
    const addresses = grant?.interface === null ? addressesOf(grant) : [];
    const before = this.#addresses.get(node) ?? [];
    for (const address of before) {
      if (!addresses.includes(address)) this.#host.removeAddress(this.#device, address);
    }
    if (addresses.length) this.#addresses.set(node, addresses);
    else this.#addresses.delete(node);
    for (const address of addresses) {
      if (!before.includes(address)) this.#host.addAddress(this.#device, address);
    }
  }
}

/** The home address, and the first address of each home network prefix but the prefix itself (RFC 4291 §2.6.1: that is any router's). */
function addressesOf({ homeAddress, homePrefixes }: AccessGrant): string[] {
  const own = homePrefixes.map(({ prefix }) => {
    const { bytes, length } = parsePrefix(prefix);
    if (length < 128) bytes[15]! |= 1;
    return `${formatAddress(bytes)}/128`;
  });
  return homeAddress ? [`${homeAddress.address}/32`, ...own] : own;
}
