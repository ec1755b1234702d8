/** Registers many mobile nodes with an LMA, as one MAG would: a window of PBUs under way, each answer checked. */
import { parseAddress } from '../../src/ip.ts';
import { MobilityTransport } from '../../src/net/mobility-transport.ts';
import { Readiness } from '../../src/net/readiness.ts';
import { UpdateFlag } from '../../src/pmipv6/wire/message/binding-update.ts';
import { decodeMessage, encodeMessage } from '../../src/pmipv6/wire/mobility-header.ts';
import { identifierText, nai } from '../../src/pmipv6/wire/option/identifier.ts';
import { timestampOf } from '../../src/pmipv6/wire/option/timestamp.ts';
import { findOption, type MobilityOption } from '../../src/pmipv6/wire/options.ts';

export interface LoadResult {
  /** Answers by status. */
  readonly statuses: Readonly<Record<number, number>>;
  /** Prefix granted, by node. */
  readonly prefixes: ReadonlyMap<string, string>;
  /** PBUs that had to be sent once more. */
  readonly retransmissions: number;
  readonly milliseconds: number;
}

interface Outstanding {
  readonly node: number;
  readonly bid: number;
  sent: number;
}

const RETRANSMIT_MS = 1000;

export class LoadGenerator {
  readonly #readiness = new Readiness();
  readonly #transport: MobilityTransport;
  readonly #addresses: readonly string[];
  readonly #lma: string;
  readonly #sockets: readonly number[];
  readonly #prefixes = new Map<string, string>();
  readonly #outstanding = new Map<string, Outstanding>();
  #answered: (key: string, status: number) => void = () => {};
  #sequence = 0;

  /** One care-of address for each BID. */
  constructor(namespace: string, addresses: readonly string[], lma: string) {
    this.#addresses = addresses;
    this.#lma = lma;
    this.#transport = new MobilityTransport(namespace, this.#readiness, (datagrams) => {
      for (const { data } of datagrams) {
        const message = decodeMessage(data);
        if (message.message !== 'binding-ack') continue;
        const node = identifierText(findOption(message.options, 'mn-identifier')!);
        const bid = findOption(message.options, 'mag-multipath-binding')?.bid ?? 0;
        const prefix = findOption(message.options, 'home-network-prefix');
        if (message.status === 0 && prefix) this.#prefixes.set(node, prefix.prefix);
        this.#answered(`${node} ${bid}`, message.status);
      }
    });
    this.#sockets = addresses.map((local) => this.#transport.open({ local, port: null }));
  }

  /** Registers or extends `count` nodes, all their bindings, with at most `window` PBUs under way. */
  async register(count: number, window: number, lifetime = 900): Promise<LoadResult> {
    const statuses: Record<number, number> = {};
    let retransmissions = 0;
    const start = performance.now();
    // One binding of all nodes after the other: the further ones name the prefix that the first was granted.
    for (let bid = 1; bid <= this.#addresses.length; bid++) {
      await new Promise<void>((resolve) => {
        let next = 0;
        let done = 0;
        const fill = (): void => {
          while (next < count && this.#outstanding.size < window) {
            const entry = { node: next++, bid, sent: 0 };
            this.#outstanding.set(`${nodeName(entry.node)} ${bid}`, entry);
            this.#send(entry, lifetime);
          }
        };
        const repeat = setInterval(() => {
          const now = performance.now();
          for (const entry of this.#outstanding.values()) {
            if (now - entry.sent < RETRANSMIT_MS) continue;
            retransmissions++;
            this.#send(entry, lifetime);
          }
        }, RETRANSMIT_MS / 4);
        this.#answered = (key, status) => {
          // A late answer to a repetition.
          if (!this.#outstanding.delete(key)) return;
          statuses[status] = (statuses[status] ?? 0) + 1;
          done++;
          if (done < count) fill();
          else {
            clearInterval(repeat);
            resolve();
          }
        };
        fill();
      });
    }
    return {
      statuses,
      prefixes: this.#prefixes,
      retransmissions,
      milliseconds: performance.now() - start,
    };
  }

  async stop(): Promise<void> {
    this.#transport.closeAll();
    await this.#readiness.stop();
  }

  #send(entry: Outstanding, lifetime: number): void {
    const { node, bid } = entry;
    const octets = this.update(node, bid, lifetime);
    entry.sent = performance.now();
    this.#transport.send(this.#sockets[bid - 1]!, octets, this.#addresses[bid - 1]!, this.#lma, null);
  }

  /** The PBU that registers or extends a binding of node number `node`. */
  update(node: number, bid: number, lifetime = 900): Uint8Array {
    const name = nodeName(node);
    const prefix = this.#prefixes.get(name) ?? '::/0';
    const options: MobilityOption[] = [
      { option: 'mn-identifier', ...nai(name) },
      { option: 'home-network-prefix', prefix, offLink: false },
      { option: 'handoff-indicator', indicator: prefix === '::/0' ? 1 : 5 },
      { option: 'access-technology-type', technology: 8 },
      timestampOf(Date.now()),
      { option: 'gre-key', key: node + 1 },
      { option: 'mag-multipath-binding', technology: 8, label: bid, bid, bulk: false, overwrite: false },
      { option: 'mag-identifier', ...nai('mag1@example.org') },
    ];
    const from = this.#addresses[bid - 1]!;
    return encodeMessage(
      {
        message: 'binding-update',
        sequence: ++this.#sequence & 0xffff,
        flags: UpdateFlag.ACKNOWLEDGE | UpdateFlag.PROXY,
        lifetime,
        options,
      },
      { source: parseAddress(from).bytes, destination: parseAddress(this.#lma).bytes },
    );
  }
}

function nodeName(node: number): string {
  return `many${node}@example.org`;
}
