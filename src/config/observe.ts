/** The `observe` keys of `tunloom dataplane`: signaling that is watched instead of spoken (docs/beside.md). */
import type { z } from 'zod';
import { addressOrPrefix, flag, integer, interfaceName, keys, list } from './schema-parts.ts';
import { weightsSchema } from './signaling-schema.ts';

/** `tunnels`: how tunnels are built where the signaling has no say. */
export function observeSchema<T extends z.core.SomeType>(tunnels: T) {
  return keys({
    interfaces: list(interfaceName).default([]),
    mirrored: flag.default(false),
    lmas: list(addressOrPrefix).default([]),
    mags: list(addressOrPrefix).default([]),
    vendor: integer(1, 0xffff_ffff).default(32473),
    weights: weightsSchema.prefault({}),
    tunnels,
  });
}
