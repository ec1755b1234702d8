/**
 * A Linux host in a network namespace of its own, as a mobile node: it configures itself from what it is told, by kernel, udhcpc and
 * dhclient.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSockaddr, parseAddress } from '../../src/ip.ts';
import { bind, close, sendTo, setIntOption, setOption, socket } from '../../src/net/libc.ts';
import { withNetlink } from '../../src/net/netlink.ts';
import { addVeth, deleteLink, setLink } from '../../src/net/netlink/link.ts';
import {
  createNamespace,
  deleteNamespace,
  withNamespace,
  withNamespaceFd,
} from '../../src/net/network-namespace.ts';
import { exchangeSysctl } from '../../src/net/sysctl.ts';

/** What udhcpc calls: configures the interface and notes what it was told. */
const SCRIPT = `#!/bin/sh
echo "$1 ip=$ip subnet=$subnet router=$router mtu=$mtu lease=$lease serverid=$serverid dns=$dns" >> LOG
case "$1" in
bound|renew)
  ip address replace $ip/$mask dev $interface
  ip link set $interface mtu $mtu
  ip route replace default via $router dev $interface
  ;;
deconfig) ip -4 address flush dev $interface ;;
esac
`;

/** What dhclient calls: puts the first address of a delegated prefix on the loopback interface, and notes what it was told. */
const SCRIPT6 = `#!/bin/sh
echo "$reason $new_ip6_prefix old=$old_ip6_prefix" >> LOG
case "$reason" in
BOUND6) ip -6 address replace "\${new_ip6_prefix%/*}1/128" dev lo ;;
esac
`;

export class MobileHost {
  readonly namespace: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'tunloom-host-'));
  readonly #clients: ChildProcess[] = [];

  /** `device` appears in namespace `gateway`, eth0 here; both are down. */
  constructor(namespace: string, gateway: string, device: string, mac: string) {
    this.namespace = namespace;
    createNamespace(namespace);
    withNamespaceFd(namespace, (namespaceFd) =>
      withNetlink(gateway, (netlink) =>
        netlink.apply([addVeth(device, { name: 'eth0', namespaceFd, address: mac })]),
      ),
    );
    exchangeSysctl(namespace, 'ipv6/conf/eth0/accept_ra', '1');
    exchangeSysctl(namespace, 'ipv6/conf/eth0/use_tempaddr', '0');
    // Addresses are usable at once; two hosts of one address are not what is tested.
    exchangeSysctl(namespace, 'ipv6/conf/eth0/accept_dad', '0');
  }

  /** Switches eth0 on or off. */
  set(up: boolean, { ipv6 = true } = {}): void {
    exchangeSysctl(this.namespace, 'ipv6/conf/eth0/disable_ipv6', ipv6 ? '0' : '1');
    withNetlink(this.namespace, (netlink) => netlink.apply([setLink('eth0', { up })]));
  }

  ip<T>(...args: string[]): T[] {
    const text = execFileSync('ip', ['-n', this.namespace, '-json', ...args], { encoding: 'utf8' });
    return JSON.parse(text || '[]') as T[];
  }

  /** Global addresses with prefix length, of one family. */
  addresses(family: 4 | 6): string[] {
    const [link] = this.ip<{ addr_info: { local: string; prefixlen: number }[] }>(
      ...[`-${family}`, 'address', 'show', 'dev', 'eth0', 'scope', 'global'],
    );
    // ip(8) leaves an empty object for an address that it filtered out.
    const shown = (link?.addr_info ?? []).filter(({ local }) => local !== undefined);
    return shown.map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  }

  /** Starts udhcpc; the lines that its script wrote are in `log`. */
  startDhcp(...options: string[]): { readonly process: ChildProcess; readonly log: string } {
    const script = join(this.#folder, 'script');
    const log = join(this.#folder, 'log');
    writeFileSync(script, SCRIPT.replace('LOG', log));
    chmodSync(script, 0o755);
    writeFileSync(log, '');
    const args = ['udhcpc', '-f', '-i', 'eth0', '-s', script, '-t', '10', '-T', '1', '-A', '1', '-O', 'mtu'];
    const client = spawn('ip', ['netns', 'exec', this.namespace, ...args, ...options], { stdio: 'ignore' });
    this.#clients.push(client);
    return { process: client, log };
  }

  /** Starts dhclient, which asks for a delegated prefix; the lines that its script wrote are in `log`. `release` gives the prefix back. */
  startPrefixDelegation(): { readonly log: string; readonly release: () => void } {
    const script = join(this.#folder, 'script6');
    const log = join(this.#folder, 'log6');
    const files = ['leases', 'pid'].map((name) => join(this.#folder, `${name}6`));
    writeFileSync(script, SCRIPT6.replace('LOG', log));
    chmodSync(script, 0o755);
    for (const file of [log, files[0]!]) writeFileSync(file, '');
    // -d: in the foreground; a configuration of the machine's own is not wanted.
    const args = ['dhclient', '-6', '-P', '-cf', '/dev/null', '-lf', files[0]!, '-pf', files[1]!];
    const command = ['netns', 'exec', this.namespace, ...args, '-sf', script];
    this.#clients.push(spawn('ip', [...command, '-d', 'eth0'], { stdio: 'ignore' }));
    return { log, release: () => execFileSync('ip', [...command, '-r', 'eth0'], { stdio: 'ignore' }) };
  }

  /** A UDP socket on eth0 that may broadcast, even without an address. */
  udp(port: number): { send: (data: Uint8Array, to: string, toPort: number) => void; close: () => void } {
    const fd = withNamespace(this.namespace, () => socket(2, 2 | 0o4000 | 0o2000000, 0));
    setIntOption(fd, 1, 6, 1, 'SO_BROADCAST');
    setOption(fd, 1, 25, new TextEncoder().encode('eth0\0'), 'SO_BINDTODEVICE');
    const any = encodeSockaddr(parseAddress('0.0.0.0'), port);
    bind(fd, any.bytes, any.length, `port ${port}`);
    return {
      send: (data, to, toPort) => {
        const target = encodeSockaddr(parseAddress(to), toPort);
        sendTo(fd, data, target.bytes, target.length, to);
      },
      close: () => close(fd),
    };
  }

  /** Whether one ICMP echo comes back. */
  reaches(address: string, device?: string): boolean {
    const where = device === undefined ? [] : ['-I', device];
    const family = address.includes(':') ? ['-6'] : [];
    const options = ['ping', ...family, '-c', '1', '-W', '2', ...where, address];
    return spawnSync('ip', this.#busybox(options), { stdio: 'ignore' }).status === 0;
  }

  /** Whether somebody, such as this process, answers an ARP request for `address` from the host's own one `source`. */
  async arps(address: string, source: string): Promise<boolean> {
    const options = ['arping', '-f', '-c', '3', '-w', '2', '-I', 'eth0', '-s', source, address];
    const [status] = (await once(spawn('ip', this.#busybox(options), { stdio: 'ignore' }), 'exit')) as [
      number,
    ];
    return status === 0;
  }

  /** A bare machine need not have ping(8) or arping(8). */
  #busybox(command: readonly string[]): string[] {
    return ['netns', 'exec', this.namespace, 'busybox', ...command];
  }

  dispose(): void {
    for (const client of this.#clients) client.kill('SIGKILL');
    // A namespace dies when the kernel finds time, and the other end of its link with it: the next host may have the same link before.
    withNetlink(this.namespace, (netlink) => {
      if (netlink.link('eth0')) netlink.apply([deleteLink('eth0')]);
    });
    deleteNamespace(this.namespace);
    rmSync(this.#folder, { recursive: true });
  }
}
