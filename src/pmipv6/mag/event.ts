/** What the world tells the MAG state machine. */
import type { Endpoint } from '../endpoint.ts';
import type { FlowBinding } from '../flow-binding.ts';
import type { WanMetrics } from '../tunnel-session.ts';
import type { Message } from '../wire/mobility-header.ts';
import type { WanState } from './wan-links.ts';

export type MagEvent =
  /** A mobility message has come. `to` is the address of ours that it came to. */
  | { readonly event: 'message'; readonly message: Message; readonly from: Endpoint; readonly to: Endpoint }
  /** A node is on an access link. Once more while it is there: nothing, unless link-layer address or interface are others, or the LMA took it for gone. */
  | {
      readonly event: 'attach';
      /** NAI. */
      readonly node: string;
      /** Access interface. */
      readonly interface: string;
      /** MN Link-layer Identifier; null: unknown. */
      readonly linkLayer: Uint8Array | null;
      /** Access Technology Type of the access link. */
      readonly technology: number;
      /** Handoff Indicator as far as the access side knows (RFC 5213 §8.4): 1, 2, 3 or, if left out, 4. */
      readonly handoff?: number | undefined;
    }
  /** The node has left; of another interface than the one that it is on now: nothing. */
  | { readonly event: 'detach'; readonly node: string; readonly interface: string }
  /** The node has given delegated prefixes back (RFC 7148 §5.1.3.1). */
  | { readonly event: 'release'; readonly node: string; readonly prefixes: readonly string[] }
  /** The node has given its IPv4 home address back (RFC 5844 §3.4.3); one that has nothing else leaves instead. */
  | { readonly event: 'release-address'; readonly node: string }
  /** The node asks for an IPv4 home address, perhaps after it has given one back. */
  | { readonly event: 'address'; readonly node: string }
  /** The node asks for delegated prefixes, after it has given all of them back. */
  | { readonly event: 'delegation'; readonly node: string }
  /** A WAN interface as it is now; its first event lets it be used. */
  | ({ readonly event: 'interface' } & WanState)
  /** What the data plane's probes say of a path, by the names that it has from `install`: nothing comes through, or it does again. */
  | { readonly event: 'path'; readonly session: string; readonly bid: number; readonly dead: boolean }
  /** What is known of a WAN interface has changed: the LMA is told by a re-registration of its paths. */
  | { readonly event: 'metrics'; readonly name: string; readonly metrics: WanMetrics }
  /** Other flow bindings of the node: those that it has and this list does not name are removed (RFC 6089). */
  | { readonly event: 'flows'; readonly node: string; readonly flows: readonly FlowBinding[] }
  /** The operator's word: extend the node's bindings now, also if the LMA has refused the node before; without node, of all. */
  | { readonly event: 'register'; readonly node?: string | undefined }
  /** The operator's word: end the node's session until it attaches anew or `register` names it; without node, of all. */
  | { readonly event: 'deregister'; readonly node?: string | undefined }
  /** Time has passed (`nextDeadline`). */
  | { readonly event: 'tick' };
