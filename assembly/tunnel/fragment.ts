/**
 * Cuts inner IPv4 packets without DF that do not fit into the tunnel (RFC 791 §3.2) before they are encapsulated,
 * as RFC 2003 §5.1 and RFC 4459 §3.3 prefer: the far end need not reassemble, and each fragment is scheduled and
 * sequenced by itself. (Inner IPv6 is never cut: every tunnel carries at least 1280 octets of it.)
 */
import { BUFFER_PACKET } from '../layout';
import { loadBe16, storeBe16 } from '../wire/bytes';
import { checksumAdd, checksumFinish } from '../wire/checksum';

/** Octets of payload in each fragment but the last: a multiple of 8. */
export function fragmentPayload(at: usize, mtu: u32): u32 {
  return (mtu - (((<u32>load<u8>(at)) & 15) << 2)) & ~7;
}

/**
 * Writes the fragment that starts at payload octet `start` of the checked packet at `at` into `buffer`; gives its
 * length. Later fragments keep only the options marked "copied" (RFC 791 §3.1), padded with end-of-list.
 */
export function writeFragment(buffer: usize, at: usize, total: u32, start: u32, size: u32): u32 {
  const header = ((<u32>load<u8>(at)) & 15) << 2;
  const to = buffer + BUFFER_PACKET;
  memory.copy(to, at, header);
  if (start && header > 20) dropUncopiedOptions(to, header);
  const payload = min<u32>(size, total - header - start);
  memory.copy(to + header, at + header + start, payload);
  const before = loadBe16(at, 6);
  const more = header + start + payload < total ? 0x2000 : before & 0x2000;
  storeBe16(to + 6, (((before & 0x1fff) + (start >> 3)) & 0x1fff) | more);
  storeBe16(to + 2, header + payload);
  store<u16>(to, 0, 10);
  store<u16>(to, checksumFinish(checksumAdd(0, to, header)), 10);
  return header + payload;
}

function dropUncopiedOptions(at: usize, header: u32): void {
  let option: u32 = 20;
  while (option < header) {
    const kind = load<u8>(at + option);
    if (!kind) return;
    let length: u32 = 1;
    if (kind != 1) {
      if (option + 2 > header) return;
      length = <u32>load<u8>(at + option, 1);
      if (length < 2 || option + length > header) return;
      // No-operation is the only thing that may stand anywhere.
      if (!(kind & 0x80)) memory.fill(at + option, 1, length);
    }
    option += length;
  }
}
