/** Paths past the kernel's stack (`offload.xdp`) with a real kernel: what arrives, what falls back, what is left behind. Needs root. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { DataplaneMemory } from '../../src/dataplane/memory.ts';
import { NamespaceLab } from '../../src/lab/namespace-lab.ts';
import { SESSION, pathAddresses, planPaths } from '../../src/lab/plan.ts';
import { addressOf, close, receive, socket } from '../../src/net/libc.ts';
import { attachXdp, assembleEbpf, Code, loadXdpProgram } from '../../src/net/ebpf.ts';
import { withNamespace } from '../../src/net/network-namespace.ts';
import { ETHERTYPE_IPV4, PacketSocket } from '../../src/net/packet-socket.ts';
import { XdpInterface } from '../../src/node/xdp-interface.ts';
import { joinNamespaces, run } from '../support/daemon.ts';
import { slowChecksum } from '../support/inner-packet.ts';
import { expectSound } from '../support/sound-lab.ts';

const GRE = 47;
const RAW = 3 | 0o4000 | 0o2000000;
const EAGAIN = 11;

type Mode = 'generic' | 'native';

const noPreparation: (lab: NamespaceLab) => void = () => {};

async function withLab(
  xdp: Mode,
  use: (lab: NamespaceLab) => Promise<void>,
  { encapsulation = 'gre', workers = 1, prepare = noPreparation } = {},
): Promise<void> {
  const lab = await NamespaceLab.start({
    paths: planPaths({ paths: [], weights: '3:2', encapsulation, family: '4' }),
    duration: 1,
    workers,
    static: true,
    memory: false,
    offload: { tun: true, segment: true, merge: true, link: 'auto', xdp },
  });
  try {
    prepare(lab);
    for (const index of [0, 1]) {
      const { lma } = pathAddresses(index, 4);
      spawnSync('ip', ['netns', 'exec', lab.topology.mag, 'ping', '-c', '1', '-W', '2', lma]);
    }
    await use(lab);
  } finally {
    await lab.stop();
  }
}

/** Paths by interface name, at both ends; problems instead of paths. */
function seats(lab: NamespaceLab): (readonly [string | null, number | string])[][] {
  return [lab.mag, lab.lma].map((end) =>
    (end.dataplane.status().offload.xdp ?? []).map(
      ({ name, paths, problem }) => [name, problem ?? paths] as const,
    ),
  );
}

const BOTH = [
  ['wan1', 1],
  ['wan2', 1],
] as const;

async function eventually(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !holds(); tries++)
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect(holds()).toBe(true);
}

test.each([
  ['generic', 'gre', 1],
  ['native', 'gre', 1],
  ['generic', 'ipip', 1],
  ['generic', 'gre', 2],
] as const)(
  '%s, %s, %d worker(s): intact, in the shares, past every raw socket',
  async (mode, encapsulation, workers) => {
    await withLab(
      mode,
      async (lab) => {
        await eventually(() => seats(lab).every((end) => end.length === 2));
        expect(seats(lab)).toEqual([BOTH, BOTH]);
        const witness = withNamespace(lab.topology.lma, () =>
          socket(2, RAW, encapsulation === 'gre' ? GRE : 4),
        );
        try {
          await expectSound(lab);
          expect(receive(witness, new Uint8Array(2048))).toBe(-EAGAIN);
        } finally {
          close(witness);
        }
      },
      { encapsulation, workers },
    );
  },
);

test('a path whose neighbour is lost goes by its socket again, and the interface is given back', async () => {
  await withLab('generic', async (lab) => {
    await eventually(() => seats(lab)[0]!.length === 2);
    const { lma } = pathAddresses(1, 4);
    run('ip', '-n', lab.topology.mag, 'route', 'add', 'unreachable', `${lma}/32`);
    await eventually(() => seats(lab)[0]!.length === 1);
    expect(hasProgram(lab.topology.mag, 'wan1')).toBe(true);
    await eventually(() => !hasProgram(lab.topology.mag, 'wan2'));
    run('ip', '-n', lab.topology.mag, 'route', 'delete', 'unreachable', `${lma}/32`);
    await eventually(() => seats(lab)[0]!.length === 2);
    await expectSound(lab);
  });
});

