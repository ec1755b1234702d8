/** Names of the drop reasons (docs/drops.md explains each) and the reason for a failed send. */
import * as L from '../../assembly/layout.ts';

/** Name by number, as shown by `tunloom status`, the metrics and the lab. */
export const DROP_NAMES: Readonly<Record<number, string>> = {
  [L.DROP_INNER_TRUNCATED]: 'inner-truncated',
  [L.DROP_INNER_MALFORMED]: 'inner-malformed',
  [L.DROP_INNER_CHECKSUM]: 'inner-checksum',
  [L.DROP_INNER_EXPIRED]: 'inner-expired',
  [L.DROP_INNER_MARTIAN]: 'inner-martian',
  [L.DROP_NO_SESSION]: 'no-session',
  [L.DROP_NO_PATH]: 'no-path',
  [L.DROP_TOO_BIG]: 'too-big',
  [L.DROP_OUTER_TRUNCATED]: 'outer-truncated',
  [L.DROP_OUTER_MALFORMED]: 'outer-malformed',
  [L.DROP_OUTER_CHECKSUM]: 'outer-checksum',
  [L.DROP_OUTER_FRAGMENT]: 'outer-fragment',
  [L.DROP_GRE_MALFORMED]: 'gre-malformed',
  [L.DROP_GRE_CHECKSUM]: 'gre-checksum',
  [L.DROP_GRE_PROTOCOL]: 'gre-protocol',
  [L.DROP_TLV_MALFORMED]: 'tlv-malformed',
  [L.DROP_UNKNOWN_PEER]: 'unknown-peer',
  [L.DROP_UNKNOWN_KEY]: 'unknown-key',
  [L.DROP_WRONG_PATH]: 'wrong-path',
  [L.DROP_INNER_ADDRESS]: 'inner-address',
  [L.DROP_ECN]: 'ecn',
  [L.DROP_DUPLICATE]: 'duplicate',
  [L.DROP_LATE]: 'late',
  [L.DROP_SEQUENCE_JUMP]: 'sequence-jump',
  [L.DROP_WINDOW_FULL]: 'window-full',
  [L.DROP_NO_BUFFER]: 'no-buffer',
  [L.DROP_SEND_QUEUE_FULL]: 'send-queue-full',
  [L.DROP_SEND_UNREACHABLE]: 'send-unreachable',
  [L.DROP_SEND_TOO_BIG]: 'send-too-big',
  [L.DROP_SEND_ERROR]: 'send-error',
  [L.DROP_TUN_WRITE]: 'tun-write',
  [L.DROP_OUTER_DESTINATION]: 'outer-destination',
  [L.DROP_ICMP_LIMIT]: 'icmp-limit',
  [L.DROP_SESSION_REMOVED]: 'session-removed',
  [L.DROP_VNET_MALFORMED]: 'vnet-malformed',
  [L.DROP_POLICY]: 'policy',
  [L.DROP_KEEPALIVE]: 'keepalive',
  [L.DROP_PROBE_MALFORMED]: 'probe-malformed',
  [L.DROP_PROBE_QUEUE_FULL]: 'probe-queue-full',
};

// errno(3) values of Linux on x86-64 and arm64.
const REASONS = new Map<number, number>([
  [11, L.DROP_SEND_QUEUE_FULL], // EAGAIN
  [105, L.DROP_SEND_QUEUE_FULL], // ENOBUFS
  [90, L.DROP_SEND_TOO_BIG], // EMSGSIZE
  [19, L.DROP_SEND_UNREACHABLE], // ENODEV
  [99, L.DROP_SEND_UNREACHABLE], // EADDRNOTAVAIL
  [100, L.DROP_SEND_UNREACHABLE], // ENETDOWN
  [101, L.DROP_SEND_UNREACHABLE], // ENETUNREACH
  [111, L.DROP_SEND_UNREACHABLE], // ECONNREFUSED
  [113, L.DROP_SEND_UNREACHABLE], // EHOSTUNREACH
]);

/** The drop reason for a send that failed with `errno`. */
export function sendErrorReason(errno: number): number {
  return REASONS.get(errno) ?? L.DROP_SEND_ERROR;
}
