/** Configuration keys of a MAG's access links and of LANs on delegated prefixes (docs/access.md), and their way to src/access. */
import { z } from 'zod';
import {
  ACCESS_DEFAULTS,
  type AccessInterfaceConfig,
  type LanInterfaceConfig,
} from '../access/access-config.ts';
import {
  address,
  durationWithin,
  expected,
  integer,
  interfaceName,
  keys,
  list,
  matching,
  oneOf,
} from './schema-parts.ts';
import { technology } from './signaling-schema.ts';

const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;
const identity = matching(/^[^\s*]{1,253}$/, 'an identity such as mn1@example.org');
/** RFC 4861 §6.2.1: MaxRtrAdvInterval, 4 s to 1800 s. */
const advertisementInterval = durationWithin(4e6, 1800e6, '10min').default(
  ACCESS_DEFAULTS.maxAdvertisementInterval * 1e6,
);

const known = z
  .record(z.string(), identity, expected('link-layer addresses and identities'))
  .superRefine((record, context) => {
    for (const key of Object.keys(record)) {
      if (MAC.test(key.toLowerCase())) continue;
      context.addIssue({ code: 'custom', path: [key], message: 'expected aa:bb:cc:dd:ee:ff as key' });
    }
  });

const access = keys({
  interface: interfaceName,
  /** One node, whatever its link-layer address; or several by address. */
  node: identity.optional(),
  nodes: known.optional(),
  template: matching(/^[^\s*]*%mac%[^\s*]*$/, 'a text with %mac% in it').optional(),
  technology: technology.default(ACCESS_DEFAULTS.technology),
  attachOn: list(oneOf(ACCESS_DEFAULTS.attachOn)).default([...ACCESS_DEFAULTS.attachOn]),
  dns: list(address).default([]),
  advertisementInterval,
}).refine(
  ({ node, nodes, template }) => (node === undefined) !== (nodes === undefined && template === undefined),
  {
    error: 'expected either node, or nodes and template',
  },
);

const lan = keys({
  interface: interfaceName,
  node: identity,
  subnet: integer(0, 65_535).default(0),
  dns: list(address).default([]),
  advertisementInterval,
});

/** To be spread into the schema of a MAG's file. */
export const accessKeys = { access: list(access).default([]), lans: list(lan).default([]) };

export type FileAccess = z.output<typeof access>;
export type FileLan = z.output<typeof lan>;

/** Access links in the words of src/access. */
export function accessInterfaces(file: readonly FileAccess[]): AccessInterfaceConfig[] {
  return file.map(
    ({ interface: name, node, nodes, template, technology, attachOn, dns, advertisementInterval }) => ({
      name,
      nodes:
        node === undefined
          ? { by: 'link-layer', known: lowerCased(nodes ?? {}), template: template ?? null }
          : { by: 'interface', identity: node },
      technology,
      attachOn,
      dns,
      maxAdvertisementInterval: advertisementInterval / 1e6,
    }),
  );
}

/** LANs in the words of src/access. */
export function lanInterfaces(file: readonly FileLan[]): LanInterfaceConfig[] {
  return file.map(({ interface: name, node, subnet, dns, advertisementInterval }) => ({
    name,
    node,
    subnet,
    dns,
    maxAdvertisementInterval: advertisementInterval / 1e6,
  }));
}

function lowerCased(record: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key.toLowerCase(), value]));
}