test('a worker that crashes in the midst of a transfer: its successor goes on with the same rings, and no chunk is lost', async () => {
  await withLab('generic', async (lab) => {
    await eventually(() => seats(lab).every((end) => end.length === 2));
    const transfer = lab.tcp('uplink');
    const { dataplane } = lab.lma;
    const { memory } = dataplane;
    await eventually(() => dataplane.session(SESSION).paths[0]!.rxPackets > 1000);
    // A timer bit set far outside the memory: the next look at it traps.
    const region = memory.workerRegion(0) / 4;
    memory.u32[region + L.WORKER_TIMERS / 4] = 0xffff_0000;
    memory.u32[region + L.WORKER_TIMER_COUNT / 4] = 1;
    expect((await transfer).sha256Match).toBe(true);
    expect(dataplane.status().workers[0]!.restarts).toBe(1);
    expect((await lab.tcp('downlink')).sha256Match).toBe(true);
    const word = (address: number): number => memory.u32[address / 4]!;
    for (const record of [memory.xdp, memory.xdp + L.XDP_STRIDE]) {
      const done = (index: number): number => word(word(record + L.XDP_DONE + index));
      await eventually(() => {
        const returned = (done(L.RING_PRODUCER) - done(L.RING_CONSUMER)) >>> 0;
        return word(record + L.XDP_UNUSED_COUNT) + returned === L.XDP_SEND_CHUNKS;
      });
    }
  });
});

test('an interface with another program, and one with an MTU too large: packet and raw sockets', async () => {
  const held: number[] = [];
  const prepare = (lab: NamespaceLab): void => {
    const { lma } = lab.topology;
    withNamespace(lma, () => {
      const code = assembleEbpf([{ code: Code.SET, to: 0, value: 2 }, { code: Code.EXIT }]);
      const program = loadXdpProgram(code);
      held.push(program, attachXdp(program, 2, 'generic'));
    });
    run('ip', '-n', lma, 'link', 'set', 'wan2', 'mtu', '2000');
  };
  try {
    await withLab(
      'generic',
      async (lab) => {
        await eventually(() => seats(lab).every((end) => end.length === 2));
        const [mag, lma] = seats(lab);
        expect(mag).toEqual(BOTH);
        expect(lma).toEqual([
          [null, expect.stringContaining('EBUSY')],
          [null, expect.stringContaining('an MTU of 2000')],
        ]);
        await expectSound(lab);
      },
      { prepare },
    );
  } finally {
    for (const fd of held) close(fd);
  }
});

// ---- an interface without workers

const [HERE, THERE] = [`tlxh-${process.pid}`, `tlxt-${process.pid}`];
const FLOW = { remote: '198.51.100.1', local: '198.51.100.2', protocol: GRE };
const ENDPOINT = 3;

beforeEach(() => {
  for (const name of [HERE, THERE]) run('ip', 'netns', 'add', name);
  joinNamespaces([HERE, 'here', '198.51.100.2/30'], [THERE, 'there']);
});

afterEach(() => {
  for (const name of [HERE, THERE]) spawnSync('ip', ['netns', 'delete', name]);
});

function show(namespace: string, device: string): { ifindex: number; address: string; xdp?: unknown } {
  const { stdout } = spawnSync('ip', ['-n', namespace, '-json', 'link', 'show', 'dev', device]);
  return (JSON.parse(String(stdout)) as [{ ifindex: number; address: string; xdp?: unknown }])[0];
}

function hasProgram(namespace: string, device: string): boolean {
  return show(namespace, device).xdp !== undefined;
}

/** A GRE packet of the flow from the other side. */
function packetOf(source: string): Uint8Array {
  const addresses = [source, FLOW.local].flatMap((address) => address.split('.').map(Number));
  const header = Uint8Array.of(0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, GRE, 0, 0, ...addresses);
  new DataView(header.buffer).setUint16(10, slowChecksum(header));
  return Uint8Array.of(...header, ...new Uint8Array(8));
}

