/** What an acknowledgement says; written over by the next one. */
export interface Acknowledgement {
  cumulative: number;
  /** The timestamp that it echoes. */
  echo: number;
  /** Segments that may be sent beyond `cumulative`. */
  window: number;
  /** `count` SACK blocks from `blocks[at]` on: first, after last. */
  blocks: Int32Array;
  at: number;
  count: number;
}

/** Whether the first block tells of a duplicate (RFC 2883 §4): it is acknowledged already, or lies within the second. */
export function tellsOfDuplicate({ cumulative, blocks, at, count }: Acknowledgement): boolean {
  const first = blocks[at]!;
  return (
    count > 0 &&
    (first < cumulative || (count > 1 && blocks[at + 2]! <= first && blocks[at + 3]! >= blocks[at + 1]!))
  );
}
