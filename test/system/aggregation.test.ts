/**
 * docs/aggregation.md as it stands there: two boxes, each with a DSL line and an LTE link behind the same carrier's NAT, and the concentrator.
 *
 *   LAN host -- lan0 [box N] dsl0 ------------------ [Internet] -- eth0 [concentrator]
 *                            lte0 -- [carrier's NAT] --'
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BindingStatus } from '../../src/control/signaling-status.ts';
import type { SessionStatus } from '../../src/dataplane/status.ts';
import { startTraffic } from '../../src/lab/traffic.ts';
import { exchangeSysctl } from '../../src/net/sysctl.ts';
import { Daemon, addNamespace, joinNamespaces, run, waitFor } from '../support/daemon.ts';
import { MobileHost } from '../support/mobile-host.ts';

const EXAMPLES = new URL('../../docs/examples/aggregation/', import.meta.url).pathname;
const INTERNET = `tlagi-${process.pid}`;
const CARRIER = `tlagc-${process.pid}`;
const HUB = `tlagh-${process.pid}`;
const SERVER = { 4: '192.0.2.200', 6: '2001:db8:5::2' } as const;
const CONCENTRATOR = '203.0.113.34';
/** The carrier's one outside address. */
const OUTSIDE = '203.0.113.98';

interface Site {
  readonly box: string;
  readonly lan: MobileHost;
  readonly daemon: Daemon;
}

const folder = mkdtempSync(join(tmpdir(), 'tunloom-aggregation-'));
const namespaces: string[] = [];
const hosts: MobileHost[] = [];
const sites: Site[] = [];
let hub: Daemon | undefined;

function ip(namespace: string, command: string): void {
  run('ip', '-n', namespace, ...command.split(' '));
}

function namespace(name: string): void {
  addNamespace(name);
  namespaces.push(name);
  for (const line of readFileSync(`${EXAMPLES}sysctl.conf`, 'utf8').matchAll(/^net\.(\S+) = (\S+)$/gm)) {
    exchangeSysctl(name, line[1]!.replaceAll('.', '/'), line[2]!);
  }
}

/** A link between two namespaces with a /28 on it, of which `near` is the first address and `far` the second. */
function link(
  [near, device]: [string, string],
  [far, other]: [string, string],
  subnet: string,
  first: number,
): void {
  joinNamespaces([near, device, `${subnet}.${first}/28`], [far, other, `${subnet}.${first + 1}/28`]);
}

/** A file of the example, with `changes` made to it; each has to be possible. */
function example(name: string, changes: readonly (readonly [string, string])[] = []): string {
  return changes.reduce(
    (text, [from, to]) => {
      expect(text).toContain(from);
      return text.replaceAll(from, to);
    },
    readFileSync(EXAMPLES + name, 'utf8'),
  );
}

