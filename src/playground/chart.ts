/** Draws the last seconds as curves: what came over each link, stacked, what was delivered, and what waited in the resequencer. */
import type { Simulation } from '../sim/simulation.ts';
import { contextOf } from './canvas.ts';
import { COLOURS } from './picture.ts';

/** What had happened by a moment of virtual time: octets out of each link, octets delivered in order, packets that waited. */
interface Sample {
  readonly time: number;
  readonly links: readonly number[];
  readonly delivered: number;
  readonly held: number;
}

/** The width of the chart in seconds as one sees them pass. */
const SECONDS = 20;
/** Rates are means over so much virtual time. */
const MEAN_NS = 50e6;
const MARGIN = { left: 8, right: 8, top: 18 };
const RATES = 110;
const HELD = 56;

/** CSS pixels that the chart takes. */
export const CHART_HEIGHT = RATES + HELD;

export class Chart {
  #samples: Sample[] = [];

  /** To be called once a frame. `slower`: virtual time passes so many times slower than real time. */
  follow(simulation: Simulation, delivered: number, held: number, slower: number): void {
    const time = simulation.loop.now;
    if (time === this.#samples.at(-1)?.time) return;
    const links = simulation.sides.downlink.links.map(({ counters }) => counters.deliveredOctets);
    this.#samples.push({ time, links, delivered, held });
    const oldest = time - spanOf(slower) - MEAN_NS;
    const from = this.#samples.findIndex((sample) => sample.time >= oldest);
    this.#samples.splice(0, from - 1);
  }

  clear(): void {
    this.#samples = [];
  }

  draw(canvas: HTMLCanvasElement, slower: number): void {
    const width = canvas.clientWidth;
    const context = contextOf(canvas);
    const ink = getComputedStyle(canvas).color;
    const span = spanOf(slower);
    const points = ratesOf(this.#samples);
    const end = this.#samples.at(-1)?.time ?? 0;
    const x = (time: number): number =>
      MARGIN.left + (width - MARGIN.left - MARGIN.right) * (1 - (end - time) / span);
    const shown = points.filter(({ time }) => x(time) >= MARGIN.left);
    const most = niceAbove(Math.max(1, ...shown.map((point) => Math.max(point.total, point.delivered))));
    const deepest = niceAbove(Math.max(4, ...shown.map(({ held }) => held)));
    const rate = (mbits: number): number => RATES - 4 - ((RATES - MARGIN.top - 4) * mbits) / most;
    const depth = (packets: number): number =>
      CHART_HEIGHT - 4 - ((HELD - MARGIN.top - 4) * packets) / deepest;

    const area = (colour: string, lower: readonly number[], upper: readonly number[]): void => {
      context.fillStyle = colour;
      context.beginPath();
      shown.forEach(({ time }, i) => context.lineTo(x(time), upper[i]!));
      for (let i = shown.length - 1; i >= 0; i--) context.lineTo(x(shown[i]!.time), lower[i]!);
      context.fill();
    };
    let below = shown.map(() => rate(0));
    for (let link = 0; link < (shown[0]?.stacked.length ?? 0); link++) {
      const above = shown.map(({ stacked }) => rate(stacked[link]!));
      area(COLOURS[link]!, below, above);
      below = above;
    }
    context.strokeStyle = ink;
    context.lineWidth = 1.5;
    context.beginPath();
    for (const { time, delivered } of shown) context.lineTo(x(time), rate(delivered));
    context.stroke();
    const floor = shown.map(() => depth(0));
    area(
      '#9aa4af',
      floor,
      shown.map(({ held }) => depth(held)),
    );
    context.fillStyle = ink;
    const seconds = span >= 1e9 ? `${span / 1e9} s` : `${span / 1e6} ms`;
    context.fillText(`Mbit/s out of the links (areas) and delivered (line), 0 to ${most}`, MARGIN.left, 12);
    context.fillText(`packets in the resequencer, 0 to ${deepest}`, MARGIN.left, RATES + 12);
    context.textAlign = 'right';
    if (width > 560) context.fillText(`last ${seconds} of virtual time`, width - MARGIN.right, 12);
  }
}

interface Point {
  readonly time: number;
  /** Mbit/s of the links up to each. */
  readonly stacked: readonly number[];
  readonly total: number;
  readonly delivered: number;
  readonly held: number;
}

function spanOf(slower: number): number {
  return (SECONDS * 1e9) / slower;
}

/** Each sample against the one MEAN_NS before it. */
function ratesOf(samples: readonly Sample[]): Point[] {
  let before = 0;
  return samples.slice(1).map((sample) => {
    while (samples[before + 1]!.time <= sample.time - MEAN_NS) before++;
    const first = samples[before]!;
    const mbits = (octets: number): number => (octets * 8e3) / (sample.time - first.time);
    let total = 0;
    const stacked = sample.links.map((octets, link) => (total += mbits(octets - first.links[link]!)));
    const delivered = mbits(sample.delivered - first.delivered);
    return { time: sample.time, stacked, total, delivered, held: sample.held };
  });
}

/** The least round number that is not below `value`. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((nice) => nice >= value)!;
}
