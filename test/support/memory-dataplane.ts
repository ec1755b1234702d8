/** A whole data plane with its worker on in-memory ports: what goes into the TUN comes out of `sent`. */
import * as L from '../../assembly/layout.ts';
import { Dataplane } from '../../src/dataplane/dataplane.ts';
import { PacketRing, createRing } from '../../src/dataplane/device/memory-device.ts';
import type { DeviceHandle } from '../../src/dataplane/device/device.ts';
import type { MemorySizes } from '../../src/dataplane/memory.ts';

export interface MemoryDataplane {
  readonly dataplane: Dataplane;
  /** Devices of path endpoints that are open. */
  readonly open: ReadonlySet<DeviceHandle>;
  /** Puts an inner packet into the TUN. */
  send(packet: Uint8Array): void;
  /** Length of the next outer packet, -1 if there is none yet. */
  takeSent(): number;
}

/** A MAG with one worker; `hotPath` as for Dataplane.start(). */
export async function startMemoryDataplane({
  sizes = {},
  hotPath,
}: {
  sizes?: Partial<MemorySizes>;
  hotPath?: WebAssembly.Module;
}): Promise<MemoryDataplane> {
  const tun = createRing();
  const path = createRing();
  const bell = new SharedArrayBuffer(4);
  const signal = (): void => {
    Atomics.add(new Int32Array(bell), 0, 1);
    Atomics.notify(new Int32Array(bell), 0);
  };
  const open = new Set<DeviceHandle>();
  const dataplane = await Dataplane.start({
    role: 'mag',
    hotPath,
    sizes: {
      ...{ workers: 1, sessions: 1, paths: 2, buffers: 1024, bufferSize: 2048, heap: 1 << 20, supers: false },
      ...sizes,
    },
    hostBase: () => 0,
    ports: {
      mode: () => L.MODE_WHOLE,
      offload: () => 0,
      open: () => {
        const device: DeviceHandle = { kind: 'memory', receive: null, send: path };
        open.add(device);
        return [device];
      },
      close: (devices) => devices.forEach((device) => open.delete(device)),
    },
    tun: {
      name: 'memory',
      mtu: () => 1500,
      devices: [{ kind: 'memory', receive: tun, send: createRing() }],
    },
    wake: [{ fd: -1, bell, signal }],
  });
  const packets = new PacketRing(tun);
  const sent = new PacketRing(path);
  return {
    dataplane,
    open,
    send: (packet) => {
      packets.push(packet);
      signal();
    },
    takeSent: () => sent.take(new Uint8Array(2048)),
  };
}
