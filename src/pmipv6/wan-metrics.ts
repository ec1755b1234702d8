/**
 * WAN interface metrics in a Vendor Specific option (RFC 5094; RFC 8278 §1 names the use). Sub-type 1, 20 octets: BID,
 * presence bits, weight, uplink and downlink rate in kbit/s, latency in microseconds, loss in 1/1,000,000
 * (docs/wan-metrics.md).
 */
import type { WanMetrics } from './tunnel-session.ts';
import { OctetReader, OctetWriter } from './wire/octets.ts';
import type { QualityOfService } from './wire/option/quality-of-service.ts';
import type { VendorSpecific } from './wire/option/vendor-specific.ts';

const SUBTYPE_WAN_METRICS = 1;
const LENGTH = 20;
const WEIGHT = 0x80;
const UPLINK = 0x40;
const DOWNLINK = 0x20;
const LATENCY = 0x10;
const LOSS = 0x08;

/** Octets of the option; undefined if there is nothing to say. */
export function encodeWanMetrics(
  vendor: number,
  bid: number,
  metrics: WanMetrics,
): VendorSpecific | undefined {
  const present =
    (metrics.weight === undefined ? 0 : WEIGHT) |
    (metrics.uplinkRate === undefined ? 0 : UPLINK) |
    (metrics.downlinkRate === undefined ? 0 : DOWNLINK) |
    (metrics.latency === undefined ? 0 : LATENCY) |
    (metrics.loss === undefined ? 0 : LOSS);
  if (!present) return undefined;
  const writer = new OctetWriter();
  writer.u8(bid);
  writer.u8(present);
  writer.u16(metrics.weight ?? 0);
  writer.u32(Math.round((metrics.uplinkRate ?? 0) / 1000));
  writer.u32(Math.round((metrics.downlinkRate ?? 0) / 1000));
  writer.u32(Math.round(metrics.latency ?? 0));
  writer.u32(Math.round(metrics.loss ?? 0));
  return { option: 'vendor-specific', vendor, subtype: SUBTYPE_WAN_METRICS, data: writer.finish() };
}

/** The metrics of `bid` among options of our vendor; octets after the twentieth are for later versions and ignored. */
export function decodeWanMetrics(options: readonly VendorSpecific[], bid: number | undefined): WanMetrics {
  for (const { subtype, data } of options) {
    if (subtype !== SUBTYPE_WAN_METRICS || data.length < LENGTH) continue;
    const reader = new OctetReader(data);
    if (reader.u8() !== (bid ?? 1)) continue;
    const present = reader.u8();
    const weight = reader.u16();
    const [uplink, downlink, latency, loss] = [reader.u32(), reader.u32(), reader.u32(), reader.u32()];
    return {
      ...(present & WEIGHT ? { weight } : {}),
      ...(present & UPLINK ? { uplinkRate: uplink * 1000 } : {}),
      ...(present & DOWNLINK ? { downlinkRate: downlink * 1000 } : {}),
      ...(present & LATENCY ? { latency } : {}),
      ...(present & LOSS ? { loss } : {}),
    };
  }
  return {};
}

/** Rates of a Quality-of-Service option (RFC 7222): the session's or the aggregate maximum as a hint of capacity. */
export function metricsOfQos(qos: QualityOfService | undefined): WanMetrics {
  const rate = (...types: number[]): number | undefined => {
    for (const type of types) {
      for (const attribute of qos?.attributes ?? []) {
        if (attribute.attribute === 'rate' && attribute.type === type) return attribute.bitsPerSecond;
      }
    }
    return undefined;
  };
  const downlinkRate = rate(6, 3, 1);
  const uplinkRate = rate(7, 4, 2);
  return {
    ...(downlinkRate === undefined ? {} : { downlinkRate }),
    ...(uplinkRate === undefined ? {} : { uplinkRate }),
  };
}
