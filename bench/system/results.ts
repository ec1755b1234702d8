/** Samples of all runs, their medians, and how these compare with bare veth: the content of the JSON file. */
import { cpus, release } from 'node:os';
import type { Profile } from './profile.ts';
import { METRICS, type MetricKey, type Sample } from './metric.ts';
import { BARE, type Scenario } from './scenario.ts';
import { type TargetResult, checkTargets } from './targets.ts';

export interface Figure {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly samples: readonly number[];
  /** Of bare veth's median in this run: quotient or difference, by the metric's kind; null if that is missing. */
  readonly toBare: number | null;
}

export interface ScenarioResult {
  readonly name: string;
  readonly kind: 'bare' | 'tunloom' | 'peer';
  readonly paths: number;
  readonly settings: string;
  readonly figures: Readonly<Partial<Record<MetricKey, Figure>>>;
  readonly notes: readonly string[];
  /** Runs that failed, by what they said. */
  readonly errors: readonly string[];
}

export interface BenchResult {
  readonly machine: {
    readonly kernel: string;
    readonly cpu: string;
    readonly cores: number;
    readonly node: string;
    /** Part of all cores that was busy with something else before the runs, the median of one look a run. */
    readonly otherLoad: number;
  };
  readonly runs: number;
  readonly seconds: number;
  readonly scenarios: readonly ScenarioResult[];
  readonly absent: readonly string[];
  readonly targets: readonly TargetResult[];
  /** With --perf. */
  readonly profiles: readonly Profile[];
}

/** Collects what the runs measure. */
export class Collection {
  readonly #samples = new Map<string, Sample[]>();
  readonly #errors = new Map<string, string[]>();
  readonly #profiles: Profile[] = [];
  readonly #otherLoads: number[] = [];

  add(scenario: string, sample: Sample): void {
    this.#samples.set(scenario, [...(this.#samples.get(scenario) ?? []), sample]);
  }

  addOtherLoad(part: number): void {
    this.#otherLoads.push(part);
  }

  addProfiles(profiles: readonly Profile[]): void {
    this.#profiles.push(...profiles);
  }

  fail(scenario: string, error: string): void {
    this.#errors.set(scenario, [...(this.#errors.get(scenario) ?? []), error]);
  }

  /** Everything so far. */
  result(
    scenarios: readonly Scenario[],
    absent: readonly string[],
    options: { readonly runs: number; readonly seconds: number },
  ): BenchResult {
    const bare = new Map<MetricKey, number>();
    for (const { key } of METRICS) {
      const values = this.#values(BARE, key);
      if (values.length) bare.set(key, median(values));
    }
    const results = scenarios.map(({ name, kind, paths, settings }) => ({
      ...{ name, kind, paths, settings },
      figures: this.#figures(name, bare),
      notes: [...new Set(this.#samples.get(name)?.flatMap((sample) => sample.notes))],
      errors: [...new Set(this.#errors.get(name))],
    }));
    return {
      machine: {
        kernel: release(),
        cpu: cpus()[0]?.model ?? 'unknown',
        cores: cpus().length,
        node: process.version,
        otherLoad: this.#otherLoads.length ? median(this.#otherLoads) : 0,
      },
      runs: options.runs,
      seconds: options.seconds,
      scenarios: results,
      absent,
      targets: checkTargets(results, absent),
      profiles: this.#profiles,
    };
  }

  #values(scenario: string, key: MetricKey): number[] {
    const samples = this.#samples.get(scenario) ?? [];
    return samples.map((sample) => sample.values[key]).filter((value) => value !== undefined);
  }

  #figures(scenario: string, bare: ReadonlyMap<MetricKey, number>): Partial<Record<MetricKey, Figure>> {
    const figures: Partial<Record<MetricKey, Figure>> = {};
    for (const { key, compare } of METRICS) {
      const samples = this.#values(scenario, key);
      if (!samples.length) continue;
      const middle = median(samples);
      const limit = bare.get(key);
      const toBare = limit === undefined ? null : compare === 'ratio' ? middle / limit : middle - limit;
      figures[key] = {
        ...{ median: middle, samples, toBare },
        least: Math.min(...samples),
        most: Math.max(...samples),
      };
    }
    return figures;
  }
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
