/** `tunloom mag` reads its file again while hosts use it: WAN interfaces, nodes, access interfaces and networks come and go. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run, waitFor } from '../support/daemon.ts';
import { Deployment, NODE, PATIENT, WAN } from '../support/deployment.ts';

const SECOND = '  - { name: wan1, bid: 2, label: 9, technology: wlan, priority: 1 }\n';

let net: Deployment;
let tests = 0;

beforeEach(() => {
  net = new Deployment(`rel${tests++}`);
});

afterEach(() => net.stop());

async function up(more = ''): Promise<string> {
  await net.startLma(`registration: { timestampWindow: 10s }\n${more}`);
  await net.startMag(more, undefined, `{ identity: '*@example.org' }`);
  net.host.set(true);
  await net.pathsAre([1, 2]);
  return net.address();
}

/** Signaling sockets over IPv6, one a WAN interface. */
function signalingSockets(): number {
  const raw = run('ip', 'netns', 'exec', net.mag, 'cat', '/proc/net/raw6');
  return raw.split('\n').filter((line) => / [0-9A-F]{32}:0087 /.test(line)).length;
}

const inMag = (...args: string[]): string => run('ip', '-n', net.mag, ...args);
const nodes = async (): Promise<string[]> =>
  (await net.bindings('lma')).filter(({ state }) => state === 'active').map(({ node }) => node);

test.each(['uplink', 'downlink'] as const)(
  'a transfer goes on over one path while another is removed, added and told anew (%s)',
  async (direction) => {
    const address = await up();
    const keys = async () =>
      (await net.sessions('mag')).map(({ sendKey, receiveKey }) => [sendKey, receiveKey]);
    const before = await keys();
    const bytes = await net.tcp(direction, address, 4, async () => {
      for (let round = 0; round < 2; round++) {
        await net.reloadMag((text) => text.replace(SECOND, ''));
        await net.pathsAre([1]);
        await waitFor(() => signalingSockets() === 1);
        await net.reloadMag((text) => text.replace('nodes:', `${SECOND}nodes:`));
        await net.pathsAre([1, 2]);
        expect(signalingSockets()).toBe(2);
      }
      await net.reloadMag((text) => text.replace('label: 9', 'label: 77'));
      await waitFor(async () => (await net.bindings('lma'))[0]!.paths[1]!.label === 77);
    });
    expect(bytes).toBeGreaterThan(1e6);
    expect(await keys()).toEqual(before);
    expect(await net.address()).toBe(address);
  },
);

test.each(['uplink', 'downlink'] as const)(
  'a path that is removed or added loses no datagram (%s)',
  async (direction) => {
    const address = await up(PATIENT);
    await net.allDatagramsArrive(direction, address, async () => {
      for (let round = 0; round < 3; round++) {
        await net.reloadMag((text) => text.replace(SECOND, ''));
        await net.pathsAre([1]);
        await net.reloadMag((text) => text.replace('nodes:', `${SECOND}nodes:`));
        await net.pathsAre([1, 2]);
      }
    });
  },
);

test('an interface that is deleted and comes back as another device at once carries packets both ways again', async () => {
  await up();
  inMag('link', 'delete', 'wan1');
  await net.pathsAre([1]);
  net.join(1);
  await net.pathsAre([1, 2]);
  const received = async (): Promise<number[]> =>
    (await Promise.all([net.sessions('mag'), net.sessions('lma')])).map(
      ([session]) => session!.paths.find(({ bid }) => bid === 2)!.rxPackets,
    );
  const before = await received();
  await waitFor(async () => {
    await net.pings();
    return (await received()).every((packets, end) => packets > before[end]!);
  });
});

