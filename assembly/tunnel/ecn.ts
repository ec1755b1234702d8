/** ECN through tunnels by RFC 6040. Codes: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE. */
import { checksumReplace } from '../wire/checksum';

/**
 * Combines the outer ECN field into the checked inner packet at `at` (RFC 6040 §4.2, figure 4). False: the packet
 * must be dropped (congestion experienced by a flow that cannot be told).
 */
// @ts-ignore: decorator
@inline
export function decapsulateEcn(at: usize, family: u32, outer: u32): bool {
  if (!outer) return true;
  const inner = family == 4 ? (<u32>load<u8>(at, 1)) & 3 : ((<u32>load<u8>(at, 1)) >> 4) & 3;
  if (outer == 3) {
    if (!inner) return false;
    if (inner != 3) setEcn(at, family, 3);
  } else if (outer == 1 && inner == 2) {
    setEcn(at, family, 1);
  }
  return true;
}

function setEcn(at: usize, family: u32, ecn: u32): void {
  if (family == 4) {
    const before = load<u16>(at);
    const after = <u16>(((<u32>before) & 0xfcff) | (ecn << 8));
    store<u16>(at, after);
    checksumReplace(at + 10, before, after);
  } else {
    store<u8>(at, <u8>(((<u32>load<u8>(at, 1)) & 0xcf) | (ecn << 4)), 1);
  }
}
