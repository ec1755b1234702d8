/** A session in the words of the signaling to one in those of the data plane. */
import type { FileTunnels } from '../config/schema.ts';
import { completeSession } from '../config/session-defaults.ts';
import { flowRules } from '../dataplane/distribution-spec.ts';
import { isSequenced } from '../dataplane/path-template.ts';
import type { SessionSpec } from '../dataplane/session-spec.ts';
import type { TunnelPath, TunnelSession } from '../pmipv6/tunnel-session.ts';

/**
 * Weights by BID; `tunnels` says how tunnels are built where the signaling has no say; `direction`: in which we send. What the signaling says of rate
 * and latency holds for the schedulers until it is measured.
 */
export function toSessionSpec(
  session: TunnelSession,
  weights: ReadonlyMap<number, number>,
  tunnels: FileTunnels,
  direction: 'uplink' | 'downlink',
): SessionSpec {
  const keyed = session.receiveKey !== null && session.sendKey !== null;
  const complete = completeSession(
    {
      name: session.name,
      prefixes: [...session.prefixes],
      sendKey: session.sendKey,
      receiveKey: session.receiveKey,
      paths: session.paths.map((path) => ({
        bid: path.bid,
        name: pathName(path),
        local: path.local.address,
        remote: path.remote.address,
        ...(path.local.port === null ? {} : { localPort: path.local.port }),
        ...(path.remote.port === null ? {} : { remotePort: path.remote.port }),
        ...(path.interface === null ? {} : { interface: path.interface }),
        encapsulation: path.encapsulation,
        ...(path.label ? { label: path.label } : {}),
        weight: weights.get(path.bid) ?? 1,
        rate: (direction === 'uplink' ? path.metrics.uplinkRate : path.metrics.downlinkRate) || undefined,
        delay: path.metrics.latency,
        gre: { ...tunnels.gre, key: keyed },
        // A Tunnel Encapsulation Limit is a matter of IPv6 without UDP (RFC 2473 §4.1.1).
        encapsulationLimit: hasLimit(path) ? (tunnels.encapsulationLimit ?? null) : null,
      })),
    },
    tunnels,
  );
  // What the two ends have agreed on goes among the rules of this end (RFC 6089).
  const agreed = flowRules(session.flows ?? []);
  const flows = [...agreed, ...(complete.flows ?? [])].toSorted((a, b) => a.priority - b.priority);
  const paths = complete.paths.map((path, i) =>
    session.paths[i]!.receiveOnly ? { ...path, receiveOnly: true } : path,
  );
  const spec: SessionSpec = { ...complete, paths, ...(agreed.length ? { flows } : {}) };
  return spec.allowReordering || spec.paths.every(isSequenced) ? spec : onOnePath(spec);
}

/** Without sequence numbers packets of several paths could not be put back in order: only the heaviest path is sent on. */
function onOnePath(spec: SessionSpec): SessionSpec {
  const best = spec.paths.reduce((a, b) => (b.weight > a.weight ? b : a));
  return { ...spec, paths: spec.paths.map((path) => ({ ...path, weight: path === best ? 1 : 0 })) };
}

function hasLimit({ remote, encapsulation }: TunnelPath): boolean {
  return remote.address.includes(':') && !encapsulation.includes('udp');
}

function pathName({ bid, interface: device, label }: TunnelPath): string {
  return device ?? (label === null ? `bid${bid}` : `label${label}-bid${bid}`);
}
