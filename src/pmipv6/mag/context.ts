/** What all parts of the MAG state machine share while one event is handled. */
import type { Effect } from '../effect.ts';
import type { Endpoint, Instant } from '../endpoint.ts';
import type { Message } from '../wire/mobility-header.ts';
import { Anchors } from './anchors.ts';
import type { MagConfig } from './config.ts';
import { UpdateList } from './update-list.ts';
import { WanLinks } from './wan-links.ts';

export class MagContext {
  config: MagConfig;
  readonly list = new UpdateList();
  readonly links: WanLinks;
  readonly anchors: Anchors;
  now: Instant = { elapsed: 0, utc: 0 };
  effects: Effect[] = [];
  /** When the last binding ends that was asked for with a longer lifetime than now; elapsed milliseconds. */
  oldUntil = 0;
  readonly received = new Map<string, number>();
  readonly sent = new Map<string, number>();
  readonly answered = new Map<string, number>();
  readonly ignored = new Map<string, number>();

  constructor(config: MagConfig) {
    this.config = config;
    this.links = new WanLinks(config.interfaces);
    this.anchors = new Anchors(config);
  }

  send(message: Message, from: Endpoint, to: Endpoint, wan: string | null): void {
    this.effects.push({ effect: 'send', message, from, to, interface: wan });
  }

  log(level: 'debug' | 'info' | 'warn' | 'error', text: string, node?: string, peer?: string): void {
    this.effects.push({ effect: 'log', level, text, node, peer });
  }

  ignore(reason: string, from: Endpoint, node?: string): void {
    count(this.ignored, reason);
    this.log('debug', `message ignored: ${reason}`, node, from.address);
  }
}

export function count(counters: Map<string, number>, key: string): void {
  counters.set(key, (counters.get(key) ?? 0) + 1);
}