test('a file that is broken, or changes what cannot change, is refused by file, line and key, and all is as it was', async () => {
  const address = await up();
  const good = readFileSync(join(net.folder, 'mag.yaml'), 'utf8');
  const file = join(net.folder, 'mag.yaml');
  const line = (key: string, text: string): number =>
    text.split('\n').findIndex((one) => one.startsWith(key)) + 1;
  const fixed = good
    .replace(SECOND, '')
    .replace('identity: mag1', 'identity: mag2')
    .replace('workers: 1', 'workers: 2');
  await expect(net.reloadMag(() => fixed)).rejects.toThrow(
    [
      `${file}:${line('identity', fixed)}:1: identity: cannot be changed without a restart; nothing was changed`,
      `${file}:${line('workers', fixed)}:1: workers: cannot be changed without a restart; nothing was changed`,
    ].join('\n'),
  );
  await expect(net.reloadMag(() => good.replace('bid: 2', 'bid: 1'))).rejects.toThrow(
    `${file}:${line('  - { name: wan1', good)}:24: interfaces[1].bid: BID 1 is that of interfaces[0]`,
  );
  await expect(net.reloadMag(() => `${good}\n{`)).rejects.toThrow(file);
  // A gateway that the kernel does not take.
  await expect(
    net.reloadMag(() =>
      good.replace('bid: 2,', `bid: 2, careOf: '${WAN[1].mag}', gateway: '2001:db8:77::1',`),
    ),
  ).rejects.toThrow(/2001:db8:77::1|EHOSTUNREACH|EINVAL/);
  await net.pathsAre([1, 2]);
  expect(signalingSockets()).toBe(2);
  expect(await net.pings()).toBe(true);
  await net.reloadMag(() => good);
  expect(await net.address()).toBe(address);
});

test('gateways come and go with their interfaces', async () => {
  await up();
  const rules = (): string => inMag('-6', 'rule');
  const before = rules();
  const gateway = `bid: 2, careOf: '${WAN[1].mag}', gateway: '${WAN[1].lma}',`;
  await net.reloadMag((text) => text.replace('bid: 2,', gateway));
  expect(rules()).toContain(`from ${WAN[1].mag} lookup 8279`);
  expect(inMag('-6', 'route', 'show', 'table', '8279')).toContain(`default via ${WAN[1].lma} dev wan1`);
  await net.reloadMag((text) => text.replace(/ {2}- \{ name: wan1.*\n/, ''));
  await net.pathsAre([1]);
  await waitFor(() => rules() === before);
});

test('what is behind an access interface is somebody else, then a network of a logical node, then nobody', async () => {
  const first = await up();
  const settings = (): string[] =>
    ['accept_ra', 'forwarding'].map((key) =>
      run('ip', 'netns', 'exec', net.mag, 'cat', `/proc/sys/net/ipv6/conf/acc0/${key}`).trim(),
    );
  const used = settings();
  await net.reloadMag((text) => text.replace(`node: ${NODE}`, 'node: mn2@example.org'));
  await waitFor(async () => (await nodes()).join() === 'mn2@example.org');
  await waitFor(() =>
    net.host.addresses(6).some((one) => one.startsWith('2001:db8:1000:') && !one.startsWith(first)),
  );
  await waitFor(() => net.pings());

  const access = /access: .*\n/;
  await net.reloadMag((text) =>
    text.replace(
      access,
      `logicalNodes: [{ identity: site1@example.org }]\nlans: [{ name: acc0, node: site1@example.org, subnet: 5 }]\n`,
    ),
  );
  await waitFor(async () => (await nodes()).join() === 'site1@example.org');
  await waitFor(() => net.host.addresses(6).some((one) => one.startsWith('2001:db8:4')));
  await waitFor(() => net.pings());
  expect(settings()).toEqual(used);

  await net.reloadMag((text) => text.replace(/logicalNodes: .*\nlans: .*\n/, ''));
  await waitFor(async () => (await nodes()).length === 0);
  expect(inMag('-6', 'address', 'show', 'dev', 'acc0')).not.toContain('2001:db8:');
  expect(inMag('-6', 'route', 'show', 'dev', 'acc0')).not.toContain('2001:db8:');
  // As it was before anybody used it: forwarding, as the whole namespace does.
  expect(settings()[0]).not.toBe(used[0]);
  expect(await net.magDaemon!.end()).toBe(0);
});

test('a node whose profile comes is served at once, without a sign of it', async () => {
  await net.startLma();
  await net.startMag('', undefined, '{ identity: mn9@example.org }');
  net.host.set(true);
  await waitFor(() => net.magDaemon!.log.includes('has no profile'));
  await net.reloadMag((text) => text.replace('identity: mn9', `identity: ${NODE.split('@')[0]}`));
  await net.pathsAre([1, 2]);
  await waitFor(() => net.pings());
});
