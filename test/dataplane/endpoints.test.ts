/** Which paths share sockets. */
import { expect, test } from 'vitest';
import { EndpointRegistry, type EndpointSpec } from '../../src/dataplane/endpoints.ts';
import { DataplaneMemory } from '../../src/dataplane/memory.ts';
import type { PathSpec } from '../../src/dataplane/session-spec.ts';
import { testPath } from '../support/session.ts';

/** What is opened for paths that differ in `settings` only. */
function openedFor(...settings: readonly Partial<PathSpec>[]): EndpointSpec[] {
  const opened: EndpointSpec[] = [];
  const sizes = { workers: 1, sessions: 1, paths: 2, buffers: 1024, bufferSize: 2048, heap: 1 << 16 };
  const registry = new EndpointRegistry(
    new DataplaneMemory({ ...sizes, supers: false }),
    {
      mode: () => 0,
      offload: () => 0,
      open: (spec) => {
        opened.push(spec);
        return [{ kind: 'socket', fd: -1 }];
      },
      close: () => {},
    },
    () => {},
  );
  const ends = settings.map((each) => registry.acquire(testPath(1, each)));
  expect(new Set(ends.map(({ local }) => local)).size).toBe(opened.length);
  return opened;
}

test('udp and udp-gre come to one port, whose packets the kernel gives to one socket', () => {
  expect(openedFor({ encapsulation: 'udp' }, { encapsulation: 'udp-gre' })).toHaveLength(1);
  expect(openedFor({ encapsulation: 'udp' }, { encapsulation: 'gre-in-udp' })).toHaveLength(2);
});

test('each of two raw sockets would get all packets', () => {
  expect(
    openedFor(
      { encapsulation: 'gre' },
      { encapsulation: 'gre', hopLimit: 32, localPort: 5000 },
      { encapsulation: 'gre', dontFragment: 'clear' },
    ),
  ).toHaveLength(1);
});

test('a UDP path with another hop limit or DF bit gets other sockets', () => {
  expect(openedFor({}, { hopLimit: 32 }, { dontFragment: 'clear' })).toMatchObject([
    { hopLimit: 64, dontFragment: true },
    { hopLimit: 32, dontFragment: true },
    { hopLimit: 64, dontFragment: false },
  ]);
});
