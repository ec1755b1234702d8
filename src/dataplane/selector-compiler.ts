/**
 * Compiles traffic selectors into the tables that assembly/classify/selector.ts walks (layout.ts, CLASSIFIER_*): for every field
 * that any rule looks at, the beginnings of the intervals in which nothing changes, and for each of them a row of bits, one a
 * rule. Equal rows are stored once. One classifier serves one address family.
 */
import * as L from '../../assembly/layout.ts';
import { parseAddress } from '../ip.ts';
import type { FlowSelector, Range } from './distribution-spec.ts';
import type { DataplaneMemory } from './memory.ts';

/** A selector with what its rule says, in order of priority. */
export interface CompiledRule {
  readonly selector: FlowSelector;
  readonly verdict: number;
}

export interface Block {
  readonly address: number;
  readonly size: number;
}

interface Dimension {
  readonly field: number;
  readonly wide: boolean;
  readonly needs: number;
  /** The rule's range, null if it takes any value. */
  readonly rangeOf: (selector: FlowSelector) => Range<bigint> | null;
}

const numbers =
  (key: 'spi' | 'flowLabel' | 'sourcePort' | 'destinationPort' | 'protocol', mask = 0xffff_ffff) =>
  (selector: FlowSelector): Range<bigint> | null => {
    const range = selector[key];
    return range
      ? { start: BigInt((range.start & mask) >>> 0), end: BigInt((range.end & mask) >>> 0) }
      : null;
  };

const addresses =
  (key: 'source' | 'destination') =>
  (selector: FlowSelector): Range<bigint> | null => {
    const range = selector[key];
    return range ? { start: addressNumber(range.start), end: addressNumber(range.end) } : null;
  };

/** RFC 6088 §3: only the upper six bits of the octet count. */
function dscp({ trafficClass }: FlowSelector): Range<bigint> | null {
  return (
    (trafficClass && { start: BigInt(trafficClass.start >> 2), end: BigInt(trafficClass.end >> 2) }) || null
  );
}

const dimension = (field: number, rangeOf: Dimension['rangeOf'], needs = 0, wide = false): Dimension => ({
  field,
  rangeOf,
  needs,
  wide,
});

function dimensionsOf(family: 4 | 6): Dimension[] {
  const wide = family === 6;
  return [
    dimension(wide ? L.FIELD_SOURCE_HIGH : L.FIELD_SOURCE_LOW, addresses('source'), 0, wide),
    dimension(wide ? L.FIELD_DESTINATION_HIGH : L.FIELD_DESTINATION_LOW, addresses('destination'), 0, wide),
    dimension(L.FIELD_PROTOCOL, numbers('protocol')),
    dimension(L.FIELD_SOURCE_PORT, numbers('sourcePort'), L.FIELD_HAS_PORTS),
    dimension(L.FIELD_DESTINATION_PORT, numbers('destinationPort'), L.FIELD_HAS_PORTS),
    dimension(L.FIELD_DSCP, dscp),
    dimension(L.FIELD_SPI, numbers('spi'), L.FIELD_HAS_SPI),
    // RFC 8200 §3: 20 bits, whatever RFC 6088 says.
    dimension(L.FIELD_LABEL, numbers('flowLabel', 0xfffff)),
  ];
}

/** The selector as it looks on packets of the other direction: what the MAG applies to uplink packets (RFC 6088 §3). */
export function mirrorSelector(selector: FlowSelector): FlowSelector {
  const { source, destination, sourcePort, destinationPort, ...rest } = selector;
  return {
    ...rest,
    ...(destination && { source: destination }),
    ...(source && { destination: source }),
    ...(destinationPort && { sourcePort: destinationPort }),
    ...(sourcePort && { destinationPort: sourcePort }),
  };
}

