/** What a state machine wants done. The order of effects is the order in which they have to happen. */
import type { AccessGrant } from './access-grant.ts';
import type { Endpoint } from './endpoint.ts';
import type { TunnelSession } from './tunnel-session.ts';
import type { Message } from './wire/mobility-header.ts';

export type Effect =
  | {
      readonly effect: 'send';
      readonly message: Message;
      readonly from: Endpoint;
      readonly to: Endpoint;
      /** MAG: leave through this WAN interface; null: by route. */
      readonly interface: string | null;
    }
  /** Install the session, or replace what is installed under its name. */
  | { readonly effect: 'install'; readonly session: TunnelSession }
  | { readonly effect: 'remove'; readonly session: string }
  /** MAG: offer this on the node's access link, in place of what was granted before. Comes at every extension of the lifetime. */
  | { readonly effect: 'grant'; readonly grant: AccessGrant }
  /** MAG: take back everything that was granted to the node. */
  | { readonly effect: 'withdraw'; readonly node: string }
  /** MAG: nothing goes by this WAN interface any more, which the configuration does not have. */
  | { readonly effect: 'close'; readonly interface: string }
  | {
      readonly effect: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      /** A sentence. */
      readonly text: string;
      readonly node?: string | undefined;
      readonly peer?: string | undefined;
    };
