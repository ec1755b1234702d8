/** Session and path specs for tests, with documentation addresses and the defaults of the configuration. */
import type { PathSpec, SessionSpec } from '../../src/dataplane/session-spec.ts';

/** Path `bid` between .bid addresses of 198.51.100.0/24 and 203.0.113.0/24, or 2001:db8:1::/64 and 2001:db8:2::/64. */
export function testPath(bid: number, overrides: Partial<PathSpec> & { family?: 4 | 6 } = {}): PathSpec {
  const { family = 4, ...rest } = overrides;
  const encapsulation = rest.encapsulation ?? 'udp-gre';
  const port = encapsulation === 'gre-in-udp' ? 4754 : 5437;
  return {
    bid,
    name: `bid${bid}`,
    local: family === 4 ? `198.51.100.${bid}` : `2001:db8:1::${bid.toString(16)}`,
    remote: family === 4 ? `203.0.113.${bid}` : `2001:db8:2::${bid.toString(16)}`,
    localPort: port,
    remotePort: port,
    encapsulation,
    weight: 1,
    mtu: 1500,
    gre: { key: true, sequence: true, checksum: false },
    hopLimit: 64,
    dscp: 'copy',
    ecn: 'normal',
    dontFragment: 'set',
    encapsulationLimit: null,
    ...rest,
  };
}

export function testSession(overrides: Partial<SessionSpec> = {}): SessionSpec {
  return {
    name: 'mn1',
    prefixes: ['192.0.2.0/24', '2001:db8:cafe::/64'],
    sendKey: 0x11111111,
    receiveKey: 0x22222222,
    allowReordering: false,
    clampMss: true,
    resequencer: { window: 256, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
    paths: [testPath(1), testPath(2)],
    ...overrides,
  };
}

/** The same session seen from the other end: local and remote swapped, keys swapped. */
export function mirrored(session: SessionSpec): SessionSpec {
  return {
    ...session,
    sendKey: session.receiveKey,
    receiveKey: session.sendKey,
    paths: session.paths.map((path) => ({
      ...path,
      local: path.remote,
      remote: path.local,
      localPort: path.remotePort,
      remotePort: path.localPort,
    })),
  };
}
