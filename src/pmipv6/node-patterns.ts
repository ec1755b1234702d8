/** Profiles by the identity of a node: of itself, or of a pattern with one star such as *@example.org. */

/** An exact identity goes before a pattern, an earlier pattern before a later one. */
export class NodePatterns<P extends { readonly identity: string }> {
  private readonly exact = new Map<string, P>();
  private readonly patterns: { readonly test: RegExp; readonly profile: P }[] = [];

  constructor(profiles: readonly P[]) {
    for (const profile of profiles) {
      const { identity } = profile;
      if (identity.includes('*')) {
        const test = new RegExp(`^${identity.split('*').map(escaped).join('.*')}$`, 's');
        this.patterns.push({ test, profile });
      } else if (!this.exact.has(identity)) {
        this.exact.set(identity, profile);
      }
    }
  }

  find(identity: string): P | undefined {
    return this.exact.get(identity) ?? this.patterns.find(({ test }) => test.test(identity))?.profile;
  }
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
