/** A small DHCPv4 client for the lab's mobile node (RFC 2131 §4.4): a bare machine need not have one. */
import {
  type DhcpMessage,
  DhcpOption,
  DhcpType,
  UNSPECIFIED,
  decodeDhcp,
  encodeDhcp,
} from '../access/wire/dhcp-message.ts';
import { TunloomError } from '../errors.ts';
import { encodeSockaddr, parseAddress } from '../ip.ts';
import { bind, close, receive, sendTo, setIntOption, socket } from '../net/libc.ts';
import { withNamespace } from '../net/network-namespace.ts';
import type { Readiness } from '../net/readiness.ts';
import {
  AF_INET,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  bindToDevice,
} from '../net/socket-options.ts';

const SOCK_DGRAM_NONBLOCK = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
const SO_BROADCAST = 6;
const SERVER_PORT = 67;
const CLIENT_PORT = 68;
/** Sooner than RFC 2131's 4 s: there is nobody on this link to spare. */
const RETRY_MS = 1000;
const TRIES = 15;

export interface DhcpLease {
  readonly address: string;
  readonly prefixLength: number;
  readonly router: string;
  readonly mtu: number;
}

/** Asks on `device` in a namespace until there is a lease. Throws LAB_DHCP if nobody answers. */
export async function obtainLease(
  namespace: string,
  device: string,
  hardwareAddress: Uint8Array,
  readiness: Readiness,
): Promise<DhcpLease> {
  const fd = withNamespace(namespace, () => openClient(device));
  const answered = Promise.withResolvers<DhcpLease>();
  const transaction = hardwareAddress.reduce((sum, octet) => (sum * 256 + octet) >>> 0, 0);
  const server = encodeSockaddr(parseAddress('255.255.255.255'), SERVER_PORT);
  let tries = 0;
  let last = client(DhcpType.DISCOVER, transaction, hardwareAddress, new Map());
  const send = (): void => {
    if (tries++ === TRIES) answered.reject(new TunloomError('LAB_DHCP', `${device}: no DHCP server answers`));
    else sendTo(fd, encodeDhcp(last), server.bytes, server.length, `DHCP on ${device}`);
  };
  const buffer = new Uint8Array(2048);
  const unwatch = readiness.watch(fd, () => {
    for (let length = receive(fd, buffer); length >= 0; length = receive(fd, buffer)) {
      const message = decodeDhcp(buffer.subarray(0, length));
      if (message.op !== 2 || message.transaction !== transaction) continue;
      if (message.type === DhcpType.ACK) answered.resolve(leaseOf(message));
      else if (message.type === DhcpType.OFFER && last.type === DhcpType.DISCOVER) {
        const options = new Map<number, Uint8Array>();
        options.set(DhcpOption.REQUESTED_ADDRESS, parseAddress(message.yourAddress).bytes);
        const identifier = message.options.get(DhcpOption.SERVER_IDENTIFIER);
        if (identifier) options.set(DhcpOption.SERVER_IDENTIFIER, identifier);
        last = client(DhcpType.REQUEST, transaction, hardwareAddress, options);
        send();
      }
    }
  });
  const timer = setInterval(send, RETRY_MS);
  send();
  try {
    return await answered.promise;
  } finally {
    clearInterval(timer);
    unwatch();
    close(fd);
  }
}

function openClient(device: string): number {
  const fd = socket(AF_INET, SOCK_DGRAM_NONBLOCK, 0);
  try {
    setIntOption(fd, SOL_SOCKET, SO_BROADCAST, 1, 'SO_BROADCAST');
    bindToDevice(fd, device);
    const any = encodeSockaddr(parseAddress(UNSPECIFIED), CLIENT_PORT);
    bind(fd, any.bytes, any.length, `UDP port ${CLIENT_PORT} on ${device}`);
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

function client(
  type: number,
  transaction: number,
  hardwareAddress: Uint8Array,
  options: ReadonlyMap<number, Uint8Array>,
): DhcpMessage {
  return {
    op: 1,
    type,
    transaction,
    seconds: 0,
    broadcast: true,
    clientAddress: UNSPECIFIED,
    yourAddress: UNSPECIFIED,
    relayAddress: UNSPECIFIED,
    hardwareAddress,
    options,
  };
}

function leaseOf({ yourAddress, options }: DhcpMessage): DhcpLease {
  const mask = options.get(DhcpOption.SUBNET_MASK);
  const router = options.get(DhcpOption.ROUTER);
  const mtu = options.get(DhcpOption.INTERFACE_MTU);
  if (mask?.length !== 4 || router?.length !== 4 || mtu?.length !== 2) {
    throw new TunloomError(
      'LAB_DHCP',
      'the lease lacks subnet mask, router or interface MTU (RFC 5844 §3.4.1)',
    );
  }
  const bits = Array.from(mask, (octet) => octet.toString(2).replaceAll('0', '').length);
  return {
    address: yourAddress,
    prefixLength: bits.reduce((sum, count) => sum + count, 0),
    router: router.join('.'),
    mtu: (mtu[0]! << 8) | mtu[1]!,
  };
}
