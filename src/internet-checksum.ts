/** The Internet checksum (RFC 1071) of control messages. The hot path has its own in assembly/wire/checksum.ts. */

/**
 * Checksum over `parts`, which follow each other (each but the last of even length), on top of `initial`. 0 over octets that
 * hold the right one.
 */
export function internetChecksum(parts: readonly Uint8Array[], initial = 0): number {
  let sum = initial;
  for (const part of parts) {
    for (let i = 0; i + 1 < part.length; i += 2) sum += (part[i]! << 8) | part[i + 1]!;
    if (part.length & 1) sum += part[part.length - 1]! << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
