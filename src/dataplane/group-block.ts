/** A distribution group in the shared memory (layout.ts, GROUP_*): writes it, and keeps its running parameters up to date. */
import * as L from '../../assembly/layout.ts';
import type { DistributionSpec, SchedulerName } from './distribution-spec.ts';
import { flowSlots } from './flow-slots.ts';
import type { DataplaneMemory } from './memory.ts';
import { buildSchedule } from './schedule-table.ts';

export interface GroupMember {
  readonly bid: number;
  readonly weight: number;
  /** Address of the record to send by, and of the path's model. */
  readonly record: number;
  readonly model: number;
  /** Configured rate in bits a second; null: as measured. */
  readonly rate: number | null;
}

const ALGORITHMS: Readonly<Record<SchedulerName, number>> = {
  weighted: L.ALGORITHM_TABLE,
  equal: L.ALGORITHM_TABLE,
  deficit: L.ALGORITHM_DEFICIT,
  random: L.ALGORITHM_RANDOM,
  'flow-hash': L.ALGORITHM_FLOW_HASH,
  flowlet: L.ALGORITHM_FLOWLET,
  'lowest-delay': L.ALGORITHM_LOWEST_DELAY,
  edpf: L.ALGORITHM_EARLIEST,
  overflow: L.ALGORITHM_OVERFLOW,
  blest: L.ALGORITHM_BLEST,
  ecf: L.ALGORITHM_ECF,
  redundant: L.ALGORITHM_REDUNDANT,
  custom: L.ALGORITHM_CUSTOM,
};

/** Octets that the lightest path of a deficit group sends in a turn: the usual largest packet. */
const QUANTUM = 1500;
/** 1.2, where BLEST starts. */
const LAMBDA = Math.round(1.2 * 256);
/** While delays are not known. */
const UNKNOWN_GAP_US = 50_000;
/** RFC 2697 §3: at least one of the buckets has to hold the largest packet. */
const LEAST_BURST = 2 * 9216;
const TOKEN = 64;

export class GroupBlock {
  readonly address: number;
  readonly members: readonly GroupMember[];
  readonly #memory: DataplaneMemory;
  readonly #spec: DistributionSpec;
  readonly #size: number;

  /** Throws BAD_WEIGHT and OUT_OF_MEMORY. */
  constructor(
    memory: DataplaneMemory,
    members: readonly GroupMember[],
    spec: DistributionSpec,
    flags: { readonly sequenced: boolean; readonly charge: boolean },
  ) {
    this.#memory = memory;
    this.members = members;
    this.#spec = spec;
    const schedule = buildSchedule(members.map(({ weight }) => weight));
    const slots = spec.scheduler === 'flow-hash' ? flowSlots(members) : new Uint8Array(0);
    const schedulePlace = L.GROUP_MEMBERS + members.length * L.MEMBER_STRIDE;
    const slotPlace = schedulePlace + schedule.length;
    this.#size = slotPlace + slots.length;
    this.address = memory.heap.allocate(this.#size);
    memory.bytes.set(schedule, this.address + schedulePlace);
    memory.bytes.set(slots, this.address + slotPlace);
    this.#set(L.GROUP_ALGORITHM, ALGORITHMS[spec.scheduler]);
    this.#set(L.GROUP_MEMBER_COUNT, members.length);
    this.#set(
      L.GROUP_FLAGS,
      (flags.sequenced ? L.GROUP_FLAG_SEQUENCED : 0) | (flags.charge ? L.GROUP_FLAG_CHARGE : 0),
    );
    this.#set(L.GROUP_PERIOD, schedule.length);
    this.#set(L.GROUP_SCHEDULE, this.address + schedulePlace);
    this.#set(L.GROUP_SLOTS, this.address + slotPlace);
    this.#set(L.GROUP_QUEUE, spec.queueUs);
    this.#set(L.GROUP_WINDOW, spec.peerWindow);
    this.#set(L.GROUP_LAMBDA, LAMBDA);
    memory.u64[(this.address + L.GROUP_SEED) / 8] = BigInt(spec.seed);
    const lightest = Math.min(...members.map(({ weight }) => weight));
    members.forEach((member, i) => {
      const at = this.#memberAt(i);
      memory.bytes[this.address + L.GROUP_BIDS + member.bid] = i + 1;
      this.#set(at + L.MEMBER_PATH, member.record);
      this.#set(at + L.MEMBER_MODEL, member.model);
      this.#set(at + L.MEMBER_BID, member.bid);
      this.#set(at + L.MEMBER_WEIGHT, member.weight);
      this.#set(at + L.MEMBER_HEADER, memory.u32[(member.record + L.PATH_HEADER_LENGTH) / 4]!);
      this.#set(at + L.MEMBER_QUANTUM, Math.round((QUANTUM * member.weight) / lightest));
    });
    this.refresh();
    for (let i = 0; i < members.length; i++) this.#fillBuckets(i);
  }

  get bids(): number[] {
    return this.members.map(({ bid }) => bid);
  }

  /** Whether flows are kept on paths, so that one can be moved. */
  get perFlow(): boolean {
    return this.#spec.scheduler === 'flow-hash' || this.#spec.scheduler === 'flowlet';
  }

  /** Takes over what follows from the paths' estimates: the flowlet gap and the rates of an overflow group. */
  refresh(): void {
    const { u32 } = this.#memory;
    const models = this.members.map(({ model }) => ({
      delay: u32[(model + L.MODEL_DELAY) / 4]!,
      jitter: u32[(model + L.MODEL_JITTER) / 4]!,
      octetTime: u32[(model + L.MODEL_OCTET_TIME) / 4]!,
    }));
    const known = models.every(({ delay }) => delay > 0);
    const measured = known
      ? Math.max(...models.map(({ delay, jitter }) => delay + jitter)) -
        Math.min(...models.map(({ delay }) => delay))
      : UNKNOWN_GAP_US;
    this.#set(L.GROUP_GAP, Math.ceil((this.#spec.gapUs ?? measured) / 2 ** L.FLOW_TICK_SHIFT));
    if (this.#spec.scheduler !== 'overflow') return;
    this.members.forEach((member, i) => {
      const measuredRate = models[i]!.octetTime ? (8e9 * 256) / models[i]!.octetTime : 0;
      const octets = (member.rate ?? measuredRate) / 8;
      const burst = Math.max(LEAST_BURST, (octets * this.#spec.burstUs) / 1e6) * TOKEN;
      this.#set(this.#memberAt(i) + L.MEMBER_RATE, Math.round((octets * TOKEN) / 1000));
      this.#set(this.#memberAt(i) + L.MEMBER_CBS, Math.min(burst, 0xffff_ffff));
      this.#set(this.#memberAt(i) + L.MEMBER_EBS, Math.min(burst, 0xffff_ffff));
    });
  }

  release(): void {
    this.#memory.heap.release(this.address, this.#size);
  }

  /** RFC 2697 §3: both buckets start full. */
  #fillBuckets(i: number): void {
    const at = this.address + this.#memberAt(i);
    const { u32 } = this.#memory;
    u32[(at + L.MEMBER_TOKENS) / 4] = u32[(at + L.MEMBER_CBS) / 4]!;
    u32[(at + L.MEMBER_TOKENS) / 4 + 1] = u32[(at + L.MEMBER_EBS) / 4]!;
  }

  #memberAt(i: number): number {
    return L.GROUP_MEMBERS + i * L.MEMBER_STRIDE;
  }

  #set(field: number, value: number): void {
    this.#memory.u32[(this.address + field) / 4] = value;
  }
}
