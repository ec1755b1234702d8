/**
 * Whether a path is up, degraded or down, with hysteresis as RFC 8157 has it: so many bad signs in a row take it away, so many good ones bring
 * it back. A path whose far end has never answered is unmeasured, and nothing is held against it. Pure: time is an argument.
 *
 *      first answer          `bad` signs in a row
 *   unmeasured ------> up ---------------------------> degraded
 *                     ^  | <---------------------------   |
 *   `recover` answers |  |       `good` signs in a row    |
 *                     |  +--> down <----------------------+   silent, or the interface is gone
 *                     +--------+
 */

export type HealthState = 'unmeasured' | 'up' | 'degraded' | 'down';

/** How paths are probed and judged (docs/probes.md). */
export interface HealthConfig {
  /** Microseconds from one probe of a path to the next. */
  readonly intervalUs: number;
  /**
   * The same while the session is idle and its paths are up, if it is longer. Below ALIVE of assembly/reorder/estimate.ts, so that an idle
   * path is not taken for silent when data begin. */
  readonly idleIntervalUs: number;
  /** Probes in a row without any sign of life that take a path down. */
  readonly silent: number;
  /** Answers in a row that bring it back. */
  readonly recover: number;
  /** Signs in a row that degrade a path, and that end it. */
  readonly bad: number;
  readonly good: number;
  /** Loss from which on a path is degraded, 0..1; half of it has to be undercut for it to be good again. */
  readonly lossLimit: number;
  /** Delay behind the fastest path from which on it is degraded, in microseconds. */
  readonly delayLimitUs: number;
  /** Microseconds until a path that comes back has its whole weight; 0: it has it at once. */
  readonly easeUs: number;
  /** Share of its weight with which it begins, 0..1. */
  readonly easeFrom: number;
}

export const HEALTH_DEFAULTS: HealthConfig = {
  intervalUs: 100_000,
  idleIntervalUs: 250_000,
  silent: 3,
  recover: 5,
  bad: 5,
  good: 30,
  lossLimit: 0.04,
  delayLimitUs: 100_000,
  easeUs: 3e6,
  easeFrom: 1 / 16,
};

/** Silence by chance should not happen more often than once in so many probes. */
const CHANCE = 1e-6;
const MOST_SILENT = 10;
/** While data of the far end come over the path, its silence may be that of its control thread alone. */
const HEARING = 3;
/** If no other path was heard of later either, it is the far end that pauses, or all is lost anyway. */
const ALL_SILENT = 10;
/** Beyond this much jitter we wait no longer. */
const MOST_PATIENCE_US = 1e6;

export class PathHealth {
  #config: HealthConfig;
  #state: HealthState = 'unmeasured';
  #reason = '';
  #heardUs = 0;
  #answers = 0;
  #badSigns = 0;
  #goodSigns = 0;
  /** Share of probes that stay without an answer, smoothed. */
  #probeLoss = 0;
  /** The same over four times as many, by which a path is judged. */
  #longLoss = 0;
  #linkUp = true;

  constructor(config: HealthConfig) {
    this.#config = config;
  }

  /** From now on by these limits; its state and what is counted stay. */
  configure(config: HealthConfig): void {
    this.#config = config;
  }

  get state(): HealthState {
    return this.#state;
  }

  /** Why it came into its state, for people. */
  get reason(): string {
    return this.#reason;
  }

  /** When there was last a sign that what we send arrives. */
  get heardUs(): number {
    return this.#heardUs;
  }

  /** Whether it is down, and the next answer is the first one since. */
  get isReturning(): boolean {
    return this.#state === 'down' && this.#answers === 0;
  }

  get probeLoss(): number {
    return this.#probeLoss;
  }

