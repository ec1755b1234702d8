/** What of the kernel's offloads the data plane may use. */

/** Which of the kernel's segmentation offloads may be used. */
export interface OffloadOptions {
  /** Super-packets on the TUN (IFF_VNET_HDR, TSO, USO). */
  readonly tun: boolean;
  /** Several datagrams of a path in one message: sent by UDP_SEGMENT, received by UDP_GRO. */
  readonly segment: boolean;
  readonly merge: boolean;
  /** Paths without UDP go straight to their next hop, `auto`: where the kernel would do nothing else to their packets. */
  readonly link: 'auto' | 'on' | 'off';
  /** Those paths go past the kernel's stack both ways, by AF_XDP: in front of it for every device, or in the driver. */
  readonly xdp: 'off' | 'generic' | 'native';
}

/** From the words of a configuration file: auto, or off. */
export function offloadOptions(
  words: Readonly<Record<'tun' | 'segment' | 'merge', 'auto' | 'off'>> & Pick<OffloadOptions, 'link' | 'xdp'>,
): OffloadOptions {
  const { tun, segment, merge, link, xdp } = words;
  return {
    tun: tun === 'auto',
    segment: segment === 'auto',
    merge: merge === 'auto',
    link,
    xdp,
  };
}

/** All that are on by default. */
export const ALL_OFFLOADS: OffloadOptions = {
  tun: true,
  segment: true,
  merge: true,
  link: 'auto',
  xdp: 'off',
};