function memoryFor(sockets: number): DataplaneMemory {
  const sizes = { workers: 1, sessions: 1, paths: 1, buffers: 32, bufferSize: 2048, heap: 1 << 20 };
  const memory = new DataplaneMemory({ ...sizes, supers: false, xdpSockets: sockets });
  memory.u64[(L.CONTROL + L.CONTROL_HOST_BASE) / 8] = BigInt(addressOf(memory.memory));
  return memory;
}

test.each(['generic', 'native'] as const)(
  '%s: frames wait for a worker; what finds no room is counted; dismissed flows and strangers are the stack’s',
  async (mode) => {
    const memory = memoryFor(1);
    const { ifindex, address } = show(HERE, 'here');
    const neighbour = Uint8Array.from(address.split(':'), (octet) => Number.parseInt(octet, 16));
    const witness = withNamespace(HERE, () => socket(2, RAW, GRE));
    const sender = withNamespace(
      THERE,
      () => new PacketSocket({ name: 'there', index: show(THERE, 'there').ifindex }, null),
    );
    const port = new XdpInterface(HERE, ifindex, mode, memory, [memory.xdp]);
    try {
      let seen = 0;
      const stackHasSeen = async (count: number): Promise<void> => {
        await eventually(() => {
          while (receive(witness, new Uint8Array(2048)) > 0) seen++;
          return seen >= count;
        });
        expect(seen).toBe(count);
      };
      const send = (count: number, source = FLOW.remote): void => {
        for (let i = 0; i < count; i++) sender.send(packetOf(source), ETHERTYPE_IPV4, neighbour);
      };
      expect(port.fds).toHaveLength(1);
      send(1);
      await stackHasSeen(1);
      expect(port.admit(FLOW, ENDPOINT)).toBe(true);
      send(1, '198.51.100.9');
      await stackHasSeen(2);
      const more = 100;
      send(L.XDP_RECEIVE_CHUNKS + more);
      await eventually(() => port.drops() === more);
      const frame = memory.xdp + L.XDP_CHUNKS + L.XDP_HEADROOM;
      expect(memory.u32[(frame - L.XDP_FRAME_ENDPOINT) / 4]).toBe(ENDPOINT);
      port.dismiss(FLOW);
      send(1);
      await stackHasSeen(3);
      expect(port.drops()).toBe(more);
    } finally {
      port.close();
      close(witness);
      close(sender.fd);
    }
    expect(hasProgram(HERE, 'here')).toBe(false);
    // The rings' places are ordinary memory again.
    expect(memory.u32[(memory.xdp + L.XDP_RECEIVE_RING) / 4]).toBe(0);
  },
);

test('a process that is killed leaves no program behind', async () => {
  const root = new URL('../..', import.meta.url).pathname;
  const script = `
    const { DataplaneMemory } = await import('${root}src/dataplane/memory.ts');
    const { addressOf } = await import('${root}src/net/libc.ts');
    const { XdpInterface } = await import('${root}src/node/xdp-interface.ts');
    const L = await import('${root}assembly/layout.ts');
    const memory = new DataplaneMemory({ workers: 1, sessions: 1, paths: 1, buffers: 32, bufferSize: 2048, heap: 1 << 20, supers: false, xdpSockets: 1 });
    memory.u64[(L.CONTROL + L.CONTROL_HOST_BASE) / 8] = BigInt(addressOf(memory.memory));
    globalThis.kept = new XdpInterface('${HERE}', ${show(HERE, 'here').ifindex}, 'generic', memory, [memory.xdp]);
    console.log('ready');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  try {
    await Promise.race([once(child.stdout!, 'data'), exit]);
    expect(hasProgram(HERE, 'here')).toBe(true);
  } finally {
    child.kill('SIGKILL');
    await exit;
  }
  await eventually(() => !hasProgram(HERE, 'here'));
});
