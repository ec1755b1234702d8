/** Which keys the schema knows where: for "did you mean" in load.ts and for the test of docs/configuration.md. */
import { z } from 'zod';

type KeyPath = readonly PropertyKey[];

/** Keys of the map at `path` of `schema`; empty where there is no map. */
export function keysAt(schema: z.core.$ZodType, path: KeyPath): string[] {
  let at = unwrap(schema);
  for (const key of path) {
    const next =
      at instanceof z.ZodArray ? at.element : at instanceof z.ZodObject ? at.shape[key as string] : undefined;
    if (!next) return [];
    at = unwrap(next as z.core.$ZodType);
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** Every key below `schema`, dotted, `[]` for list elements: such as `sessions[].paths[].bid`. */
export function allKeys(schema: z.core.$ZodType, prefix = ''): string[] {
  const at = unwrap(schema);
  if (at instanceof z.ZodArray) return allKeys(at.element as z.core.$ZodType, `${prefix}[]`);
  if (!(at instanceof z.ZodObject)) return [];
  return Object.entries(at.shape).flatMap(([key, value]) => {
    const path = prefix ? `${prefix}.${key}` : key;
    return [path, ...allKeys(value as z.core.$ZodType, path)];
  });
}

/** Without optional(), default() and their like. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  const { innerType } = (schema as z.ZodType).def as { innerType?: z.core.$ZodType };
  return innerType ? unwrap(innerType) : schema;
}

/** The candidate nearest to `word`, if it is near enough to have been meant. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  const scored = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance);
  return scored[0]?.candidate;
}

/** Levenshtein distance, but a swap of neighbours counts as one. */
function editDistance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array.from(b, () => 0)]);
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      }
      rows[i]![j] = best;
    }
  }
  return rows[a.length]![b.length]!;
}
