/**
 * `node bench/signaling.ts`: what one LMA state machine handles, codec included (PBU octets in, PBA octets out): registrations and
 * refreshes a second at 1,000 and 100,000 bindings, and memory a binding. Run with --expose-gc for the memory.
 */
import { LMA_DEFAULTS, type LmaConfig, PROFILE_DEFAULTS } from '../src/pmipv6/lma/config.ts';
import { LmaMachine } from '../src/pmipv6/lma/machine.ts';
import { UpdateFlag } from '../src/pmipv6/wire/message/binding-update.ts';
import { decodeMessage, encodeMessage } from '../src/pmipv6/wire/mobility-header.ts';
import { nai } from '../src/pmipv6/wire/option/identifier.ts';
import { timestampOf } from '../src/pmipv6/wire/option/timestamp.ts';

const LMA = { address: '2001:db8:f::1', port: null };
const MAG = { address: '2001:db8:a::1', port: null };
const BINDINGS_PER_NODE = 2;

class Load {
  private readonly lma: LmaMachine;
  private readonly now = { elapsed: 0, utc: Date.UTC(2026, 0, 1) };
  private sequence = 0;

  constructor() {
    let key = 0;
    const config: LmaConfig = {
      ...LMA_DEFAULTS,
      homePrefixPools: ['2001:db8:1000::/40'],
      mags: [{ prefix: '2001:db8:a::/48', identity: null }],
      nodes: [{ ...PROFILE_DEFAULTS, identity: '*@example.org' }],
      maxUpdatesPerSecond: 1e9,
      randomKey: () => ++key,
    };
    this.lma = new LmaMachine(config);
  }

  /** PBUs of node `n`, one for each of its bindings, as octets. */
  updates(n: number, handoff: number): Uint8Array[] {
    return Array.from({ length: BINDINGS_PER_NODE }, (_, i) =>
      encodeMessage({
        message: 'binding-update',
        sequence: ++this.sequence & 0xffff,
        flags: UpdateFlag.ACKNOWLEDGE | UpdateFlag.PROXY,
        lifetime: 900,
        options: [
          { option: 'mn-identifier', ...nai(`mn${n}@example.org`) },
          { option: 'home-network-prefix', prefix: '::/0', offLink: false },
          { option: 'handoff-indicator', indicator: handoff },
          { option: 'access-technology-type', technology: 8 },
          timestampOf(this.now.utc),
          { option: 'gre-key', key: n + 1 },
          {
            option: 'mag-multipath-binding',
            technology: 8,
            label: i,
            bid: i + 1,
            bulk: false,
            overwrite: false,
          },
          { option: 'mag-identifier', ...nai('mag1@example.org') },
        ],
      }),
    );
  }

  /** Octets of the PBA. Throws if there is none, or it does not accept: a fast refusal is no figure. */
  handle(octets: Uint8Array): Uint8Array {
    const message = decodeMessage(octets);
    const effects = this.lma.handle({ event: 'message', message, from: MAG, to: LMA }, this.now);
    for (const effect of effects) {
      if (effect.effect !== 'send' || effect.message.message !== 'binding-ack') continue;
      if (effect.message.status >= 128)
        throw new Error(`PBU was rejected with status ${effect.message.status}`);
      return encodeMessage(effect.message);
    }
    throw new Error('PBU was not answered');
  }

  /** A second goes by, so that timestamps are new. */
  pass(): void {
    this.now.elapsed += 1000;
    this.now.utc += 1000;
  }

  /** Messages a second over `nodes` nodes; writing the PBUs is not in the time. */
  rate(nodes: number, from: number, handoff: number): number {
    this.pass();
    const messages = Array.from({ length: nodes }, (_, i) => this.updates(from + i, handoff)).flat();
    const start = process.hrtime.bigint();
    for (const octets of messages) this.handle(octets);
    return (messages.length / Number(process.hrtime.bigint() - start)) * 1e9;
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

const gc = (globalThis as { gc?: () => void }).gc;
const heap = (): number => {
  gc?.();
  return process.memoryUsage().heapUsed;
};

// The compiler has seen the code before anything is timed.
const warm = new Load();
for (let n = 0; n < 10; n++) warm.rate(500, 0, n ? 5 : 1);

const refreshes: number[] = [];
for (const bindings of [1000, 100_000]) {
  const before = heap();
  const load = new Load();
  const nodes = bindings / BINDINGS_PER_NODE;
  const registrations = load.rate(nodes, 0, 1);
  const octets = (heap() - before) / bindings;
  const runs: number[] = [];
  for (let run = 0; run < 9; run++) runs.push(load.rate(500, bindings === 1000 ? 0 : run * 5000, 5));
  refreshes.push(median(runs));
  process.stdout.write(
    `${bindings} bindings: ${Math.round(registrations)} registrations/s, ${Math.round(median(runs))} refreshes/s` +
      `${gc ? `, ${Math.round(octets)} octets a binding` : ''}\n`,
  );
}
process.stdout.write(
  `a refresh at 100,000 costs ${(refreshes[0]! / refreshes[1]!).toFixed(2)} times that at 1,000\n`,
);
