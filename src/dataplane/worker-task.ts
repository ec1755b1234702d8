/** What the control thread hands to a worker, and tells it later. */
import type { MessagePort } from 'node:worker_threads';
import type { DeviceHandle } from './device/device.ts';

export interface WorkerTask {
  readonly index: number;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly tun: DeviceHandle;
  readonly endpoints: readonly EndpointHandle[];
  /** eventfd(2) that wakes the worker; -1 with in-memory devices. */
  readonly wakeFd: number;
  /** With in-memory devices: one i32 that is raised to wake the worker. */
  readonly bell: SharedArrayBuffer;
  /** Microseconds of busy polling before a sleep; 0: none. */
  readonly busyPollUs: number;
  readonly mail: MessagePort;
}

export interface EndpointHandle {
  /** Position of the endpoint's record (ENDPOINT_STRIDE). */
  readonly index: number;
  /** null: the endpoint is gone. */
  readonly device: DeviceHandle | null;
}
