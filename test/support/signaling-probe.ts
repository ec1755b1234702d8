/** Plays a MAG, or nonsense, towards an LMA: mobility messages from sockets in a network namespace, answers awaited. */
import { parseAddress } from '../../src/ip.ts';
import { MobilityTransport } from '../../src/net/mobility-transport.ts';
import { Readiness } from '../../src/net/readiness.ts';
import { type SecurityAssociation, addAuthentication } from '../../src/pmipv6/authentication.ts';
import type { BindingAck } from '../../src/pmipv6/wire/message/binding-ack.ts';
import {
  type Message,
  decodeMessage,
  encodeMessage,
  writeChecksum,
} from '../../src/pmipv6/wire/mobility-header.ts';

export interface Answer {
  readonly message: Message;
  readonly octets: Uint8Array;
  readonly from: string;
  readonly to: string;
  readonly port: number | null;
}

export class SignalingProbe {
  readonly #readiness = new Readiness();
  readonly #transport: MobilityTransport;
  readonly #sockets = new Map<string, number>();
  readonly answers: Answer[] = [];
  #arrived: (() => void) | undefined;

  constructor(namespace: string) {
    this.#transport = new MobilityTransport(namespace, this.#readiness, (datagrams) => {
      for (const { data, from, to, port } of datagrams) {
        const octets = data.slice();
        this.answers.push({ message: decodeMessage(octets), octets, from, to, port });
      }
      this.#arrived?.();
    });
  }

  /** `port` null: Mobility Header over IPv6. */
  send(octets: Uint8Array, from: string, to: string, port: number | null = null, localPort = 5436): void {
    const key = `${from}#${port === null ? '' : localPort}`;
    let socket = this.#sockets.get(key);
    if (socket === undefined) {
      socket = this.#transport.open({ local: from, port: port === null ? null : localPort });
      this.#sockets.set(key, socket);
    }
    this.#transport.send(socket, octets, from, to, port);
  }

  /** Sends a message over IPv6 with its checksum and, with a key, its authentication. */
  sendMessage(message: Message, from: string, to: string, key?: SecurityAssociation): void {
    const source = parseAddress(from).bytes;
    const plain = encodeMessage(message);
    const octets = key ? addAuthentication(plain, key, source) : plain;
    writeChecksum(octets, { source, destination: parseAddress(to).bytes });
    this.send(octets, from, to);
  }

  /** The next answer, or undefined if none comes within `milliseconds`. */
  async next(milliseconds = 5000): Promise<Answer | undefined> {
    if (!this.answers.length) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.#arrived = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.answers.shift();
  }

  async ack(): Promise<BindingAck> {
    const answer = await this.next();
    if (answer?.message.message !== 'binding-ack') throw new Error(`no PBA but ${answer?.message.message}`);
    return answer.message;
  }

  async stop(): Promise<void> {
    this.#transport.closeAll();
    await this.#readiness.stop();
  }
}
