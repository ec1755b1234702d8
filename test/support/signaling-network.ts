/**
 * MAGs and an LMA under virtual time, joined by a network that loses, doubles, delays and thereby reorders messages. Everything
 * random comes from one seed.
 */
import type { AccessGrant } from '../../src/pmipv6/access-grant.ts';
import type { Effect } from '../../src/pmipv6/effect.ts';
import type { Endpoint, Instant } from '../../src/pmipv6/endpoint.ts';
import type { LmaConfig } from '../../src/pmipv6/lma/config.ts';
import { LmaMachine } from '../../src/pmipv6/lma/machine.ts';
import type { MagConfig } from '../../src/pmipv6/mag/config.ts';
import type { MagEvent } from '../../src/pmipv6/mag/event.ts';
import { MagMachine } from '../../src/pmipv6/mag/machine.ts';
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
  readonly interfaces = new Map<string, string[]>();
  private readonly configOf: (restartCounter: number) => MagConfig;

  constructor(configOf: (restartCounter: number) => MagConfig) {
    this.configOf = configOf;
    this.machine = new MagMachine(configOf(0));
  }

  reset(): void {
    this.machine = new MagMachine(this.configOf(++this.restarts));
    this.world.installed.clear();
    this.world.grants.clear();
  }
}

export class SignalingNetwork {
  weather: Weather = FAIR;
  elapsed = 0;
  readonly utc = 1_700_000_000_000;
  lma: LmaMachine;
  lmaRestarts = 0;
  lmaClock = 0;
  readonly lmaWorld = new World();
  readonly mags: readonly MagNode[];
  delivered = 0;
  private readonly lmaConfigOf: (restartCounter: number) => LmaConfig;
  private queue: Delivery[] = [];
  private order = 0;
  private state: number;

  constructor(
    seed: number,
    lmaConfigOf: (restartCounter: number) => LmaConfig,
    magConfigs: readonly ((restartCounter: number) => MagConfig)[],
  ) {
    this.state = seed | 1;
    this.lmaConfigOf = lmaConfigOf;
    this.lma = new LmaMachine(lmaConfigOf(0));
    this.mags = magConfigs.map((configOf) => new MagNode(configOf));
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
    for (const effect of mag.machine.handle(event, this.now(mag.clock))) {
      mag.world.apply(effect);
      // A packet leaves only from an address that the interface has.
      if (effect.effect === 'send' && addresses(mag).includes(effect.from.address)) this.post(effect);
    }
  }

  setInterface(mag: MagNode, name: string, list: string[]): void {
    mag.interfaces.set(name, list);
    this.tell(mag, { event: 'interface', name, up: list.length > 0, addresses: list });
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

  restartLma(): void {
    this.lma = new LmaMachine(this.lmaConfigOf(++this.lmaRestarts));
    this.lmaWorld.installed.clear();
  }

  pass(milliseconds: number, invariant: () => void = () => {}): void {
    const end = this.elapsed + milliseconds;
    for (;;) {
      const message = this.queue[0];
      const times = [
        message?.at,
        this.lma.nextDeadline(),
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
    this.runLma({ event: 'tick' });
    for (const mag of this.mags) this.tell(mag, { event: 'tick' });
  }

  private deliver({ message, from, to }: Delivery): void {
    this.delivered++;
    const event = { event: 'message', message: overTheWire(message), from, to } as const;
    const mag = this.mags.find((each) => addresses(each).includes(to.address));
    if (mag) this.tell(mag, event);
    else if (to.address === '2001:db8:f::1') this.runLma(event);
  }

  private runLma(event: Parameters<LmaMachine['handle']>[0]): void {
    for (const effect of this.lma.handle(event, this.now(this.lmaClock))) {
      this.lmaWorld.apply(effect);
      if (effect.effect === 'send') this.post(effect);
    }
  }

  private post({ message, from, to }: Pick<Delivery, 'message' | 'from' | 'to'>): void {
    const { loss, doubling, minDelay, maxDelay } = this.weather;
    if (this.random() < loss) return;
    for (let copies = this.random() < doubling ? 2 : 1; copies > 0; copies--) {
      const at = this.elapsed + minDelay + Math.floor(this.random() * (maxDelay - minDelay + 1));
      this.queue.push({ at, order: this.order++, message, from, to });
    }
    this.queue.sort((a, b) => a.at - b.at || a.order - b.order);
  }
}

function addresses(mag: MagNode): string[] {
  return [...mag.interfaces.values()].flat();
}
