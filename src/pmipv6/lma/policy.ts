/** Who may register whom (RFC 5213 §5.3.1, §6.2). */
import { parseAddress, parsePrefix, type Prefix } from '../../ip.ts';
import type { LmaConfig, NodeProfile } from './config.ts';
import { contains } from './prefix-pool.ts';

/** Compiled once from the configuration. */
export class Policy {
  private readonly mags: readonly { prefix: Prefix; identity: string | null }[];
  private readonly exact = new Map<string, NodeProfile>();
  private readonly patterns: { test: RegExp; profile: NodeProfile }[] = [];
  private readonly profileMags = new Map<NodeProfile, readonly Prefix[]>();

  constructor(config: LmaConfig) {
    this.mags = config.mags.map(({ prefix, identity }) => ({ prefix: parsePrefix(prefix), identity }));
    for (const profile of config.nodes) {
      this.profileMags.set(profile, profile.mags.map(parsePrefix));
      if (profile.identity.includes('*')) {
        const test = new RegExp(`^${profile.identity.split('*').map(escaped).join('.*')}$`, 's');
        this.patterns.push({ test, profile });
      } else if (!this.exact.has(profile.identity)) {
        this.exact.set(profile.identity, profile);
      }
    }
  }

  /** Whether the address, with this MAG Identifier if one is given, belongs to a trusted MAG. */
  trusts(address: string, identity?: string): boolean {
    const host = hostOf(address);
    return this.mags.some(
      (mag) =>
        contains(mag.prefix, host) &&
        (mag.identity === null || identity === undefined || mag.identity === identity),
    );
  }

  /** The node's profile: an exact identity goes before a pattern, an earlier pattern before a later one. */
  profile(identity: string): NodeProfile | undefined {
    return this.exact.get(identity) ?? this.patterns.find(({ test }) => test.test(identity))?.profile;
  }

  /** Whether this MAG may register nodes of the profile. */
  maySpeakFor(address: string, profile: NodeProfile): boolean {
    const prefixes = this.profileMags.get(profile)!;
    return prefixes.length === 0 || prefixes.some((prefix) => contains(prefix, hostOf(address)));
  }
}

function hostOf(address: string): Prefix {
  const parsed = parseAddress(address);
  return { ...parsed, length: parsed.bytes.length * 8 };
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
