/**
 * Addresses, routes and rules through iproute2 (ip(8)), in this or another network namespace. All that is added is noted
 * and removed again; what a killed predecessor left is found by its protocol number.
 */
import { execFileSync } from 'node:child_process';
import { TunloomError } from '../errors.ts';

/** Marks our routes and rules (rtnetlink(7), rtm_protocol); free in /etc/iproute2/rt_protos. */
const PROTOCOL = 188;

export interface LinkStatistics {
  readonly txPackets: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
}

export interface Route {
  readonly prefix: string;
  readonly device: string;
  readonly table?: number | undefined;
  readonly via?: string | undefined;
}

export interface Rule {
  readonly from?: string | undefined;
  readonly iif?: string | undefined;
  readonly family: 4 | 6;
  readonly table: number;
  readonly priority: number;
}

/** Runs `ip` and gives what it prints. Throws IPROUTE2 with its own words. */
export function ip(namespace: string | null, args: readonly string[], input?: string): string {
  try {
    return execFileSync('ip', [...(namespace === null ? [] : ['-n', namespace]), ...args], {
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: 256 << 20,
      ...(input === undefined ? {} : { input }),
    });
  } catch (error) {
    const { stderr, code } = error as { stderr?: string; code?: string };
    const reason = code === 'ENOENT' ? 'the program ip (iproute2) is not installed' : (stderr ?? '').trim();
    throw new TunloomError('IPROUTE2', `ip ${args.join(' ')}: ${reason}`, { cause: error });
  }
}

/** Counters of a device, as the kernel keeps them. */
export function linkStatistics(namespace: string | null, device: string): LinkStatistics {
  const [link] = JSON.parse(ip(namespace, ['-json', '-statistics', 'link', 'show', 'dev', device])) as [
    { stats64: { rx: { packets: number; bytes: number }; tx: { packets: number; bytes: number } } },
  ];
  const { rx, tx } = link.stats64;
  return { txPackets: tx.packets, txBytes: tx.bytes, rxPackets: rx.packets, rxBytes: rx.bytes };
}

/** Configures one host and takes everything back. */
export class HostConfiguration {
  readonly #namespace: string | null;
  /** Commands that undo what was done, in order of doing. */
  #journal: string[] = [];

  constructor(namespace: string | null) {
    this.#namespace = namespace;
  }

  /** Brings a device up with an MTU and a transmit queue length. Not undone: for devices that go away by themselves. */
  setLink(device: string, settings: { mtu: number; queueLength: number }): void {
    // No link-local address: a TUN has no neighbours, and solicitations would only be dropped and counted.
    ip(this.#namespace, ['link', 'set', 'dev', device, 'addrgenmode', 'none']);
    ip(this.#namespace, [
      ...['link', 'set', 'dev', device, 'up', 'mtu', String(settings.mtu)],
      ...['txqueuelen', String(settings.queueLength)],
    ]);
  }

  setMtu(device: string, mtu: number): void {
    ip(this.#namespace, ['link', 'set', 'dev', device, 'mtu', String(mtu)]);
  }

  /** `address` as CIDR; IPv6 without duplicate address detection, as nobody shares the link. */
  addAddress(device: string, address: string): void {
    const nodad = address.includes(':') ? ' nodad' : '';
    this.#batch(
      [`address replace ${address} dev ${device}${nodad}`],
      [`address delete ${address} dev ${device}`],
      false,
    );
  }

  /** Adds routes, tens of thousands at once if need be. */
  addRoutes(routes: readonly Route[]): void {
    this.#batch(
      routes.map((route) => `${family(route.prefix)} route replace ${describeRoute(route)}`),
      routes.map((route) => `${family(route.prefix)} route delete ${describeRoute(route)}`),
    );
  }

  removeRoutes(routes: readonly Route[]): void {
    const commands = new Set(
      routes.map((route) => `${family(route.prefix)} route delete ${describeRoute(route)}`),
    );
    this.#journal = this.#journal.filter((command) => !commands.has(command));
    this.#force([...commands]);
  }

  addRules(rules: readonly Rule[]): void {
    this.#batch(
      rules.map((rule) => `-${rule.family} rule add ${describeRule(rule)}`),
      rules.map((rule) => `-${rule.family} rule delete ${describeRule(rule)}`),
    );
  }

  /** Removes everything that was added, last first; what has gone with its device does not matter. */
  undo(): void {
    const commands = this.#journal.reverse();
    this.#journal = [];
    this.#force(commands);
  }

  /** Removes rules and routes that a predecessor left in `table` when it was killed. */
  removeLeftovers(table: number): void {
    for (const version of ['-4', '-6']) {
      const rules = JSON.parse(ip(this.#namespace, [version, '-json', '-details', 'rule', 'show'])) as {
        priority: number;
        protocol?: string | number;
        table?: string | number;
      }[];
      const ours = rules.filter((rule) => String(rule.protocol) === String(PROTOCOL));
      this.#force(
        ours.map((rule) => `${version} rule delete priority ${rule.priority} protocol ${PROTOCOL}`),
      );
      this.#force([`${version} route flush table ${table} protocol ${PROTOCOL}`]);
    }
  }

  #batch(commands: readonly string[], undo: readonly string[], all = true): void {
    if (!commands.length) return;
    // Noted before doing: a batch that fails half-way is undone as well, and undoing too much does no harm.
    this.#journal.push(...undo);
    if (all) {
      for (const version of ['-4', '-6']) {
        const lines = commands.filter((line) => line.startsWith(version)).map((line) => line.slice(3));
        if (lines.length) ip(this.#namespace, [version, '-batch', '-'], `${lines.join('\n')}\n`);
      }
    } else {
      ip(this.#namespace, ['-batch', '-'], `${commands.join('\n')}\n`);
    }
  }

  #force(commands: readonly string[]): void {
    for (const version of ['-4', '-6', '']) {
      const lines = commands
        .filter((line) => (version ? line.startsWith(version) : !line.startsWith('-')))
        .map((line) => (version ? line.slice(3) : line));
      if (!lines.length) continue;
      try {
        ip(
          this.#namespace,
          [...(version ? [version] : []), '-force', '-batch', '-'],
          `${lines.join('\n')}\n`,
        );
      } catch {
        // -force has tried every line; what failed was not there any more.
      }
    }
  }
}

function family(prefix: string): string {
  return prefix.includes(':') ? '-6' : '-4';
}

function describeRoute(route: Route): string {
  const via = route.via === undefined ? '' : ` via ${route.via}`;
  const table = route.table === undefined ? '' : ` table ${route.table}`;
  return `${route.prefix}${via} dev ${route.device}${table} proto ${PROTOCOL}`;
}

function describeRule(rule: Rule): string {
  const from = rule.from === undefined ? '' : `from ${rule.from} `;
  const iif = rule.iif === undefined ? '' : `iif ${rule.iif} `;
  return `${from}${iif}lookup ${rule.table} priority ${rule.priority} protocol ${PROTOCOL}`;
}
