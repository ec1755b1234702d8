/** Flow bindings of a session, asked for and kept (RFC 6089 §5.2). */
import { type FlowBinding, FlowStatus, flowStatusText } from '../flow-binding.ts';
import type { FlowIdentification } from '../wire/option/flow-identification.ts';
import { findOptions, type MobilityOption } from '../wire/options.ts';

/** Definitions a PBU: with more it might not fit into a packet. */
const MAX_DEFINITIONS = 8;
/** One Flow Summary option names 127 at most (§4.2.2). */
const MAX_FLOWS = 100;

interface Entry {
  readonly binding: FlowBinding;
  /** `new`: the LMA has not accepted it, or not as it is now. */
  state: 'new' | 'granted' | 'refused';
}

export class Flows {
  private entries = new Map<number, Entry>();
  /** A PBA answered none of our options: the LMA does not know flow bindings (§5.2.4). */
  private unknown = false;

  constructor(wanted: readonly FlowBinding[]) {
    this.want(wanted);
  }

  /** Takes over another list; false: it is the same. */
  want(wanted: readonly FlowBinding[]): boolean {
    const before = this.entries;
    this.entries = new Map();
    let changed = false;
    for (const binding of wanted.slice(0, MAX_FLOWS)) {
      const known = before.get(binding.flow);
      const same = known && JSON.stringify(known.binding) === JSON.stringify(binding);
      if (!same) changed = true;
      this.entries.set(binding.flow, same ? known : { binding, state: 'new' });
    }
    return changed || before.size !== this.entries.size;
  }

  /** All that are wanted, and how they stand. */
  status(): { readonly binding: FlowBinding; readonly state: Entry['state'] }[] {
    return [...this.entries.values()];
  }

  /** What both ends have. */
  granted(): FlowBinding[] {
    return [...this.entries.values()].flatMap(({ binding, state }) => (state === 'granted' ? [binding] : []));
  }

  /** The options of one PBU. A flow is defined once all of its BIDs stand; those of the LMA are named in the Flow Summary. */
  options(bids: ReadonlySet<number>, define: boolean): MobilityOption[] {
    if (this.unknown) return [];
    const options: MobilityOption[] = [];
    const kept: number[] = [];
    for (const { binding, state } of this.entries.values()) {
      if (state === 'granted') kept.push(binding.flow);
      else if (define && state === 'new' && options.length < MAX_DEFINITIONS && stands(binding, bids)) {
        options.push({ option: 'flow-identification', status: 0, others: [], ...binding });
      }
    }
    if (kept.length) options.push({ option: 'flow-summary', flows: kept });
    return options;
  }

  /** Whether a PBU would have something to define. */
  pending(bids: ReadonlySet<number>): boolean {
    if (this.unknown) return false;
    return [...this.entries.values()].some(({ binding, state }) => state === 'new' && stands(binding, bids));
  }

  /** An accepting PBA to a PBU that defined `asked`; what it refuses, in words. */
  answered(asked: readonly FlowIdentification[], options: readonly MobilityOption[]): string[] {
    const answers = findOptions(options, 'flow-identification');
    if (asked.length && !answers.length) {
      this.unknown = true;
      return ['LMA does not know flow bindings'];
    }
    for (const { flow, status } of answers) {
      const entry = this.entries.get(flow);
      if (entry && status === FlowStatus.FID_NOT_FOUND) entry.state = 'new';
    }
    return asked.flatMap((option) => {
      const entry = this.entries.get(option.flow);
      // An answer to an older definition does not grant the present one.
      if (!entry || !same(option, entry.binding)) return [];
      const answer = answers.find(({ flow }) => flow === option.flow);
      entry.state = answer && answer.status < 128 ? 'granted' : 'refused';
      if (entry.state === 'granted') return [];
      return [
        `flow ${option.flow} refused, ${answer ? `status ${flowStatusText(answer.status)}` : 'no answer'}`,
      ];
    });
  }

  /** The path of this BID has come: what was refused because of it may be granted now. */
  retry(bid: number): void {
    for (const entry of this.entries.values()) {
      if (entry.state === 'refused' && entry.binding.bids.includes(bid)) entry.state = 'new';
    }
  }

  /** The LMA has lost everything. */
  forget(): void {
    this.unknown = false;
    for (const entry of this.entries.values()) entry.state = 'new';
  }
}

function stands({ bids }: FlowBinding, there: ReadonlySet<number>): boolean {
  return bids.every((bid) => there.has(bid));
}

function same({ priority, bids, selector }: FlowIdentification, binding: FlowBinding): boolean {
  const asked = JSON.stringify([priority, bids, selector]);
  return asked === JSON.stringify([binding.priority, binding.bids, binding.selector]);
}
