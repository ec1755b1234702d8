/** Prefix look-up against a linear search over random nested prefixes, while sessions come and go. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { GracePeriods } from '../../src/dataplane/grace.ts';
import { LookupTables } from '../../src/dataplane/lookup-tables.ts';
import { formatAddress, parsePrefix } from '../../src/ip.ts';
import { BenchNode } from '../support/bench-node.ts';

interface Entry {
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** Addresses that share long beginnings, so that prefixes nest. */
function prefixes(octets: 4 | 16): fc.Arbitrary<Entry> {
  return fc
    .tuple(
      fc.array(fc.constantFrom(0, 1, 0x80, 0xff), { minLength: octets, maxLength: octets }),
      fc.nat(octets * 8),
    )
    .map(([values, length]) => {
      const bytes = Uint8Array.from(values);
      for (let bit = length; bit < octets * 8; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7));
      return { text: `${formatAddress(bytes)}/${length}`, bytes, length };
    });
}

function covers(entry: Entry, address: Uint8Array): boolean {
  for (let bit = 0; bit < entry.length; bit++) {
    const mask = 0x80 >> (bit & 7);
    if ((entry.bytes[bit >> 3]! & mask) !== (address[bit >> 3]! & mask)) return false;
  }
  return true;
}

for (const [family, octets] of [
  [4, 4],
  [6, 16],
] as const) {
  describe(`IPv${family}`, () => {
    test('finds what a linear search finds', () => {
      fc.assert(
        fc.property(
          fc.uniqueArray(prefixes(octets), { selector: (entry) => entry.text, maxLength: 40 }),
          fc.array(fc.nat(39), { maxLength: 15 }),
          fc.array(
            fc.array(fc.constantFrom(0, 1, 0x80, 0xff, 0x81), { minLength: octets, maxLength: octets }),
            {
              minLength: 20,
              maxLength: 20,
            },
          ),
          (entries, removals, addresses) => {
            const node = new BenchNode('mag', { buffers: 32, sessions: 1, paths: 1 });
            const tables = new LookupTables(
              node.memory,
              node.wasm,
              new GracePeriods(node.memory, () => false),
            );
            const present = new Map<number, Entry>();
            entries.forEach((entry, i) => {
              tables.addPrefix(entry.text, i + 1);
              present.set(i + 1, entry);
            });
            for (const index of removals) {
              const entry = present.get(index + 1);
              if (!entry) continue;
              tables.removePrefix(entry.text);
              present.delete(index + 1);
            }
            const scratch = L.CONTROL + L.CONTROL_KEY;
            for (const values of addresses) {
              const address = Uint8Array.from(values);
              let best = 0;
              let length = -1;
              for (const [number, entry] of present) {
                if (entry.length > length && covers(entry, address)) {
                  best = number;
                  length = entry.length;
                }
              }
              node.memory.bytes.set(address, scratch);
              expect(node.wasm.findSession(family, scratch)).toBe(best);
            }
          },
        ),
        { numRuns: 150 },
      );
    });
  });
}

test('20,000 sessions are found after tables grew many times, and gone ones are not', () => {
  const node = new BenchNode('mag', { buffers: 32, sessions: 1, paths: 1, heap: 64 << 20 });
  const tables = new LookupTables(node.memory, node.wasm, new GracePeriods(node.memory, () => false));
  const prefix = (i: number): string => `2001:db8:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::/64`;
  for (let i = 0; i < 20_000; i++) tables.addPrefix(prefix(i), i + 1);
  for (let i = 0; i < 20_000; i += 3) tables.removePrefix(prefix(i));
  const scratch = L.CONTROL + L.CONTROL_KEY;
  for (let i = 0; i < 20_000; i++) {
    node.memory.bytes.set(parsePrefix(prefix(i)).bytes, scratch);
    expect(node.wasm.findSession(6, scratch)).toBe(i % 3 === 0 ? 0 : i + 1);
  }
});

test.each([
  [
    '32',
    L.CONTROL_PREFIX_TABLES4,
    L.TABLE_ENTRY4,
    (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
  ],
  [
    '64',
    L.CONTROL_PREFIX_TABLES6,
    L.TABLE_ENTRY8,
    (i: number) => `2001:db8:${i >> 16}:${(i & 0xffff).toString(16)}::`,
  ],
] as const)(
  'neighbours do not crowd their table, whatever the seed: /%s',
  (length, references, entry, address) => {
    for (let run = 0; run < 3; run++) {
      const node = new BenchNode('mag', { buffers: 32, sessions: 1, paths: 1, heap: 32 << 20 });
      const { memory } = node;
      const tables = new LookupTables(memory, node.wasm, new GracePeriods(memory, () => false));
      for (let i = 0; i < 100_000; i++) tables.addPrefix(`${address(i)}/${length}`, i + 1);
      const reference = L.CONTROL + references + Number(length) * 8;
      const at = memory.u32[reference / 4]!;
      const size = 1 << memory.u32[reference / 4 + 1]!;
      const value = entry === L.TABLE_ENTRY4 ? 4 : 8;
      let together = 0;
      let most = 0;
      for (let place = 0; place < size; place++) {
        together = memory.u32[(at + place * entry + value) / 4] ? together + 1 : 0;
        most = Math.max(most, together);
      }
      expect(most).toBeLessThan(8);
    }
  },
);

test('a prefix that another session has is refused', () => {
  const node = new BenchNode('mag', { buffers: 32, sessions: 1, paths: 1 });
  const tables = new LookupTables(node.memory, node.wasm, new GracePeriods(node.memory, () => false));
  tables.addPrefix('192.0.2.0/24', 1);
  expect(() => tables.addPrefix('192.0.2.0/24', 2)).toThrow(/belongs to another session/);
});
