/**
 * What a worker reads packets from and writes them to. All devices work on arrays of struct mmsghdr in the shared memory
 * (recvmmsg(2), assembly/layout.ts), so the hot path does not know which one it is. Three implementations under one
 * contract test (test/contract/packet-device.test.ts): TUN, socket, in-memory.
 */
export interface PacketDevice {
  /** File descriptor to poll for input, -1 if there is none (in-memory). */
  readonly fd: number;
  /**
   * Receives up to `count` packets into the messages at address `headers`; each MMSGHDR_LEN tells the length.
   * Gives the number received, 0 if there is nothing now, or -errno.
   */
  receive(headers: number, count: number): number;
  /** Sends the `count` messages at `headers`, in order; the number sent, or -errno if the first one failed. */
  send(headers: number, count: number): number;
}

/** How a worker thread gets at a device that the control thread opened; structured-cloneable. */
export type DeviceHandle =
  | {
      readonly kind: 'tun';
      readonly fd: number;
      /** Opened with IFF_VNET_HDR. */
      readonly vnet: boolean;
    }
  | { readonly kind: 'socket'; readonly fd: number }
  /** A packet(7) socket that only sends. */
  | { readonly kind: 'link'; readonly fd: number }
  /** An AF_XDP socket and the address of its record (XDP_STRIDE). */
  | { readonly kind: 'xdp'; readonly fd: number; readonly record: number }
  | {
      readonly kind: 'memory';
      readonly receive: SharedArrayBuffer | null;
      readonly send: SharedArrayBuffer | null;
    };
