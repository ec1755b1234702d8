/**
 * Where a key stands in the file. The parsed YAML document knows the offset of every node, but looking one up is only
 * worth its time when there is something to complain about.
 */
import { type Document, type Node, isAlias, isMap, isNode, isPair, isSeq } from 'yaml';

export type KeyPath = readonly PropertyKey[];

/** Offset of the value, of the key itself (`atKey`), or of the nearest part of its path that is there. */
export function offsetOf(document: Document, path: KeyPath, atKey: boolean): number {
  let node = document.contents as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (const [depth, key] of path.entries()) {
    const found = childOf(document, node, key);
    if (!found) break;
    // The last key stands for itself if it is the complaint, or if nothing follows it.
    const last = depth === path.length - 1;
    const place = (last && atKey) || !found.value?.range ? (found.key ?? found.value) : found.value;
    offset = place?.range?.[0] ?? offset;
    node = found.value;
  }
  return offset;
}

/** Key path of the innermost node that holds `offset`. */
export function pathAt(document: Document, offset: number): KeyPath {
  const path: PropertyKey[] = [];
  let node = document.contents as Node | null;
  for (;;) {
    const step = entriesOf(node).findLast(
      ([, key, value]) => ((key ?? value)?.range?.[0] ?? Infinity) <= offset,
    );
    if (!step) return path;
    path.push(step[0]);
    node = step[2];
  }
}

function childOf(
  document: Document,
  parent: Node | null,
  key: PropertyKey,
): { key: Node | null; value: Node | null } | undefined {
  const map = isAlias(parent) ? (parent.resolve(document) ?? null) : parent;
  if (isSeq(map)) {
    const value = map.items[key as number];
    return isNode(value) ? { key: null, value } : undefined;
  }
  const entries = entriesOf(map);
  const own = entries.findLast(([name]) => name === String(key));
  if (own) return { key: own[1], value: own[2] };
  for (const [, , merged] of entries.filter(([name]) => name === '<<')) {
    const sources = isSeq(merged) ? merged.items : [merged];
    for (const source of sources) {
      const found = childOf(document, source as Node, key);
      if (found) return found;
    }
  }
  return undefined;
}

function entriesOf(node: Node | null): [name: PropertyKey, key: Node | null, value: Node | null][] {
  if (isSeq(node)) return node.items.map((item, i) => [i, null, isNode(item) ? item : null]);
  if (!isMap(node)) return [];
  return node.items
    .filter((pair) => isPair(pair))
    .map((pair) => [
      String(pair.key),
      isNode(pair.key) ? pair.key : null,
      isNode(pair.value) ? pair.value : null,
    ]);
}
