/** Encapsulation and GRE keys of a registration (RFC 5844 §4, RFC 5845 §3 and §7). */
import type { TunnelEncapsulation } from '../tunnel-session.ts';
import { SIGNALING_PORT, Status } from '../wire/numbers.ts';
import type { Session } from './binding-cache.ts';
import type { Rejection } from './checks.ts';
import type { LmaConfig } from './config.ts';
import type { Request } from './request.ts';

export class TunnelAgreement {
  config: LmaConfig;
  private readonly uplinkKeys = new Set<number>();

  constructor(config: LmaConfig) {
    this.config = config;
  }

  /** The session's uplink key is free again. */
  release({ gre }: Session): void {
    if (gre && gre.uplinkKey !== null) this.uplinkKeys.delete(gre.uplinkKey);
  }

  encapsulation(request: Request): Rejection | { readonly encapsulation: TunnelEncapsulation } {
    const { from, greKey, forceUdp, tlv } = request;
    const { config } = this;
    if (config.gre === 'required' && !greKey) {
      return { status: Status.GRE_KEY_OPTION_REQUIRED, why: 'GRE key is required' };
    }
    if (forceUdp && !config.acceptForcedUdp) {
      return { status: Status.ADMINISTRATIVELY_PROHIBITED, why: 'forced UDP encapsulation is not accepted' };
    }
    // A NAT has changed the port, or the MAG knows of one.
    const udp = from.port !== null && (forceUdp || from.port !== SIGNALING_PORT);
    const gre = greKey !== undefined && config.gre !== 'off';
    if (!udp) return { encapsulation: gre ? 'gre' : 'ipip' };
    // GRE over UDP needs the TLV header (RFC 5845 §7.2); if it was asked for but is off here: status 3, no UDP.
    if (gre && tlv) return { encapsulation: config.tlv ? 'udp-gre' : 'gre' };
    return { encapsulation: 'udp' };
  }

  private newUplinkKey(): number {
    for (;;) {
      const key = this.config.randomKey() >>> 0;
      if (key !== 0 && !this.uplinkKeys.has(key)) {
        this.uplinkKeys.add(key);
        return key;
      }
    }
  }

  /** Keys belong to the session: one sequence space spans all its paths. True if they changed. */
  agreeOnGre(
    session: Session,
    request: Request,
    encapsulation: TunnelEncapsulation,
    moved: boolean,
  ): boolean {
    const usesGre = encapsulation === 'gre' || encapsulation === 'udp-gre';
    const before = session.gre;
    if (!usesGre) {
      const others = [...session.bindings.values()].some(
        (binding) => binding.encapsulation === 'gre' || binding.encapsulation === 'udp-gre',
      );
      if (!before || (others && !moved)) return false;
      if (before.uplinkKey !== null) this.uplinkKeys.delete(before.uplinkKey);
      session.gre = null;
      return true;
    }
    const downlinkKey = request.greKey?.key ?? null;
    if (before && before.downlinkKey === downlinkKey) return false;
    session.gre = {
      downlinkKey,
      // The same uplink key for the session's life (RFC 5845 §3.3).
      uplinkKey: downlinkKey === null ? null : (before?.uplinkKey ?? this.newUplinkKey()),
    };
    return true;
  }
}
