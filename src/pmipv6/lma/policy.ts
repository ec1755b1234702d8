/** Who may register whom (RFC 5213 §5.3.1, §6.2). */
import { parseAddress, parsePrefix, prefixContains, type Prefix } from '../../ip.ts';
import { NodePatterns } from '../node-patterns.ts';
import type { LmaConfig, NodeProfile } from './config.ts';

/** Compiled once from the configuration. */
export class Policy {
  private readonly mags: readonly { prefix: Prefix; identity: string | null }[];
  private readonly profiles: NodePatterns<NodeProfile>;
  private readonly profileMags = new Map<NodeProfile, Speakers>();

  constructor(config: LmaConfig) {
    this.mags = config.mags.map(({ prefix, identity }) => ({ prefix: parsePrefix(prefix), identity }));
    this.profiles = new NodePatterns(config.nodes);
    for (const profile of config.nodes) {
      const identities = profile.mags.filter(isMagIdentity);
      const prefixes = profile.mags.filter((mag) => !isMagIdentity(mag)).map(parsePrefix);
      this.profileMags.set(profile, { prefixes, identities });
    }
  }

  /** Whether the address, with this MAG Identifier if one is given, belongs to a trusted MAG. */
  trusts(address: string, identity: string | null = null): boolean {
    const { bytes } = parseAddress(address);
    return this.mags.some(
      (mag) =>
        prefixContains(mag.prefix, bytes) &&
        (mag.identity === null || identity === null || mag.identity === identity),
    );
  }

  /** The node's profile: an exact identity goes before a pattern, an earlier pattern before a later one. */
  profile(identity: string): NodeProfile | undefined {
    return this.profiles.find(identity);
  }

  /** Whether this MAG, whose MAG Identifier is `identity` as far as known, may register nodes of the profile. */
  maySpeakFor(address: string, identity: string | null, profile: NodeProfile): boolean {
    const { prefixes, identities } = this.profileMags.get(profile)!;
    if (!prefixes.length && !identities.length) return true;
    if (identity !== null && identities.includes(identity)) return true;
    const { bytes } = parseAddress(address);
    return prefixes.some((prefix) => prefixContains(prefix, bytes));
  }
}

/** Who may register a node. */
interface Speakers {
  readonly prefixes: readonly Prefix[];
  readonly identities: readonly string[];
}

/** MAG Identifiers are NAIs (RFC 8278 §4.2, RFC 7542), addresses never hold an at sign. */
export function isMagIdentity(text: string): boolean {
  return text.includes('@');
}
