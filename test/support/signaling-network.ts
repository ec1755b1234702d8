/**
 * MAGs and LMAs under virtual time, joined by a network that loses, doubles, delays and thereby reorders messages. Everything
 * random comes from one seed.
 */
import type { AccessGrant } from '../../src/pmipv6/access-grant.ts';
import type { Effect } from '../../src/pmipv6/effect.ts';
import type { Endpoint, Instant } from '../../src/pmipv6/endpoint.ts';
import type { LmaConfig } from '../../src/pmipv6/lma/config.ts';
import { type LmaEvent, LmaMachine } from '../../src/pmipv6/lma/machine.ts';
import type { MagConfig } from '../../src/pmipv6/mag/config.ts';
import type { MagEvent } from '../../src/pmipv6/mag/event.ts';
import { MagMachine } from '../../src/pmipv6/mag/machine.ts';
import type { WanState } from '../../src/pmipv6/mag/wan-links.ts';
import type { TunnelSession } from '../../src/pmipv6/tunnel-session.ts';
import type { Message } from '../../src/pmipv6/wire/mobility-header.ts';
import { overTheWire } from './mag-bench.ts';

export interface Weather {
  /** 0..1 each. */
  readonly loss: number;
  readonly doubling: number;
  /** Milliseconds. */
  readonly minDelay: number;
  readonly maxDelay: number;
}

export const FAIR: Weather = { loss: 0, doubling: 0, minDelay: 5, maxDelay: 5 };

interface Delivery {
  readonly at: number;
  readonly order: number;
  readonly message: Message;
  readonly from: Endpoint;
  readonly to: Endpoint;
}

const REMEMBERED = 64;

/** What data plane and access side have been told. */
class World {
  readonly installed = new Map<string, TunnelSession>();
  readonly grants = new Map<string, AccessGrant>();

  apply(effect: Effect): void {
    if (effect.effect === 'install') this.installed.set(effect.session.name, effect.session);
    else if (effect.effect === 'remove') this.installed.delete(effect.session);
    else if (effect.effect === 'grant') this.grants.set(effect.grant.node, effect.grant);
    else if (effect.effect === 'withdraw') this.grants.delete(effect.node);
  }
}

export class MagNode {
  readonly world = new World();
  machine: MagMachine;
  restarts = 0;
  clock = 0;
  /** Nodes on its access links. */
  readonly attached = new Set<string>();
  /** Those that the host has, configured or not, with their addresses. */
  readonly interfaces = new Map<string, string[]>();
  /** Those that the daemon has sockets on. */
  open: Set<string>;
  config: MagConfig;
  private readonly configOf: (restartCounter: number) => MagConfig;

  constructor(configOf: (restartCounter: number) => MagConfig) {
    this.configOf = configOf;
    this.config = configOf(0);
    this.machine = new MagMachine(this.config);
    this.open = namesOf(this.config);
  }

  reset(): void {
    this.config = this.configOf(++this.restarts);
    this.machine = new MagMachine(this.config);
    this.open = namesOf(this.config);
    this.world.installed.clear();
    this.world.grants.clear();
  }

  has(address: string): boolean {
    return [...this.open].some((name) => this.interfaces.get(name)?.includes(address));
  }

  stateOf(name: string): WanState {
    const addresses = this.interfaces.get(name) ?? [];
    return { name, up: addresses.length > 0, addresses };
  }
}

function namesOf({ interfaces }: MagConfig): Set<string> {
  return new Set(interfaces.map(({ name }) => name));
}

export class LmaNode {
  readonly address: string;
  readonly world = new World();
  machine: LmaMachine;
  clock = 0;
  restarts = 0;
  config: LmaConfig;
  private readonly configOf: (restartCounter: number) => LmaConfig;

  constructor(address: string, configOf: (restartCounter: number) => LmaConfig) {
    this.address = address;
    this.configOf = configOf;
    this.config = configOf(0);
    this.machine = new LmaMachine(this.config);
  }

  restart(): void {
    this.config = this.configOf(++this.restarts);
    this.machine = new LmaMachine(this.config);
    this.world.installed.clear();
  }
}

export class SignalingNetwork {
  weather: Weather = FAIR;
  elapsed = 0;
  readonly utc = 1_700_000_000_000;
  readonly lmas: readonly LmaNode[];
  readonly mags: readonly MagNode[];
  delivered = 0;
  /** What the machines say to the operator. */
  onLog: (who: MagNode | LmaNode, log: Extract<Effect, { effect: 'log' }>) => void = () => {};
  private queue: Delivery[] = [];
  private order = 0;
  /** The last messages that were sent, for whoever repeats them later. */
  private readonly past: Pick<Delivery, 'message' | 'from' | 'to'>[] = [];
  private state: number;

  /** The LMAs have the addresses 2001:db8:f::1, ::2 ... */
  constructor(
    seed: number,
    lmaConfigs: readonly ((restartCounter: number) => LmaConfig)[],
    magConfigs: readonly ((restartCounter: number) => MagConfig)[],
  ) {
    this.state = seed | 1;
    this.lmas = lmaConfigs.map((configOf, i) => new LmaNode(`2001:db8:f::${i + 1}`, configOf));
    this.mags = magConfigs.map((configOf) => new MagNode(configOf));
  }

  /** The first one. */
  get lma(): LmaNode {
    return this.lmas[0]!;
  }

