/** What the parts of the access side share: the host around them, time, chance, and where their news go. */
import type { HostConfiguration } from '../net/host-configuration.ts';
import type { Readiness } from '../net/readiness.ts';
import type { AccessMessage, Attachment, Detachment } from './access-config.ts';

export interface AccessContext {
  /** Network namespace, null for the process's own. */
  readonly namespace: string | null;
  readonly readiness: Readiness;
  readonly host: HostConfiguration;
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
  /** Equally distributed from 0 to 1. */
  readonly random: () => number;
  /** Our own link-local address on an interface, null if it has none. */
  readonly linkLocalOf: (device: string) => string | null;
  readonly attached: (attachment: Attachment) => void;
  readonly detached: (detachment: Detachment) => void;
  /** null: nobody watches. */
  readonly watch: ((message: AccessMessage) => void) | null;
  /** Deadlines may have changed. */
  readonly changed: () => void;
  readonly log: (level: 'info' | 'warn', text: string, node?: string) => void;
}
