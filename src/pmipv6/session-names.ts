/** Names of sessions in the data plane: the identity of the node as far as a name allows, with a number where others have it already. */

/** A session name has 64 letters at most: so many of the identity, a dot, and the number. */
const MOST_LETTERS = 56;
const LAST_NUMBER = 9_999_999;

/** The names that begin with the same letters. */
interface Family {
  names: number;
  last: number;
}

export class SessionNames {
  private readonly families = new Map<string, Family>();
  private readonly taken = new Map<string, string>();

  /** A name for a session of this node, which nobody else gets until release(). */
  take(node: string): string {
    const base = node.replace(/[^\w.@-]/g, '_').slice(0, MOST_LETTERS) || 'node';
    let family = this.families.get(base);
    if (!family) this.families.set(base, (family = { names: 0, last: 1 }));
    let name = base;
    while (this.taken.has(name)) {
      // Going on from the last one: thousands may share a base.
      family.last = family.last === LAST_NUMBER ? 2 : family.last + 1;
      name = `${base}.${family.last}`;
    }
    family.names++;
    this.taken.set(name, base);
    return name;
  }

  release(name: string): void {
    const base = this.taken.get(name);
    if (base === undefined) return;
    this.taken.delete(name);
    const family = this.families.get(base)!;
    family.names--;
    if (family.names === 0) this.families.delete(base);
  }
}
