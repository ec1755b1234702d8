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
