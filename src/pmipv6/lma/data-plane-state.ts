/** What the data plane has of a session, to tell whether a PBU has changed it. Most only extend a lifetime, so little may be made for that. */
import type { FlowBinding } from '../flow-binding.ts';
import type { WanMetrics } from '../tunnel-session.ts';
import type { Binding, Session } from './binding-cache.ts';

/** Of a session, and of the one binding that a PBU may change without taking it out. */
export class DataPlaneState {
  private readonly gre: Session['gre'];
  private readonly homeAddress: string | null;
  private readonly prefixes: number;
  private readonly delegated: readonly string[];
  private readonly flows: ReadonlyMap<number, FlowBinding>;
  private readonly bindings: number;
  private readonly binding: PathState | null;

  constructor({ gre, homeAddress, prefixes, delegated, flows, bindings }: Session, bid: number) {
    const binding = bindings.get(bid);
    this.gre = gre;
    this.homeAddress = homeAddress;
    this.prefixes = prefixes.length;
    this.delegated = delegated;
    this.flows = flows;
    this.bindings = bindings.size;
    this.binding = binding ? new PathState(binding) : null;
  }

  /** Whether it is another one now; bindings that were taken out and replaced by as many are for the caller to know. */
  isOutdated({ gre, homeAddress, prefixes, delegated, flows, bindings }: Session, binding: Binding): boolean {
    return (
      gre !== this.gre ||
      homeAddress !== this.homeAddress ||
      prefixes.length !== this.prefixes ||
      bindings.size !== this.bindings ||
      this.binding === null ||
      this.binding.isOutdated(binding) ||
      !sameTexts(delegated, this.delegated) ||
      !sameFlows(flows, this.flows)
    );
  }
}

class PathState {
  private readonly careOf: string;
  private readonly local: string;
  private readonly encapsulation: string;
  private readonly label: number | null;
  private readonly technology: number;
  private readonly metrics: WanMetrics;

  constructor({ careOf, local, encapsulation, label, technology, metrics }: Binding) {
    this.careOf = careOf.address;
    this.local = local.address;
    this.encapsulation = encapsulation;
    this.label = label;
    this.technology = technology;
    this.metrics = metrics;
  }

  isOutdated({ careOf, local, encapsulation, label, technology, metrics }: Binding): boolean {
    const before = this.metrics;
    return (
      careOf.address !== this.careOf ||
      local.address !== this.local ||
      encapsulation !== this.encapsulation ||
      label !== this.label ||
      technology !== this.technology ||
      metrics.weight !== before.weight ||
      metrics.uplinkRate !== before.uplinkRate ||
      metrics.downlinkRate !== before.downlinkRate ||
      metrics.latency !== before.latency ||
      metrics.loss !== before.loss
    );
  }
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((text, i) => text === b[i]));
}

function sameFlows(a: ReadonlyMap<number, FlowBinding>, b: ReadonlyMap<number, FlowBinding>): boolean {
  if (a === b || (a.size === 0 && b.size === 0)) return true;
  return JSON.stringify([...a.values()]) === JSON.stringify([...b.values()]);
}