function nft(namespace: string, rules: string): void {
  const { status, stderr } = spawnSync('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], {
    input: rules,
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
}

/** Room for few sessions, so that three daemons fit into a small machine. */
const SMALL = 'workers: 1\nmemory: { sessions: 16, paths: 64, heapMiB: 32, buffers: 4096 }\n';

async function site(number: number): Promise<Site> {
  const box = `tlagb${number}-${process.pid}`;
  namespace(box);
  link([INTERNET, `dsl${number}`], [box, 'dsl0'], '203.0.113', 49 + 16 * number);
  link([CARRIER, `in${number}`], [box, 'lte0'], '198.51.100', 113 + 16 * number);
  ip(box, `route add default via 203.0.113.${49 + 16 * number} dev dsl0 metric 100`);
  ip(box, `route add default via 198.51.100.${113 + 16 * number} dev lte0 metric 200`);
  const lan = new MobileHost(`tlagl${number}-${process.pid}`, box, 'lan0', `02:00:5e:00:53:0${number}`);
  hosts.push(lan);
  ip(box, 'address add 192.0.2.1/25 dev lan0');
  ip(box, 'link set lan0 up');
  nft(box, example('box.nft'));
  const file = example('box.yaml', [
    ['/etc/tunloom', folder],
    ['box1', `box${number}`],
    ['site1', `site${number}`],
    ['0x101', `0x10${number}`],
  ]);
  const config = `${SMALL}state: ${folder}/state${number}\n${file}`;
  const daemon = await Daemon.start(
    box,
    'mag',
    `${folder}/box${number}.yaml`,
    config,
    `${folder}/box${number}.sock`,
  );
  lan.set(true);
  ip(lan.namespace, 'address add 192.0.2.10/25 dev eth0');
  ip(lan.namespace, 'route add default via 192.0.2.1');
  const made = { box, lan, daemon };
  sites.push(made);
  return made;
}

beforeAll(async () => {
  for (const name of [INTERNET, CARRIER, HUB]) namespace(name);
  link([INTERNET, 'hub'], [HUB, 'eth0'], '203.0.113', 33);
  link([INTERNET, 'mobile'], [CARRIER, 'out'], '203.0.113', 97);
  ip(HUB, 'route add default via 203.0.113.33');
  ip(CARRIER, 'route add default via 203.0.113.97');
  for (const address of [`${SERVER[4]}/32`, `${SERVER[6]}/128`])
    ip(INTERNET, `address add ${address} dev lo`);
  // The concentrator's pools are routed to it.
  ip(INTERNET, `route add 198.51.100.0/25 via ${CONCENTRATOR}`);
  ip(INTERNET, 'address add 2001:db8:f::1/64 dev hub nodad');
  ip(HUB, 'address add 2001:db8:f::2/64 dev eth0 nodad');
  ip(INTERNET, 'route add 2001:db8:4000::/36 via 2001:db8:f::2');
  ip(HUB, '-6 route add default via 2001:db8:f::1');
  nft(
    CARRIER,
    'table ip carrier {\nchain c {\ntype nat hook postrouting priority srcnat\noifname "out" masquerade random\n}\n}\n',
  );
  nft(HUB, example('concentrator.nft'));
  for (const number of [1, 2]) writeFileSync(`${folder}/box${number}.key`, `${number}`.repeat(40));
  const file = `${SMALL}state: ${folder}/state\n${example('concentrator.yaml', [['/etc/tunloom', folder]])}`;
  hub = await Daemon.start(HUB, 'lma', `${folder}/concentrator.yaml`, file, `${folder}/concentrator.sock`);
  await site(1);
  await site(2);
});

afterAll(async () => {
  for (const { daemon } of sites) await daemon.end();
  await hub?.end();
  for (const host of hosts) host.dispose();
  for (const name of namespaces) spawnSync('ip', ['netns', 'delete', name]);
  rmSync(folder, { recursive: true });
});

/** A second of TCP, downlink, to a LAN host; its octets have to arrive intact. */
async function download({ lan }: Site, source: string, host: string, port: number): Promise<number> {
  const server = startTraffic<{ bytes: number; sha256: string }>({
    kind: 'tcp-server',
    namespace: lan.namespace,
    host,
    port,
  });
  await server.ready;
  const client = startTraffic<{ bytes: number; sha256: string }>({
    kind: 'tcp-client',
    namespace: INTERNET,
    host,
    port,
    source,
    seconds: 1,
  });
  const [received, sent] = await Promise.all([server.result, client.result]);
  expect(received).toMatchObject({ bytes: sent.bytes, sha256: sent.sha256 });
  return received.bytes;
}

/** The same uplink, through whatever translates addresses on the way. */
async function upload({ lan }: Site, port: number): Promise<number> {
  const server = startTraffic<{ bytes: number; sha256: string }>({
    kind: 'tcp-server',
    namespace: INTERNET,
    host: SERVER[4],
    port,
  });
  await server.ready;
  const client = startTraffic<{ bytes: number; sha256: string }>({
    kind: 'tcp-client',
    namespace: lan.namespace,
    host: SERVER[4],
    port,
    source: '192.0.2.10',
    seconds: 1,
  });
  const [received, sent] = await Promise.all([server.result, client.result]);
  expect(received).toMatchObject({ bytes: sent.bytes, sha256: sent.sha256 });
  return received.bytes;
}

function bindings(): BindingStatus[] {
  return hub!.get<BindingStatus[]>('/v1/bindings');
}

test('each box registers its site over both links, LTE of both by the one address of the carrier', async () => {
  await waitFor(
    () =>
      bindings()
        .flatMap(({ paths }) => paths)
        .filter(({ state }) => state === 'active').length === 4,
  );
  const [one, two] = bindings().toSorted((a, b) => a.node.localeCompare(b.node));
  expect([one!.node, two!.node]).toEqual(['site1@example.org', 'site2@example.org']);
  for (const [i, { paths, weightsFrom }] of [one!, two!].entries()) {
    expect(weightsFrom).toBe('rates');
    expect(paths).toMatchObject([
      { bid: 1, remote: `203.0.113.${66 + 16 * i}`, encapsulation: 'gre' },
      { bid: 2, remote: OUTSIDE, encapsulation: 'udp-gre' },
    ]);
  }
});

test('LAN hosts reach the Internet by IPv4 and IPv6, both sites at once', async () => {
  for (const { lan } of sites) await expect.poll(() => lan.addresses(6)).toHaveLength(1);
  await waitFor(() => sites.every(({ lan }) => lan.reaches(SERVER[4]) && lan.reaches(SERVER[6])));
  const uploads = await Promise.all(sites.map((site, i) => upload(site, 5001 + i)));
  const downloads = await Promise.all(
    sites.map((site, i) => download(site, SERVER[6], site.lan.addresses(6)[0]!.split('/')[0]!, 6001 + i)),
  );
  for (const bytes of [...uploads, ...downloads]) expect(bytes).toBeGreaterThan(1e5);
  // EDPF fills one link before it uses the next, and these are never full; probes show that all carry.
  for (const { paths } of hub!.get<SessionStatus[]>('/v1/sessions')) {
    expect(paths.map(({ state }) => state)).toEqual(['up', 'up']);
  }
});

test('the box is reached by its own addresses, whichever of its links is up', async () => {
  const [{ box }] = sites as [Site, Site];
  const [binding] = bindings().filter(({ node }) => node === 'site1@example.org');
  const addresses = [binding!.homeAddress!.split('/')[0]!, binding!.prefixes[0]!.replace(/::\/64$/, '::1')];
  const answers = (): boolean =>
    addresses.every(
      (address) =>
        spawnSync('ip', ['netns', 'exec', INTERNET, 'busybox', 'ping', '-c', '1', '-W', '1', address])
          .status === 0,
    );
  for (const device of ['dsl0', 'lte0']) {
    ip(box, `link set ${device} down`);
    await waitFor(answers);
    ip(box, `link set ${device} up`);
    const via = device === 'dsl0' ? '203.0.113.65' : '198.51.100.129';
    ip(box, `route replace default via ${via} dev ${device} metric ${device === 'dsl0' ? 100 : 200}`);
    await waitFor(() => bindings().find(({ node }) => node === 'site1@example.org')!.paths.length === 2);
  }
});

test('nothing of a box is left when it ends', async () => {
  const { box, daemon } = sites.pop()!;
  expect(await daemon.end()).toBe(0);
  expect(run('ip', '-n', box, 'route', 'show', 'table', 'all', 'proto', '82')).toBe('');
  expect(run('ip', '-n', box, 'rule', 'show')).not.toContain('82');
  await waitFor(() =>
    bindings().every(({ paths, node }) => node !== 'site2@example.org' || paths.length === 0),
  );
});
