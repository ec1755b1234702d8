/**
 * Clamps the maximum segment size option of TCP SYNs (RFC 9293 §3.7.1) to what the tunnel can carry, and mends the
 * TCP checksum incrementally (RFC 1624).
 */
import { loadBe16 } from './bytes';
import { checksumReplace } from './checksum';
import { PROTOCOL_TCP, findUpperLayer6 } from './ip';

/** Clamps the checked packet of `total` octets at `at`; true if a value was lowered. `mtu` is the inner MTU. */
// @ts-ignore: decorator
@inline
export function clampMss(at: usize, family: u32, total: u32, mtu: u32): bool {
  // No call for what is seen at once.
  if (family == 4 && <u32>load<u8>(at, 9) != PROTOCOL_TCP) return false;
  return clampTcp(at, family, total, mtu);
}

function clampTcp(at: usize, family: u32, total: u32, mtu: u32): bool {
  let tcp: u32;
  let limit: u32;
  if (family == 4) {
    if (loadBe16(at, 6) & 0x1fff) return false;
    tcp = ((<u32>load<u8>(at)) & 15) << 2;
    limit = mtu - 40;
  } else {
    tcp = <u32>load<u8>(at, 6) == PROTOCOL_TCP ? 40 : findUpperLayer6(at, total, PROTOCOL_TCP);
    if (!tcp) return false;
    limit = mtu - 60;
  }
  if (tcp + 20 > total || !(load<u8>(at + tcp, 13) & 2)) return false;
  const end = tcp + (((<u32>load<u8>(at + tcp, 12)) >> 4) << 2);
  if (end > total) return false;
  let option = tcp + 20;
  while (option + 4 <= end) {
    const kind = load<u8>(at + option);
    if (kind == 0) return false;
    if (kind == 1) {
      option++;
      continue;
    }
    const length = <u32>load<u8>(at + option, 1);
    if (length < 2) return false;
    if (kind == 2 && length == 4) {
      const field = at + option + 2;
      if (loadBe16(field) <= limit) return false;
      let before = load<u16>(field);
      let after = bswap<u16>(<u16>limit);
      store<u16>(field, after);
      // The checksum's 16-bit words count from the start of the TCP header.
      if ((option - tcp) & 1) {
        before = bswap<u16>(before);
        after = bswap<u16>(after);
      }
      checksumReplace(at + tcp + 16, before, after);
      return true;
    }
    option += length;
  }
  return false;
}
