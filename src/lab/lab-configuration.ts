/**
 * The configuration files of the lab's MAG and LMA, as an operator would write them (docs/lma.md, docs/mag.md): figure 1 of RFC 8278
 * with as many WAN interfaces as the lab has paths. What is asked of the signaling is what it can negotiate.
 */
import { stringify } from 'yaml';
import type { Encapsulation } from '../dataplane/session-spec.ts';
import { TunloomError } from '../errors.ts';
import { ACCESS_DEVICE, LMA_ADDRESS } from './deployment.ts';
import { type LabOptions, type LabPath, pathAddresses } from './plan.ts';

export const LAB_NODE = 'mn1@example.org';
const MAG_IDENTITY = 'mag1@example.org';
const HOME_PREFIXES = '2001:db8:cafe::/48';
const HOME_ADDRESSES = { pool: '192.0.2.0/24', router: '192.0.2.1' };
const MAG_LINK_LOCAL = 'fe80::8278';

/** What MAG and LMA have to agree on for an encapsulation of each family; the rest is a matter of static sessions. */
const NEGOTIABLE: Readonly<Record<4 | 6, readonly Encapsulation[]>> = {
  4: ['udp-gre', 'udp', 'gre', 'ipip'],
  6: ['gre', 'ipip'],
};

/** Throws BAD_OPTION, saying that it takes --static, for paths whose encapsulations the signaling cannot set up. */
export function checkNegotiable(paths: readonly LabPath[]): void {
  for (const { name, family, encapsulation } of paths) {
    if (NEGOTIABLE[family].includes(encapsulation)) continue;
    throw new TunloomError(
      'BAD_OPTION',
      `${name}: PMIPv6 cannot negotiate ${encapsulation} over IPv${family} (it can ${NEGOTIABLE[family].join(', ')}); use --static`,
    );
  }
  const wants = paths.map(({ encapsulation }) => encapsulation.includes('gre'));
  const forced = paths
    .filter(({ family }) => family === 4)
    .map(({ encapsulation }) => encapsulation.startsWith('udp'));
  for (const [all, what] of [
    [wants, 'with and without GRE keys'],
    [forced, 'with and without UDP over IPv4'],
  ] as const) {
    if (new Set(all).size > 1) {
      throw new TunloomError('BAD_OPTION', `paths ${what} in one session cannot be negotiated; use --static`);
    }
  }
}

/** Text of the LMA's file; `state` is a directory. */
export function lmaConfiguration(options: LabOptions, state: string): string {
  return stringify({
    addresses: Object.values(LMA_ADDRESS),
    mags: [{ address: '198.51.100.0/24' }, { address: '2001:db8:100::/40' }],
    nodes: [{ identity: '*@example.org' }],
    pools: { homePrefixes: [HOME_PREFIXES], ipv4: HOME_ADDRESSES },
    ...common(options, state),
  });
}

/** Text of the MAG's file. */
export function magConfiguration(options: LabOptions, state: string): string {
  const { paths } = options;
  const gre = paths.some(({ encapsulation }) => encapsulation.includes('gre'));
  const udp = paths.some(({ encapsulation }) => encapsulation.startsWith('udp'));
  return stringify({
    identity: MAG_IDENTITY,
    lma: { ipv6: LMA_ADDRESS[6], ipv4: LMA_ADDRESS[4] },
    interfaces: paths.map(({ name, weight, family }, index) => ({
      name,
      bid: index + 1,
      label: index + 1,
      priority: index,
      careOf: pathAddresses(index, family).mag,
      gateway: pathAddresses(index, family).lma,
      // Where the weights of both ends come from: the signaling (docs/wan-metrics.md).
      metrics: { weight },
    })),
    nodes: [{ identity: LAB_NODE, ipv4: true }],
    access: [{ name: ACCESS_DEVICE, node: LAB_NODE, attachOn: ['router-solicitation', 'dhcp'] }],
    gre: gre ? 'on' : 'off',
    tlv: gre && udp,
    forceUdp: udp,
    linkLocal: MAG_LINK_LOCAL,
    ...common(options, state),
  });
}

function common({ workers, offload }: LabOptions, state: string): Record<string, unknown> {
  const word = (used: boolean | undefined): string => (used === false ? 'off' : 'auto');
  return {
    workers,
    tun: { name: 'tun0' },
    // The report compares what devices have counted with what was sent.
    probes: { enabled: false },
    memory: { buffers: 16_384, sessions: 64, paths: 512, heapMiB: 64 },
    offload: {
      tun: word(offload?.tun),
      segment: word(offload?.segment),
      merge: word(offload?.merge),
      link: offload?.link ?? 'auto',
    },
    // A lab wants to see what unsequenced tunnels do to the order.
    tunnels: { allowReordering: true },
    state,
    log: { level: 'silent' },
  };
}
