/**
 * Seeded random numbers: sfc32 (Chris Doty-Humphrey, PractRand), one independent stream for each link and each source, so that
 * changing one of them does not disturb the draws of the others. Same seed, same draws, in every run and on every machine.
 */

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** `stream` names what draws, such as `link 1 down`. */
  constructor(seed: number, stream = '') {
    let hash = 0x811c9dc5 ^ seed;
    for (let i = 0; i < stream.length; i++) hash = Math.imul(hash ^ stream.charCodeAt(i), 0x01000193);
    this.#a = seed | 0;
    this.#b = hash | 0;
    this.#c = Math.imul(hash ^ (seed >>> 16), 0x9e3779b1) | 0;
    for (let i = 0; i < 16; i++) this.word();
  }

  /** 32 random bits, unsigned. */
  word(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** At least 0, below 1. */
  fraction(): number {
    return this.word() / 0x1_0000_0000;
  }

  /** Exponentially distributed. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.fraction());
  }
}
