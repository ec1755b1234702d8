/**
 * The key of a packet's flow: 64 bits of a keyed hash over addresses, protocol and what tells flows between the same ends apart:
 * the ports and the SPI, else the IPv6 flow label (RFC 6437). Not the label where there are ports: senders change it while
 * a connection goes on. Fragments share the key of their first one, which is remembered by identification; where that was
 * not seen, and for the first itself if it has no ports, addresses and protocol alone count.
 */
import {
  CONTROL,
  CONTROL_FRAGMENTS,
  CONTROL_HASH_SEED,
  FIELD_DESTINATION_HIGH,
  FIELD_DESTINATION_LOW,
  FIELD_DESTINATION_PORT,
  FIELD_DSCP,
  FIELD_FLAGS,
  FIELD_FRAGMENT_FIRST,
  FIELD_FRAGMENT_LATER,
  FIELD_HAS_PORTS,
  FIELD_HAS_SPI,
  FIELD_IDENTIFICATION,
  FIELD_LABEL,
  FIELD_PROTOCOL,
  FIELD_SOURCE_HIGH,
  FIELD_SOURCE_LOW,
  FIELD_SOURCE_PORT,
  FIELD_SPI,
} from '../layout';
import { findFlow, storeData } from './flow-table';

/** The flow key of the packet whose fields were read; remembers first fragments. */
export function flowKey(fields: usize, now: u64): u64 {
  const flags = load<u32>(fields, FIELD_FLAGS);
  const ends = endsKey(fields);
  if (flags & FIELD_FRAGMENT_LATER) {
    const first = findFlow(fragments(), fragmentKey(ends, fields));
    return first ? first : finish(ends);
  }
  let hash = step(ends, distinction(fields, flags));
  if (hasBoth(flags)) hash = step(hash, spiWord(fields));
  const key = finish(hash);
  if (flags & FIELD_FRAGMENT_FIRST) storeData(fragments(), fragmentKey(ends, fields), now, key);
  return key;
}

/** What a verdict is remembered by: the flow, and the fields that a rule may look at and a flow may change. */
// @ts-ignore: decorator
@inline
export function verdictKey(fields: usize, flow: u64, classifier: u32): u64 {
  const dscp = <u64>load<u32>(fields, FIELD_DSCP);
  const label = <u64>load<u32>(fields, FIELD_LABEL);
  return finish(flow ^ (((<u64>classifier) << 32) | (dscp << 20) | label));
}

// @ts-ignore: decorator
@inline
function distinction(fields: usize, flags: u32): u64 {
  if (flags & FIELD_HAS_PORTS) {
    return (
      ((<u64>load<u32>(fields, FIELD_SOURCE_PORT)) << 16) | (<u64>load<u32>(fields, FIELD_DESTINATION_PORT))
    );
  }
  if (flags & FIELD_HAS_SPI) return spiWord(fields);
  return ((<u64>2) << 32) | (<u64>load<u32>(fields, FIELD_LABEL));
}

/** Ports behind an authentication header: rules may ask for its SPI, so it is part of what a verdict is remembered by. */
// @ts-ignore: decorator
@inline
function hasBoth(flags: u32): bool {
  return (flags & (FIELD_HAS_PORTS | FIELD_HAS_SPI)) == (FIELD_HAS_PORTS | FIELD_HAS_SPI);
}

// @ts-ignore: decorator
@inline
function spiWord(fields: usize): u64 {
  return ((<u64>1) << 32) | (<u64>load<u32>(fields, FIELD_SPI));
}

// @ts-ignore: decorator
@inline
function endsKey(fields: usize): u64 {
  let hash = load<u64>(CONTROL, CONTROL_HASH_SEED) ^ (<u64>load<u32>(fields, FIELD_PROTOCOL));
  hash = step(hash, load<u64>(fields, FIELD_SOURCE_HIGH));
  hash = step(hash, load<u64>(fields, FIELD_SOURCE_LOW));
  hash = step(hash, load<u64>(fields, FIELD_DESTINATION_HIGH));
  return step(hash, load<u64>(fields, FIELD_DESTINATION_LOW));
}

// @ts-ignore: decorator
@inline
function fragmentKey(ends: u64, fields: usize): u64 {
  return finish(step(ends, ((<u64>3) << 32) | (<u64>load<u32>(fields, FIELD_IDENTIFICATION))));
}

// @ts-ignore: decorator
@inline
function fragments(): u64 {
  return load<u64>(CONTROL, CONTROL_FRAGMENTS);
}

// @ts-ignore: decorator
@inline
function step(hash: u64, word: u64): u64 {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 32);
}

/** The finaliser of MurmurHash3: every bit of the key depends on every bit of the hash. */
// @ts-ignore: decorator
@inline
function finish(hash: u64): u64 {
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 33);
}
