import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { TunloomError } from '../../src/errors.ts';
import type { Datagram } from '../../src/net/mobility-transport.ts';
import { EventHub } from '../../src/node/event-hub.ts';
import type { HostDataplane } from '../../src/node/host-dataplane.ts';
import { MachineRunner } from '../../src/node/machine-runner.ts';
import type { SessionInstaller } from '../../src/node/session-installer.ts';
import type { Signaling } from '../../src/node/signaling.ts';
import type { Effect } from '../../src/pmipv6/effect.ts';
import type { TunnelSession } from '../../src/pmipv6/tunnel-session.ts';
import type { Message } from '../../src/pmipv6/wire/mobility-header.ts';

const END = { address: '2001:db8:f::1', port: null };

/** What happens, in its order, when messages `name` set up a session of that name and answer; `full`: which the data plane refuses. */
function bench(full: ReadonlySet<string> = new Set()) {
  const happened: string[] = [];
  const state = new Map<string, number>();
  const session = (name: string): TunnelSession => ({
    ...{ name, node: name, prefixes: [], sendKey: null, receiveKey: null },
    paths: Array.from({ length: state.get(name)! }, (_, i) => ({
      bid: i + 1,
    })) as unknown as TunnelSession['paths'],
  });
  const send = (name: string, status: number): Effect => ({
    ...{ effect: 'send', from: END, to: END, interface: name },
    message: { message: 'binding-ack', status, flags: 0, sequence: 0, lifetime: 1, options: [] },
  });
  const machine = {
    handle(event: { event: string; identity?: string | null; name?: string }): Effect[] {
      if (event.event === 'take-back') {
        happened.push(`take back ${event.name}`);
        return [{ effect: 'remove', session: event.name! }];
      }
      const [name, what] = event.identity!.split(' ') as [string, string?];
      if (what === 'refresh') return [send(name, 0)];
      state.set(name, (state.get(name) ?? 0) + 1);
      return [{ effect: 'install', session: session(name) }, send(name, 0)];
    },
    nextDeadline: () => null,
  };
  const runner = new MachineRunner<{ event: 'take-back'; name: string }>({
    machine,
    signaling: {
      read: ({ from }: Datagram) => ({
        ...{ message: {} as Message, identity: from, from: END, to: END, socket: 1 },
      }),
      send: (message: Message, _from: unknown, _to: unknown, socket: unknown) =>
        happened.push(`answer ${String(socket)} ${(message as { status: number }).status}`),
    } as unknown as Signaling,
    installer: {
      install: ({ name, paths }: TunnelSession) => {
        if (full.has(name)) throw new TunloomError('TOO_MANY_SESSIONS', 'no room');
        happened.push(`install ${name} ${paths.length}`);
      },
      remove: (name: string) => happened.push(`remove ${name}`),
    } as unknown as SessionInstaller,
    host: { flush: () => happened.push('flush') } as unknown as HostDataplane,
    events: new EventHub(),
    log: pino({ level: 'silent' }),
    socketFor: (_from, device) => device as unknown as number,
    refused: (_session, message) => ({ ...message, status: 130 }) as Message,
    takeBack: ({ name }) => ({ event: 'take-back', name }),
  });
  return (...names: string[]): string[] => {
    runner.receive(names.map((from) => ({ from }) as Datagram));
    return happened;
  };
}

describe('messages of one batch', () => {
  it('about one session change the data plane once, before anybody is told', () => {
    expect(bench()('a', 'a', 'a')).toEqual([
      'install a 3',
      'flush',
      'answer a 0',
      'answer a 0',
      'answer a 0',
    ]);
  });

  it('about several sessions change it in their order', () => {
    const all = bench()('a', 'a', 'b', 'a', 'b refresh');
    expect(all.slice(0, 4)).toEqual(['install a 2', 'install b 1', 'install a 3', 'flush']);
    expect(all.slice(4)).toEqual(['answer a 0', 'answer a 0', 'answer b 0', 'answer a 0', 'answer b 0']);
  });

  it('about a session that cannot be installed are all answered so, others are not', () => {
    expect(bench(new Set(['a']))('a', 'b refresh', 'a', 'b')).toEqual([
      ...['take back a', 'remove a', 'install b 1', 'flush'],
      ...['answer a 130', 'answer b 0', 'answer a 130', 'answer b 0'],
    ]);
  });
});