  /** A probe was answered. */
  answered(nowUs: number): void {
    this.#heardUs = nowUs;
    this.#probeLoss -= this.#probeLoss / 64;
    this.#longLoss -= this.#longLoss / 256;
    if (!this.#linkUp) return;
    if (this.#state === 'unmeasured') this.#become('up', 'answers');
    if (this.#state === 'down' && ++this.#answers >= this.#config.recover) {
      this.#become('up', `${this.#answers} answers in a row`);
    }
  }

  /** Something else shows that what we send arrives. */
  alive(nowUs: number): void {
    if (this.#state !== 'unmeasured' && this.#state !== 'down') this.#heardUs = nowUs;
  }

  /** Silence counts from now on. */
  listenAnew(nowUs: number): void {
    if (this.#heardUs) this.#heardUs = Math.max(this.#heardUs, nowUs);
  }

  /** We did not listen for so long. */
  excuse(us: number): void {
    this.#heardUs += us;
  }

  /** A probe stayed without an answer. */
  lost(): void {
    if (this.#state === 'unmeasured') return;
    this.#answers = 0;
    if (this.#state === 'down') return;
    this.#probeLoss += (1 - this.#probeLoss) / 64;
    this.#longLoss += (1 - this.#longLoss) / 256;
  }

  /** The interface or its address has gone, or come back: nothing to wait for. */
  setLink(up: boolean): void {
    if (this.#linkUp === up) return;
    this.#linkUp = up;
    this.#answers = 0;
    if (!up) this.#become('down', 'the interface is down');
    else if (!this.#heardUs) this.#become('unmeasured', 'the interface is up');
  }

  /** From when on silence is looked at, if there is no sign of life before; `intervalUs` as for checkSilence(). */
  suspectUs(intervalUs: number): number {
    if (this.#state === 'unmeasured' || this.#state === 'down') return Infinity;
    return this.#heardUs + this.#silentProbes() * intervalUs;
  }

  /**
   * To be called again and again from suspectUs() on, so that silence is noticed when it has lasted long enough: `intervalUs` is what it
   * is now, `hearing` whether data of the far end came in the last one, `variationUs` that of the round trip.
   */
  checkSilence(
    nowUs: number,
    intervalUs: number,
    hearing: boolean,
    othersHeard: boolean,
    variationUs: number,
  ): void {
    if (this.#state === 'unmeasured' || this.#state === 'down') return;
    const patience = Math.min(4 * variationUs, MOST_PATIENCE_US);
    const silence = nowUs - this.#heardUs;
    const allowed = this.#silentProbes() * intervalUs * (othersHeard ? (hearing ? HEARING : 1) : ALL_SILENT);
    if (silence > allowed + patience) {
      this.#become('down', `silent for ${Math.round(silence / 1000)} ms`);
    }
  }

  /** To be called once an interval; loss null and delay null: not known. */
  check(loss: number | null, delayBehindUs: number | null): void {
    if (this.#state === 'unmeasured' || this.#state === 'down') return;
    // A probe and its answer go two ways.
    this.#weigh(loss ?? this.#longLoss / 2, delayBehindUs ?? 0);
  }

  #weigh(loss: number, delayBehindUs: number): void {
    const { lossLimit, delayLimitUs, bad, good } = this.#config;
    const lossy = loss > lossLimit;
    const slow = delayBehindUs > delayLimitUs;
    const fine = loss < lossLimit / 2 && delayBehindUs < delayLimitUs * 0.8;
    this.#badSigns = lossy || slow ? this.#badSigns + 1 : 0;
    this.#goodSigns = fine ? this.#goodSigns + 1 : 0;
    if (this.#state === 'up' && this.#badSigns >= bad) {
      this.#become(
        'degraded',
        lossy
          ? `loses ${(loss * 100).toFixed(1)} % of packets`
          : `${Math.round(delayBehindUs / 1000)} ms behind the fastest path`,
      );
    } else if (this.#state === 'degraded' && this.#goodSigns >= good) {
      this.#become('up', `${good} good signs in a row`);
    }
  }

  /** Where probes get lost anyway, more of them in a row are needed to say that the path is silent. */
  #silentProbes(): number {
    const { silent } = this.#config;
    if (this.#probeLoss < 0.001) return silent;
    const wanted = Math.ceil(Math.log(CHANCE) / Math.log(this.#probeLoss));
    return Math.min(Math.max(wanted, silent), Math.max(MOST_SILENT, silent));
  }

  #become(state: HealthState, reason: string): void {
    if (this.#state === 'down') {
      // What was lost while it was down says nothing of what it is now.
      this.#probeLoss = 0;
      this.#longLoss = 0;
    }
    this.#state = state;
    this.#reason = reason;
    this.#answers = 0;
    this.#badSigns = 0;
    this.#goodSigns = 0;
  }
}
