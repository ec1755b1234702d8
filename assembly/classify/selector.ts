/**
 * Traffic selectors (RFC 6088) as a bit-vector classifier (Lakshman and Stiliadis, SIGCOMM 1998). For each field that any rule looks
 * at, a binary search finds the interval of the packet's value, and the interval's row has a bit for every rule whose range
 * covers it. The rows ANDed leave the rules that match; the first bit is the one of highest priority (lowest FID-PRI).
 * So the cost grows with the logarithm of the number of rules, and by one word a dimension for each 64 of them.
 */
import {
  CLASSIFIER_DIMENSION,
  CLASSIFIER_DIMENSIONS,
  CLASSIFIER_VERDICTS,
  CLASSIFIER_WORDS,
  DIMENSION_ABSENT,
  DIMENSION_FIELD,
  DIMENSION_INTERVALS,
  DIMENSION_NEEDS,
  DIMENSION_ROWS,
  DIMENSION_STARTS,
  DIMENSION_STRIDE,
  DIMENSION_WIDE,
  FIELD_FLAGS,
  VERDICT_DEFAULT,
  WORKER_FIELDS,
  WORKER_ROWS,
} from '../layout';

/** The verdict of the first rule that matches the fields of the packet in hand. */
export function matchSelectors(worker: usize, classifier: usize): u32 {
  const fields = worker + WORKER_FIELDS;
  const rows = worker + WORKER_ROWS;
  const dimensions = load<u32>(classifier, CLASSIFIER_DIMENSIONS);
  const flags = load<u32>(fields, FIELD_FLAGS);
  for (let i: u32 = 0; i < dimensions; i++) {
    const dimension = classifier + CLASSIFIER_DIMENSION + <usize>i * DIMENSION_STRIDE;
    const needs = load<u32>(dimension, DIMENSION_NEEDS);
    const row = (flags & needs) != needs ? load<u32>(dimension, DIMENSION_ABSENT) : rowOf(dimension, fields);
    store<u32>(rows + ((<usize>i) << 2), row);
  }
  const words = load<u32>(classifier, CLASSIFIER_WORDS);
  for (let word: usize = 0; word < <usize>words; word++) {
    let bits = u64.MAX_VALUE;
    for (let i: u32 = 0; i < dimensions; i++) {
      bits &= load<u64>(<usize>load<u32>(rows + ((<usize>i) << 2)) + (word << 3));
    }
    if (bits) {
      const rule = (word << 6) + <usize>ctz<u64>(bits);
      return <u32>load<u16>(<usize>load<u32>(classifier, CLASSIFIER_VERDICTS) + (rule << 1));
    }
  }
  return VERDICT_DEFAULT;
}

/** The row of the interval that the packet's value lies in: the last whose beginning is not beyond it. */
// @ts-ignore: decorator
@inline
function rowOf(dimension: usize, fields: usize): u32 {
  const field = fields + <usize>load<u32>(dimension, DIMENSION_FIELD);
  const starts = <usize>load<u32>(dimension, DIMENSION_STARTS);
  const intervals = load<u32>(dimension, DIMENSION_INTERVALS);
  const place = load<u32>(dimension, DIMENSION_WIDE)
    ? searchWide(starts, intervals, load<u64>(field), load<u64>(field, 8))
    : search(starts, intervals, load<u32>(field));
  return load<u32>(<usize>load<u32>(dimension, DIMENSION_ROWS) + ((<usize>place) << 2));
}

function search(starts: usize, intervals: u32, value: u32): u32 {
  let low: u32 = 0;
  let size = intervals;
  // The answer is within low .. low + size - 1; the comparison compiles to a select, not to a branch.
  while (size > 1) {
    const half = size >> 1;
    const middle = low + half;
    low = load<u32>(starts + ((<usize>middle) << 2)) <= value ? middle : low;
    size -= half;
  }
  return low;
}

function searchWide(starts: usize, intervals: u32, high: u64, lowWord: u64): u32 {
  let low: u32 = 0;
  let size = intervals;
  while (size > 1) {
    const half = size >> 1;
    const middle = low + half;
    const at = starts + ((<usize>middle) << 4);
    const startHigh = load<u64>(at);
    const reached = startHigh < high || (startHigh == high && load<u64>(at, 8) <= lowWord);
    low = reached ? middle : low;
    size -= half;
  }
  return low;
}
