/** Network byte order on a little-endian machine: loads and stores of 16 and 32 bits at any alignment. */

// @ts-ignore: decorator
@inline
export function loadBe16(at: usize, offset: usize = 0): u32 {
  return bswap<u16>(load<u16>(at + offset));
}

// @ts-ignore: decorator
@inline
export function loadBe32(at: usize, offset: usize = 0): u32 {
  return bswap<u32>(load<u32>(at + offset));
}

// @ts-ignore: decorator
@inline
export function loadBe64(at: usize, offset: usize = 0): u64 {
  return bswap<u64>(load<u64>(at + offset));
}

// @ts-ignore: decorator
@inline
export function storeBe16(at: usize, value: u32): void {
  store<u16>(at, bswap<u16>(<u16>value));
}

// @ts-ignore: decorator
@inline
export function storeBe32(at: usize, value: u32): void {
  store<u32>(at, bswap<u32>(value));
}
