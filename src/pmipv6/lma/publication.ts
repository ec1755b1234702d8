/** What the data plane has to know of a session. */
import { activeFlows } from '../flow-binding.ts';
import type { TunnelPath, TunnelSession } from '../tunnel-session.ts';
import { DATA_PORT } from '../wire/numbers.ts';
import { hostPrefix, PLAIN_BID, type Session } from './binding-cache.ts';

/** The session in the data plane's words. */
export function tunnelSession(session: Session): TunnelSession {
  const paths = [...session.bindings.values()]
    .map((binding): TunnelPath => {
      const udp = binding.encapsulation === 'udp' || binding.encapsulation === 'udp-gre';
      const port = udp ? DATA_PORT : null;
      return {
        bid: binding.bid === PLAIN_BID ? 1 : binding.bid,
        local: { address: binding.local.address, port },
        remote: { address: binding.careOf.address, port },
        encapsulation: binding.encapsulation,
        technology: binding.technology,
        label: binding.label,
        metrics: binding.metrics,
        interface: null,
      };
    })
    .sort((a, b) => a.bid - b.bid);
  const flows = activeFlows(session.flows.values(), new Set(session.bindings.keys()));
  return {
    name: session.name,
    node: session.nodeKey,
    prefixes: [
      ...session.prefixes,
      ...(session.homeAddress ? [hostPrefix(session.homeAddress)] : []),
      ...session.delegated,
    ],
    sendKey: session.gre?.downlinkKey ?? null,
    receiveKey: session.gre?.uplinkKey ?? null,
    paths,
    ...(flows.length ? { flows } : {}),
  };
}
