/**
 * The kernel's network configuration through rtnetlink(7): links, addresses, routes and rules, listed and changed in batches.
 * All calls are synchronous: the kernel works on a request within sendto(2), so its answers are there when that returns.
 */
import { TunloomError } from '../errors.ts';
import { SystemCallError, errnoName } from './errno.ts';
import { bind, close, receive, sendTo, setIntOption, socket } from './libc.ts';
import { ADDRESSES, type InterfaceAddress } from './netlink/address.ts';
import { LINKS, type Link } from './netlink/link.ts';
import {
  ControlType,
  Flag,
  HEADER_SIZE,
  type Received,
  type Request,
  joinRequests,
  readAttributes,
  readText,
  splitMessages,
  viewOf,
} from './netlink/message.ts';
import type { Change, Listing } from './netlink/object.ts';
import { type ListedRoute, routes } from './netlink/route.ts';
import { type ListedRule, rules } from './netlink/rule.ts';
import { withNamespace } from './network-namespace.ts';

const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const NLMSGERR_ATTR_MSG = 1;
const ENOENT = 2;
const EINTR = 4;
const ENODEV = 19;
const RECEIVE_BYTES = 1 << 16;
/** Answers of so many requests fit into a receive buffer of default size (about 900 octets each with overhead). */
const BATCH = 128;
const DUMP_TRIES = 10;

/** One change that the kernel refused. */
export interface Failure {
  readonly change: Change;
  readonly errno: number;
  /** The kernel's own explanation, where it gave one. */
  readonly reason: string | null;
}

/** Throws NETLINK naming the first of the failures, if there are any. */
export function refuseFailures(failures: readonly Failure[]): void {
  const [first] = failures;
  if (!first) return;
  const more = failures.length > 1 ? ` (and ${failures.length - 1} more)` : '';
  const reason = first.reason === null ? '' : `: ${first.reason}`;
  throw new TunloomError('NETLINK', `${first.change.text}: ${errnoName(first.errno)}${reason}${more}`);
}

export class Netlink {
  readonly #fd: number;
  /** Of the next request; wraps. */
  #sequence: number;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);

  /**
   * Opens a socket in network namespace `namespace` (null: the calling thread's); it stays there. `protocol`: NETLINK_*, of netlink(7); `sequence`: number of the first request.
   * Throws SystemCallError (EPROTONOSUPPORT).
   */
  constructor(namespace: string | null = null, protocol = NETLINK_ROUTE, sequence = 1) {
    this.#sequence = sequence;
    this.#fd = withNamespace(namespace, () => openNetlink(0, protocol));
  }

