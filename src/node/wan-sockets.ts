/**
 * The WAN interfaces of a MAG: a signaling socket of each family on every interface, so that a PBU leaves by its own, and news of
 * interfaces and addresses for the state machine.
 */
import { SystemCallError } from '../net/errno.ts';
import { InterfaceMonitor } from '../net/interface-monitor.ts';
import type { MobilityTransport } from '../net/mobility-transport.ts';
import type { Readiness } from '../net/readiness.ts';
import { TunloomError } from '../errors.ts';
import type { Endpoint } from '../pmipv6/endpoint.ts';
import type { WanState } from '../pmipv6/mag/wan-links.ts';
import { SIGNALING_PORT } from '../pmipv6/wire/numbers.ts';

interface Sockets {
  /** Index of the device that they are bound to. */
  readonly device: number;
  /** Null on a kernel without IPv6. */
  readonly ipv6: number | null;
  readonly ipv4: number;
}

const SCOPE_UNIVERSE = 0;
const EAFNOSUPPORT = 97;

export class WanSockets {
  #names: readonly string[];
  /** No longer wanted, but not closed yet. */
  #leaving: readonly string[] = [];
  readonly #transport: MobilityTransport;
  readonly #monitor: InterfaceMonitor;
  readonly #changed: (state: WanState) => void;
  readonly #returned: (name: string) => boolean;
  readonly #log: (text: string) => void;
  readonly #sockets = new Map<string, Sockets>();
  /** Switched off by the operator, whatever the kernel says. */
  readonly #closed = new Set<string>();
  readonly #told = new Map<string, string>();
  readonly #waiting = new Set<string>();
  /** Index of the device that last had a name. */
  readonly #devices = new Map<string, number>();
  /** Names that another device has now, of which not all have taken note yet. */
  readonly #others = new Set<string>();
  #stopped = false;

  /**
   * `changed` hears of interfaces that are different from what it heard before; call begin() for the first news. `returned` hears before that
   * of a name that another device has now: an interface that was deleted and has come back; until it gives true, with each change.
   */
  constructor(
    namespace: string | null,
    names: readonly string[],
    transport: MobilityTransport,
    readiness: Readiness,
    changed: (state: WanState) => void,
    returned: (name: string) => boolean,
    log: (text: string) => void,
  ) {
    this.#names = names;
    this.#transport = transport;
    this.#changed = changed;
    this.#returned = returned;
    this.#log = log;
    this.#monitor = new InterfaceMonitor(namespace, readiness, ({ device }) => this.#look(device));
  }

  begin(): void {
    for (const name of this.#names) this.#tell(name);
  }

  /** Other interfaces from now on. Opens the new ones and gives their state; the others stay open until close(). */
  setNames(names: readonly string[]): WanState[] {
    const before = [...this.#names, ...this.#leaving];
    this.#names = names;
    this.#leaving = before.filter((name) => !names.includes(name));
    for (const name of this.#leaving) this.#closed.delete(name);
    return names.filter((name) => !before.includes(name)).map((name) => this.#stateOf(name));
  }

  /** Nothing is sent by the interface any more. */
  close(name: string): void {
    this.#leaving = this.#leaving.filter((other) => other !== name);
    this.#told.delete(name);
    this.#shut(name);
  }

  stop(): void {
    this.#stopped = true;
    this.#monitor.stop();
  }

  /** Takes an interface out of use, or into it again. Throws UNKNOWN_INTERFACE. */
  set(name: string, up: boolean): void {
    if (!this.#names.includes(name)) {
      throw new TunloomError(
        'UNKNOWN_INTERFACE',
        `${name} is no WAN interface; there are ${this.#names.join(', ')}`,
      );
    }
    if (up) this.#closed.delete(name);
    else this.#closed.add(name);
    this.#tell(name);
  }

  /** The socket for a message from `from`, by interface `device` or, if null, by the one that has the address. */
  socketFor(from: Endpoint, device: string | null): number | null {
    const name = device ?? this.#followed().find((name) => this.#addresses(name).includes(from.address));
    const sockets = name === undefined ? undefined : this.#sockets.get(name);
    if (!sockets) return null;
    return from.port === null ? sockets.ipv6 : sockets.ipv4;
  }

  /** Several events of one interface in a row, such as link and addresses, are one piece of news. */
  #look(device: string): void {
    if (!this.#followed().includes(device) || this.#waiting.has(device)) return;
    this.#waiting.add(device);
    setImmediate(() => {
      this.#waiting.delete(device);
      if (!this.#stopped && this.#followed().includes(device)) this.#tell(device);
    });
  }

  #followed(): string[] {
    return [...this.#names, ...this.#leaving];
  }

  #tell(name: string): void {
    const before = this.#told.get(name);
    const state = this.#stateOf(name);
    if (this.#told.get(name) !== before) this.#changed(state);
  }

  #stateOf(name: string): WanState {
    this.#open(name);
    if (this.#others.has(name) && this.#returned(name)) this.#others.delete(name);
    const state: WanState = {
      name,
      up: this.#sockets.has(name) && !this.#closed.has(name) && this.#monitor.isUp(name),
      addresses: this.#addresses(name),
    };
    this.#told.set(name, JSON.stringify(state));
    return state;
  }

  /** Sockets are bound to a device, not to its name: one that went and came again is another. */
  #open(name: string): void {
    const link = this.#monitor.links().find((link) => link.name === name);
    const present = this.#sockets.get(name);
    if (present?.device === link?.index) return;
    this.#shut(name);
    if (!link) return;
    const before = this.#devices.get(name);
    this.#devices.set(name, link.index);
    if (before !== undefined && before !== link.index) this.#others.add(name);
    let ipv6: number | null = null;
    try {
      ipv6 = this.#openIpv6(name);
      const ipv4 = this.#transport.open({ local: '0.0.0.0', port: SIGNALING_PORT, interface: name });
      this.#sockets.set(name, { device: link.index, ipv6, ipv4 });
    } catch (error) {
      // It may have gone meanwhile; another event tells when it is back.
      if (ipv6 !== null) this.#transport.close(ipv6);
      this.#log(`${name}: ${(error as Error).message}`);
    }
  }

  #openIpv6(name: string): number | null {
    try {
      return this.#transport.open({ local: '::', port: null, interface: name });
    } catch (error) {
      if (error instanceof SystemCallError && error.errno === EAFNOSUPPORT) return null;
      throw error;
    }
  }

  #shut(name: string): void {
    const present = this.#sockets.get(name);
    if (!present) return;
    if (present.ipv6 !== null) this.#transport.close(present.ipv6);
    this.#transport.close(present.ipv4);
    this.#sockets.delete(name);
  }

  #addresses(name: string): string[] {
    return this.#monitor
      .addresses(name)
      .filter(({ scope }) => scope === SCOPE_UNIVERSE)
      .map(({ address }) => address);
  }
}
