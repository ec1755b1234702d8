/**
 * Whether this host may do something to its own outgoing packets between routing and the device: filter, translate or mark them
 * (nftables, ip_tables) or encrypt them (IPsec). Then nobody may go past the kernel's IP output.
 */
import { readFileSync } from 'node:fs';
import { SystemCallError } from './errno.ts';
import { Netlink } from './netlink.ts';
import { withNamespace } from './network-namespace.ts';

const NETLINK_XFRM = 6;
const NETLINK_NETFILTER = 12;
const DUMP = 0x300;
/** linux/xfrm.h: XFRM_MSG_GETPOLICY with a struct xfrm_userpolicy_id, answered by XFRM_MSG_NEWPOLICY. */
const GET_POLICY = 0x15;
const NEW_POLICY = 0x13;
const POLICY_ID = 64;
/** linux/netfilter/nf_tables.h: NFT_MSG_GETTABLE with a struct nfgenmsg, answered by NFT_MSG_NEWTABLE. */
const GET_TABLE = (10 << 8) | 1;
const NEW_TABLE = 10 << 8;
const NFGENMSG = 4;
/** Families of errors that mean: this kernel has no such thing. EINVAL, EPROTONOSUPPORT, EOPNOTSUPP. */
const ABSENT = new Set([22, 93, 95]);

/** In network namespace `namespace` (null: the calling thread's). What cannot be found out counts as treated. */
export function outputIsTreated(namespace: string | null): boolean {
  return (
    hasTables(namespace) ||
    hasAny(namespace, NETLINK_NETFILTER, { type: GET_TABLE, length: NFGENMSG }, NEW_TABLE) ||
    hasAny(namespace, NETLINK_XFRM, { type: GET_POLICY, length: POLICY_ID }, NEW_POLICY)
  );
}

function hasAny(
  namespace: string | null,
  protocol: number,
  { type, length }: { type: number; length: number },
  answer: number,
): boolean {
  let netlink: Netlink | undefined;
  try {
    netlink = new Netlink(namespace, protocol);
    return netlink.hasAny({ type, flags: DUMP, body: new Uint8Array(length) }, answer);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return !ABSENT.has(error.errno);
  } finally {
    netlink?.close();
  }
}

/** Tables of ip_tables and ip6_tables that are in use. */
function hasTables(namespace: string | null): boolean {
  return withNamespace(namespace, () =>
    ['ip_tables_names', 'ip6_tables_names'].some((file) => {
      try {
        return readFileSync(`/proc/thread-self/net/${file}`, 'utf8').trim() !== '';
      } catch {
        // No such module.
        return false;
      }
    }),
  );
}