  /** xorshift32, 0..1. */
  random(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) / 2 ** 32;
  }

  now(clock: number): Instant {
    return { elapsed: this.elapsed, utc: this.utc + this.elapsed + clock };
  }

  tell(mag: MagNode, event: MagEvent): void {
    this.carryOut(mag, mag.machine.handle(event, this.now(mag.clock)));
  }

  /** The MAG reads this configuration; what it does at once. */
  reload(mag: MagNode, config: MagConfig): Effect[] {
    const before = mag.open;
    const fresh = namesOf(config);
    mag.config = config;
    mag.open = new Set([...before, ...fresh]);
    const news = [...fresh].filter((name) => !before.has(name)).map((name) => mag.stateOf(name));
    const effects = mag.machine.reconfigure(config, this.now(mag.clock), news);
    this.carryOut(mag, effects);
    // Who is there and had no profile is noticed again, as by src/node/mag-node.ts.
    for (const node of mag.attached) {
      if (!mag.machine.sessions().some((session) => session.node === node && session.attached)) {
        this.attach(mag, node);
      }
    }
    return effects;
  }

  private carryOut(mag: MagNode, effects: readonly Effect[]): void {
    for (const effect of effects) {
      mag.world.apply(effect);
      if (effect.effect === 'log') this.onLog(mag, effect);
      // A packet leaves only from an address that the interface has.
      if (effect.effect === 'send' && mag.has(effect.from.address)) this.post(effect);
      if (effect.effect === 'close') mag.open.delete(effect.interface);
    }
  }

  setInterface(mag: MagNode, name: string, list: string[]): void {
    mag.interfaces.set(name, list);
    if (mag.open.has(name)) this.tell(mag, { event: 'interface', ...mag.stateOf(name) });
  }

  attach(mag: MagNode, node: string): void {
    mag.attached.add(node);
    const linkLayer = new Uint8Array([2, 0, 0, 0, 0, node.charCodeAt(2)]);
    this.tell(mag, { event: 'attach', node, interface: 'lan0', linkLayer, technology: 3 });
  }

  detach(mag: MagNode, node: string): void {
    mag.attached.delete(node);
    this.tell(mag, { event: 'detach', node, interface: 'lan0' });
  }

  restartMag(mag: MagNode): void {
    mag.reset();
    for (const [name, list] of mag.interfaces) this.setInterface(mag, name, list);
    for (const node of mag.attached) this.attach(mag, node);
  }

  pass(milliseconds: number, invariant: () => void = () => {}): void {
    const end = this.elapsed + milliseconds;
    for (;;) {
      const message = this.queue[0];
      const times = [
        message?.at,
        ...this.lmas.map(({ machine }) => machine.nextDeadline()),
        ...this.mags.map(({ machine }) => machine.nextDeadline()),
      ];
      const next = Math.min(...times.map((time) => time ?? Infinity));
      if (next > end) break;
      this.elapsed = Math.max(this.elapsed, next);
      if (message && message.at <= this.elapsed) this.deliver(this.queue.shift()!);
      else this.tick();
      invariant();
    }
    this.elapsed = end;
  }

  private tick(): void {
    for (const lma of this.lmas) this.runLma(lma, { event: 'tick' });
    for (const mag of this.mags) this.tell(mag, { event: 'tick' });
  }

  private deliver({ message, from, to }: Delivery): void {
    this.delivered++;
    const event = { event: 'message', message: overTheWire(message), from, to } as const;
    const mag = this.mags.find((each) => each.has(to.address));
    if (mag) this.tell(mag, event);
    const lma = this.lmas.find(({ address }) => address === to.address);
    if (lma) this.runLma(lma, event);
  }

  tellLma(lma: LmaNode, event: LmaEvent): void {
    this.runLma(lma, event);
  }

  /** The LMA reads this configuration. */
  reloadLma(lma: LmaNode, config: LmaConfig): void {
    lma.config = config;
    this.carryOutLma(lma, lma.machine.reconfigure(config, this.now(lma.clock)));
  }

  /** Somebody sends a message once more that was sent `back` messages ago. */
  replay(back: number): void {
    const message = this.past.at(-1 - back);
    if (message) this.post(message);
  }

  private runLma(lma: LmaNode, event: LmaEvent): void {
    this.carryOutLma(lma, lma.machine.handle(event, this.now(lma.clock)));
  }

  private carryOutLma(lma: LmaNode, effects: readonly Effect[]): void {
    for (const effect of effects) {
      lma.world.apply(effect);
      if (effect.effect === 'send') this.post(effect);
      if (effect.effect === 'log') this.onLog(lma, effect);
    }
  }

  private post({ message, from, to }: Pick<Delivery, 'message' | 'from' | 'to'>): void {
    const { loss, doubling, minDelay, maxDelay } = this.weather;
    this.past.push({ message, from, to });
    if (this.past.length > REMEMBERED) this.past.shift();
    if (this.random() < loss) return;
    for (let copies = this.random() < doubling ? 2 : 1; copies > 0; copies--) {
      const at = this.elapsed + minDelay + Math.floor(this.random() * (maxDelay - minDelay + 1));
      this.queue.push({ at, order: this.order++, message, from, to });
    }
    this.queue.sort((a, b) => a.at - b.at || a.order - b.order);
  }
}
