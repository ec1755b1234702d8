/** What the socket needs to know of a kind of object (link, address, route, rule): how to change and how to list it. */
import type { Request } from './message.ts';

/** A wish; device names become index numbers when it is sent. */
export interface Change {
  /** As ip(8) would say it, for errors. */
  readonly text: string;
  readonly encode: (indexOf: (device: string) => number) => Request;
}

/** A dump request and how to read its answers. */
export interface Listing<T> {
  readonly request: Request;
  /** Answer type to take; others are skipped. */
  readonly type: number;
  /** null: not wanted. */
  readonly decode: (body: Uint8Array, nameOf: (index: number) => string) => T | null;
}
