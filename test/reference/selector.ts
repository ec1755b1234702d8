/** The slow twin of the classifier: RFC 6088 §3 read condition by condition, RFC 6089 §5.3.3 rule by rule. */
import type { FlowSelector, Range } from '../../src/dataplane/distribution-spec.ts';
import { parseAddress } from '../../src/ip.ts';
import type { FlowPacket } from '../support/flow-packet.ts';

const PORTS = new Set([6, 17, 33, 132, 136]);

/** Whether a packet towards the mobile node has everything that the selector asks for. */
export function selectorMatches(selector: FlowSelector, packet: FlowPacket): boolean {
  const later = (packet.fragment?.offset ?? 0) > 0;
  const ports = !later && PORTS.has(packet.protocol) ? (packet.ports ?? [0, 0]) : null;
  const behindAh = packet.family === 6 && (packet.extensions ?? []).includes(51);
  const hasSpi = (!later && (packet.protocol === 50 || packet.protocol === 51)) || behindAh;
  return (
    selector.family === packet.family &&
    addressIn(selector.source, packet.source) &&
    addressIn(selector.destination, packet.destination) &&
    within(selector.protocol, packet.protocol) &&
    within(selector.sourcePort, ports ? ports[0] : null) &&
    within(selector.destinationPort, ports ? ports[1] : null) &&
    within(selector.spi, hasSpi ? (packet.spi ?? 0) : null) &&
    within(selector.flowLabel, packet.family === 6 ? (packet.label ?? 0) : null) &&
    within(
      selector.trafficClass && {
        start: selector.trafficClass.start >> 2,
        end: selector.trafficClass.end >> 2,
      },
      packet.dscp ?? 0,
    )
  );
}

function within(range: Range<number> | undefined, value: number | null): boolean {
  return range === undefined || (value !== null && range.start <= value && value <= range.end);
}

function addressIn(range: Range<string> | undefined, address: string): boolean {
  if (!range) return true;
  const [start, value, end] = [range.start, address, range.end].map((text) =>
    Buffer.from(parseAddress(text).bytes).toString('hex'),
  ) as [string, string, string];
  return start <= value && value <= end;
}