/** Lays the classifier number `id` for `rules` (all of `family`) out in one block; null without rules. Throws OUT_OF_MEMORY. */
export function compileClassifier(
  memory: DataplaneMemory,
  family: 4 | 6,
  rules: readonly CompiledRule[],
  id: number,
): Block | null {
  if (!rules.length) return null;
  const words = Math.ceil(rules.length / 64);
  const used = dimensionsOf(family)
    .map((dim) => ({ ...dim, ranges: rules.map(({ selector }) => dim.rangeOf(selector)) }))
    .filter(({ ranges }) => ranges.some((range) => range !== null))
    .map(({ field, wide, needs, ranges }) => ({ field, wide, needs, ...intervalsOf(ranges, words, wide) }));
  // Rules without any condition: a dimension in which all match.
  if (!used.length) {
    const all = intervalsOf(
      rules.map(() => ({ start: 0n, end: 255n })),
      words,
      false,
    );
    used.push({ field: L.FIELD_PROTOCOL, wide: false, needs: 0, ...all });
  }
  const rows = new RowPool(words);
  const placed = used.map((dim) => ({
    ...dim,
    rowPlaces: dim.rows.map((row) => rows.place(row)),
    absentPlace: rows.place(dim.absent),
  }));
  const verdictsAt = L.CLASSIFIER_DIMENSION + L.MAX_DIMENSIONS * L.DIMENSION_STRIDE;
  const rowsAt = align16(verdictsAt + rules.length * 2);
  let end = rowsAt + rows.octets;
  const tables = placed.map((dim) => {
    const starts = align16(end);
    const list = starts + dim.starts.length * (dim.wide ? 16 : 4);
    end = list + dim.starts.length * 4;
    return { starts, list };
  });
  const address = memory.heap.allocate(end);
  const { u32, u64, bytes } = memory;
  const set = (at: number, value: number): void => {
    u32[(address + at) / 4] = value;
  };
  set(L.CLASSIFIER_WORDS, words);
  set(L.CLASSIFIER_ID, id);
  set(L.CLASSIFIER_DIMENSIONS, placed.length);
  set(L.CLASSIFIER_VERDICTS, address + verdictsAt);
  bytes.set(new Uint8Array(Uint16Array.from(rules, ({ verdict }) => verdict).buffer), address + verdictsAt);
  rows.write(u64, address + rowsAt);
  placed.forEach((dim, i) => {
    const at = L.CLASSIFIER_DIMENSION + i * L.DIMENSION_STRIDE;
    const { starts, list } = tables[i]!;
    set(at + L.DIMENSION_FIELD, dim.field);
    set(at + L.DIMENSION_WIDE, dim.wide ? 1 : 0);
    set(at + L.DIMENSION_INTERVALS, dim.starts.length);
    set(at + L.DIMENSION_STARTS, address + starts);
    set(at + L.DIMENSION_ROWS, address + list);
    set(at + L.DIMENSION_NEEDS, dim.needs);
    set(at + L.DIMENSION_ABSENT, address + rowsAt + dim.absentPlace * words * 8);
    dim.starts.forEach((start, k) => {
      if (dim.wide) {
        u64[(address + starts) / 8 + k * 2] = start >> 64n;
        u64[(address + starts) / 8 + k * 2 + 1] = start & 0xffff_ffff_ffff_ffffn;
      } else {
        set(starts + k * 4, Number(start));
      }
      set(list + k * 4, address + rowsAt + dim.rowPlaces[k]! * words * 8);
    });
  });
  return { address, size: end };
}

/** Beginnings of the intervals of a dimension, the row of each, and the row of packets that lack the field. */
function intervalsOf(
  ranges: readonly (Range<bigint> | null)[],
  words: number,
  wide: boolean,
): { starts: bigint[]; rows: Uint32Array[]; absent: Uint32Array } {
  const absent = new Uint32Array(words * 2);
  const opened = new Map<bigint, number[]>();
  const closed = new Map<bigint, number[]>();
  const note = (map: Map<bigint, number[]>, at: bigint, rule: number): void => {
    const list = map.get(at);
    if (list) list.push(rule);
    else map.set(at, [rule]);
  };
  ranges.forEach((range, rule) => {
    if (range === null) {
      flip(absent, rule);
    } else if (range.start <= range.end) {
      // One that ends before it starts, as a peer may say, has nothing in it.
      note(opened, range.start, rule);
      note(closed, range.end + 1n, rule);
    }
  });
  // A range up to the field's largest value has no interval behind it.
  const limit = 1n << (wide ? 128n : 32n);
  const starts = [...new Set([0n, ...opened.keys(), ...closed.keys()])]
    .filter((start) => start < limit)
    .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const row = absent.slice();
  const rows = starts.map((start) => {
    for (const rule of closed.get(start) ?? []) flip(row, rule);
    for (const rule of opened.get(start) ?? []) flip(row, rule);
    return row.slice();
  });
  return { starts, rows, absent };
}

function flip(row: Uint32Array, rule: number): void {
  row[rule >>> 5]! ^= 1 << (rule & 31);
}

/** Bit rows, each different one once. */
class RowPool {
  readonly #words: number;
  readonly #rows: Uint32Array[] = [];
  readonly #places = new Map<string, number>();

  constructor(words: number) {
    this.#words = words;
  }

  get octets(): number {
    return this.#rows.length * this.#words * 8;
  }

  place(row: Uint32Array): number {
    const key = row.join();
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.#rows.push(row) - 1;
      this.#places.set(key, place);
    }
    return place;
  }

  write(u64: BigUint64Array, address: number): void {
    this.#rows.forEach((row, i) => {
      for (let word = 0; word < this.#words; word++) {
        u64[address / 8 + i * this.#words + word] =
          (BigInt(row[word * 2 + 1]!) << 32n) | BigInt(row[word * 2]!);
      }
    });
  }
}

function addressNumber(text: string): bigint {
  return parseAddress(text).bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function align16(at: number): number {
  return (at + 15) & ~15;
}
