/** From a session as written (file or control socket) to a SessionSpec with every default filled in. */
import type { PathSpec, SessionSpec } from '../dataplane/session-spec.ts';
import { distributionOf, flowRulesOf, latencyOf } from './flow-rules.ts';
import type { FileServices } from './flow-schema.ts';
import { adaptationOf, probeSpecOf } from './probe-settings.ts';
import type { FileDefaults, FileSession } from './schema.ts';

/** RFC 5844 §4 and RFC 8086 §3.2. */
const PORTS = { udp: 5437, 'udp-gre': 5437, 'gre-in-udp': 4754, ipip: 0, gre: 0 } as const;

/** At a gap, while delays are not measured, and whatever is measured; the latter holds unless there is a word on the former. */
const MAX_WAIT_US = 100_000;
const LONGEST_WAIT_US = 500_000;

/** A path's next hop on its access network. */
export interface Gateway {
  readonly local: string;
  readonly via: string;
  readonly interface?: string | undefined;
}

/** Fills in the defaults. Paths without local or remote address get an empty one, for cross-checks to refuse. */
export function completeSession(
  session: FileSession,
  defaults: FileDefaults,
  services: FileServices = {},
): SessionSpec {
  const distribution = distributionOf(session.scheduler ?? defaults.scheduler, {
    ...defaults.distribution,
    ...session.distribution,
  });
  const latency = session.latency ?? defaults.latency;
  const flows = session.flows ?? defaults.flows;
  const resequencer = { ...defaults.resequencer, ...session.resequencer };
  const adaptation = adaptationOf({
    ...defaults.adaptation,
    ...session.adaptation,
    ...((defaults.adaptation?.guard ?? session.adaptation?.guard) && {
      guard: { ...defaults.adaptation?.guard, ...session.adaptation?.guard },
    }),
  });
  const probes = probeSpecOf({ ...defaults.probes, ...session.probes });
  return {
    name: session.name,
    prefixes: session.prefixes,
    sendKey: session.sendKey ?? null,
    receiveKey: session.receiveKey ?? null,
    allowReordering: session.allowReordering ?? defaults.allowReordering ?? false,
    clampMss: session.clampMss ?? defaults.clampMss ?? true,
    ...((session.adaptive ?? defaults.adaptive) && { adaptive: true }),
    ...(Object.keys(adaptation).length && { adaptation }),
    ...(Object.keys(probes).length && { probes }),
    resequencer: {
      window: resequencer.window ?? 4096,
      minWaitUs: resequencer.minWait ?? 1000,
      maxWaitUs: resequencer.maxWait ?? MAX_WAIT_US,
      longestWaitUs: resequencer.longestWait ?? resequencer.maxWait ?? LONGEST_WAIT_US,
      late: resequencer.late ?? 'deliver',
      provenLoss: resequencer.provenLoss ?? true,
      ...(resequencer.equalDelay && { equalDelay: true }),
    },
    ...(distribution && Object.keys(distribution).length && { distribution }),
    ...(latency && { latency: latencyOf(latency) }),
    ...(flows && { flows: flowRulesOf(flows, services) }),
    paths: session.paths.map((path): PathSpec => {
      const merged = { ...defaults, ...path };
      const gre = { ...defaults.gre, ...path.gre };
      const encapsulation = merged.encapsulation ?? 'udp-gre';
      return {
        bid: path.bid,
        name: path.name ?? `bid${path.bid}`,
        local: merged.local ?? '',
        remote: merged.remote ?? '',
        localPort: merged.localPort ?? PORTS[encapsulation],
        remotePort: merged.remotePort ?? PORTS[encapsulation],
        ...(merged.interface === undefined ? {} : { interface: merged.interface }),
        encapsulation,
        weight: merged.weight ?? 1,
        mtu: merged.mtu ?? 1500,
        gre: { key: gre.key ?? true, sequence: gre.sequence ?? true, checksum: gre.checksum ?? false },
        hopLimit: merged.hopLimit ?? 64,
        dscp: merged.dscp ?? 'copy',
        ecn: merged.ecn ?? 'normal',
        dontFragment: merged.dontFragment ?? 'set',
        encapsulationLimit: merged.encapsulationLimit ?? null,
        ...(merged.label !== undefined && { label: merged.label }),
        ...(merged.rate !== undefined && { rate: merged.rate }),
        ...(merged.delay !== undefined && { delayUs: merged.delay }),
      };
    }),
  };
}

/** The gateways that the session's paths name. */
export function gatewaysOf(session: FileSession, defaults: FileDefaults): Gateway[] {
  return session.paths.flatMap((path) => {
    const { local, gateway, interface: device } = { ...defaults, ...path };
    return gateway !== undefined && local !== undefined ? [{ local, via: gateway, interface: device }] : [];
  });
}
