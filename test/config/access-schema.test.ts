/** Access links and LANs of a MAG's file: what is taken, what is refused and in which words. */
import { describe, expect, test } from 'vitest';
import { accessInterfaces, accessKeys, lanInterfaces } from '../../src/config/access-schema.ts';
import { keys } from '../../src/config/schema-parts.ts';
import { type Checked, describeIssues, parseYaml } from '../../src/config/yaml-file.ts';
import type { AccessInterfaceConfig, LanInterfaceConfig } from '../../src/access/access-config.ts';

const schema = keys(accessKeys);

function parse(text: string): { access: AccessInterfaceConfig[]; lans: LanInterfaceConfig[] } {
  return parseYaml(text, 'mag.yaml', (value): Checked<ReturnType<typeof parse>> => {
    const checked = schema.safeParse(value);
    if (!checked.success) return { config: null, complaints: describeIssues(checked.error, schema) };
    const { access, lans } = checked.data;
    return { config: { access: accessInterfaces(access), lans: lanInterfaces(lans) }, complaints: [] };
  });
}

test('links for one node and for several, and a LAN', () => {
  const { access, lans } = parse(`
access:
  - interface: eth1
    node: mn1@example.org
    attachOn: [link]
  - interface: br0
    technology: wlan
    nodes: { "02:00:5E:00:53:01": alice@example.org }
    template: mn-%mac%@example.org
    dns: [2001:db8::53, 203.0.113.53]
    advertisementInterval: 30s
lans:
  - interface: lan0
    node: box@example.org
    subnet: 3
`);
  expect(access).toEqual([
    {
      name: 'eth1',
      nodes: { by: 'interface', identity: 'mn1@example.org' },
      attachOn: ['link'],
      technology: 3,
      dns: [],
      maxAdvertisementInterval: 600,
    },
    {
      name: 'br0',
      nodes: {
        by: 'link-layer',
        known: { '02:00:5e:00:53:01': 'alice@example.org' },
        template: 'mn-%mac%@example.org',
      },
      attachOn: ['router-solicitation', 'dhcp', 'link'],
      technology: 4,
      dns: ['2001:db8::53', '203.0.113.53'],
      maxAdvertisementInterval: 30,
    },
  ]);
  expect(lans).toEqual([
    { name: 'lan0', node: 'box@example.org', subnet: 3, dns: [], maxAdvertisementInterval: 600 },
  ]);
});

describe('refused, with line and key', () => {
  test.each([
    [
      'neither node nor nodes',
      'access: [{ interface: eth1 }]',
      /access\[0\].*either node, or nodes and template/,
    ],
    ['both', 'access: [{ interface: eth1, node: a@b, template: "%mac%@b" }]', /either node, or nodes/],
    ['no address', 'access: [{ interface: eth1, nodes: { "02:00": a@b } }]', /aa:bb:cc:dd:ee:ff/],
    ['no %mac%', 'access: [{ interface: eth1, template: mn@b }]', /%mac%/],
    ['a pattern', 'access: [{ interface: eth1, node: "*@b" }]', /an identity such as/],
    [
      'an unknown trigger',
      'access: [{ interface: eth1, node: a@b, attachOn: [arp] }]',
      /router-solicitation, dhcp, link/,
    ],
    ['too often', 'lans: [{ interface: l, node: a@b, advertisementInterval: 1s }]', /at least 4s/],
  ])('%s', (_, text, message) => {
    expect(() => parse(text)).toThrow(message);
  });
});