  close(): void {
    close(this.#fd);
  }

  links(): Link[] {
    return this.#list(LINKS, String);
  }

  /** The link of that name, null if there is none. */
  link(name: string): Link | null {
    return this.links().find((link) => link.name === name) ?? null;
  }

  addresses(): InterfaceAddress[] {
    return this.#list(ADDRESSES, this.#names());
  }

  /** Unicast and unreachable routes of both families. */
  routes(filter: { table?: number; protocol?: number } = {}): ListedRoute[] {
    const nameOf = this.#names();
    return ([4, 6] as const).flatMap((family) => this.#list(routes(family, filter), nameOf));
  }

  /** The answer to a request for one object, null if there is none. */
  ask(request: Request): Received | null {
    const sequence = this.#send([request]);
    for (;;) {
      const answer = this.#receive().find((message) => message.sequence === sequence);
      if (answer) return answer.type === ControlType.ERROR ? null : answer;
    }
  }

  /** Sends a request for its effect; whether the kernel grants it is not looked at. */
  tell(request: Request): void {
    this.#send([request]);
  }

  /** Whether a dump of any protocol's objects has one of answer type `type`. Throws SystemCallError. */
  hasAny(request: Request, type: number): boolean {
    const decode = (): boolean => true;
    return this.#list({ request, type, decode }, String).length > 0;
  }

  rules(): ListedRule[] {
    return ([4, 6] as const).flatMap((family) => this.#list(rules(family), String));
  }

  /** Makes all changes, in their order; what fails does not keep the rest from being tried. */
  attempt(changes: readonly Change[]): Failure[] {
    const failures: Failure[] = [];
    if (!changes.length) return failures;
    const indexOf = this.#indexes();
    let batch: Pending[] = [];
    const flush = (): void => {
      failures.push(...this.#exchange(batch));
      batch = [];
    };
    for (const change of changes) {
      let request = tryEncode(change, indexOf);
      if (!request && batch.length) {
        // An earlier change of this batch may create the device.
        flush();
        request = tryEncode(change, indexOf);
      }
      if (request) batch.push({ change, request: { ...request, flags: request.flags | Flag.ACK } });
      else failures.push({ change, errno: ENODEV, reason: null });
      if (batch.length === BATCH) flush();
    }
    flush();
    return failures;
  }

  /** Makes all changes. Throws NETLINK naming the first that failed; the others have been made. */
  apply(changes: readonly Change[]): void {
    refuseFailures(this.attempt(changes));
  }

  #exchange(batch: readonly Pending[]): Failure[] {
    const failures: Failure[] = [];
    if (!batch.length) return failures;
    const first = this.#send(batch.map(({ request }) => request));
    for (let answered = 0; answered < batch.length;) {
      for (const answer of this.#receive()) {
        const request = batch[(answer.sequence - first) >>> 0];
        // Answers to requests that we gave up on are of no interest.
        if (answer.type !== ControlType.ERROR || !request) continue;
        answered++;
        const failure = readError(answer);
        if (failure) failures.push({ change: request.change, ...failure });
      }
    }
    return failures;
  }

  #list<T>(listing: Listing<T>, nameOf: (index: number) => string): T[] {
    for (let tries = 0; tries < DUMP_TRIES; tries++) {
      const result = this.#dump(listing, nameOf);
      if (result) return result;
    }
    throw new TunloomError('NETLINK', 'the configuration changes faster than it can be listed');
  }

  /** null: something changed meanwhile, and the list may be wrong. */
  #dump<T>(listing: Listing<T>, nameOf: (index: number) => string): T[] | null {
    const sequence = this.#send([listing.request]);
    const found: T[] = [];
    let consistent = true;
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if (message.flags & Flag.DUMP_INTERRUPTED) consistent = false;
        if (message.type === ControlType.DONE || message.type === ControlType.ERROR) {
          const errno = message.body.length >= 4 ? -viewOf(message.body).getInt32(0, true) : 0;
          // A routing table that nobody has put anything into does not exist.
          if (errno === ENOENT) return [];
          if (errno) throw new SystemCallError(`netlink request ${listing.request.type}`, errno);
          return consistent ? found : null;
        }
        const item = message.type === listing.type ? listing.decode(message.body, nameOf) : null;
        if (item !== null) found.push(item);
      }
    }
  }

  #send(requests: readonly Request[]): number {
    const first = this.#sequence;
    this.#sequence = (first + requests.length) >>> 0;
    sendTo(this.#fd, joinRequests(requests, first), kernelAddress(0), 12, 'netlink');
    return first;
  }

  #receive(): Received[] {
    for (;;) {
      const length = receive(this.#fd, this.#buffer);
      if (length >= 0) return splitMessages(this.#buffer.slice(0, length));
      // EAGAIN cannot come before all answers are there; ENOBUFS is a batch that was too large. Neither is expected.
      if (length !== -EINTR) throw new SystemCallError('recv(netlink)', -length);
    }
  }

  #names(): (index: number) => string {
    const names = new Map(this.links().map((link) => [link.index, link.name]));
    return (index) => names.get(index) ?? `if${index}`;
  }

  /** Index numbers by name, read when first asked for. */
  #indexes(): (device: string) => number {
    let known: Map<string, number> | undefined;
    return (device) => {
      // Read again for a name that is not there: an earlier change of the same batch may have made it.
      if (!known?.has(device)) known = new Map(this.links().map((link) => [link.name, link.index]));
      const index = known.get(device);
      if (index === undefined) throw new TunloomError('NO_DEVICE', `there is no interface ${device}`);
      return index;
    };
  }
}

interface Pending {
  readonly change: Change;
  readonly request: Request;
}

/** null if the change names a device that is not there. */
function tryEncode(change: Change, indexOf: (device: string) => number): Request | null {
  try {
    return change.encode(indexOf);
  } catch (error) {
    if (error instanceof TunloomError && error.code === 'NO_DEVICE') return null;
    throw error;
  }
}

/** Gives `action`, which must be synchronous, a socket in network namespace `namespace` (null: the calling thread's) while it runs. */
export function withNetlink<T>(namespace: string | null, action: (netlink: Netlink) => T): T {
  const netlink = new Netlink(namespace);
  try {
    return action(netlink);
  } finally {
    netlink.close();
  }
}

/** A netlink socket that gets the events of `groups` (RTMGRP_*), 0: only answers. */
export function openNetlink(groups: number, protocol = NETLINK_ROUTE): number {
  const fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
  try {
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
      setIntOption(fd, SOL_NETLINK, option, 1, `netlink option ${option}`);
    }
    bind(fd, kernelAddress(groups), 12, 'netlink');
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/** struct sockaddr_nl. */
function kernelAddress(groups: number): Uint8Array {
  const bytes = new Uint8Array(12);
  viewOf(bytes).setUint16(0, AF_NETLINK, true);
  viewOf(bytes).setUint32(8, groups, true);
  return bytes;
}

/** struct nlmsgerr and its attributes; null: acknowledged. */
function readError({ body, flags }: Received): { errno: number; reason: string | null } | null {
  const view = viewOf(body);
  const errno = -view.getInt32(0, true);
  if (errno === 0) return null;
  const repeated = flags & Flag.CAPPED ? HEADER_SIZE : view.getUint32(4, true);
  const attributes =
    flags & Flag.ACK_ATTRIBUTES ? readAttributes(body, 4 + ((repeated + 3) & ~3)) : undefined;
  return { errno, reason: readText(attributes?.get(NLMSGERR_ATTR_MSG)) ?? null };
}
