/**
 * Who sent an outer packet. Peers (address and, for RFC 5844 UDP, port) -> peer number; then
 * (local endpoint, peer, key or session) -> path number. The values are array positions + 1.
 *
 *   path key:  | peer 23 bits | keyed 1 | local 8 | GRE key or session number 32 |
 */
import { CONTROL, CONTROL_PATHS, CONTROL_PATH_TABLE, CONTROL_PEER_TABLE, PATH_STRIDE } from '../layout';
import { find16, find8 } from '../memory/tables';

/** Peer number, 0 if unknown; `port` is 0 where the source port does not identify the sender. */
// @ts-ignore: decorator
@inline
export function findPeer(high: u64, low: u64, port: u32): u32 {
  return find16(load<u64>(CONTROL, CONTROL_PEER_TABLE), high, low, port);
}

/** Address of the path record, 0 if there is none. */
// @ts-ignore: decorator
@inline
export function findPath(local: u32, peer: u32, keyed: u32, selector: u32): usize {
  return pathOfKey(pathKey(local, peer, keyed, selector));
}

/** The same by key. */
// @ts-ignore: decorator
@inline
export function pathOfKey(key: u64): usize {
  const number = find8(load<u64>(CONTROL, CONTROL_PATH_TABLE), key);
  return number ? <usize>load<u32>(CONTROL, CONTROL_PATHS) + <usize>(number - 1) * PATH_STRIDE : 0;
}

// @ts-ignore: decorator
@inline
export function pathKey(local: u32, peer: u32, keyed: u32, selector: u32): u64 {
  return ((<u64>peer) << 41) | ((<u64>keyed) << 40) | ((<u64>local) << 32) | (<u64>selector);
}
