/**
 * Figure 2 of RFC 8278 as it happens: a ladder of messages with times between mobile node, MAG and LMA, one line each, for a
 * terminal. Pure: signaling lines in, text out.
 */
import { styleText } from 'node:util';
import type { Column, SignalingLine } from './report.ts';

export interface LadderStyle {
  /** Columns of the terminal. */
  readonly width: number;
  readonly colour: boolean;
}

const LEAST_WIDTH = 80;
const MOST_WIDTH = 120;
/** Where the lifelines stand; the LMA's is at the right edge. */
const MN = 10;
const MAG = 38;
const BAR = '│';

export class Ladder {
  readonly #width: number;
  readonly #colour: boolean;

  constructor({ width, colour }: LadderStyle) {
    this.#width = Math.max(LEAST_WIDTH, Math.min(MOST_WIDTH, width));
    this.#colour = colour;
  }

  /** The names above the lifelines. */
  heading(): string {
    const names = [
      ['mobile node', MN],
      ['MAG', MAG],
      ['LMA', this.#lma - 2],
    ] as const;
    let line = '     time';
    for (const [name, at] of names) line = line.padEnd(at) + name;
    return this.#paint('bold', line);
  }

  line({ time, from, to, message, status, text }: SignalingLine): string {
    const stamp = `${time.toFixed(3).padStart(7)} s`.padEnd(MN);
    if (message === 'TUNNEL') return this.#tunnel(stamp, text);
    const left = Math.min(this.#at(from), this.#at(to));
    const label = `${message} ${text}`.trimEnd();
    const rejected = status !== null && status >= 128;
    const arrow = this.#arrow(label, this.#room(left), this.#at(from) > this.#at(to), rejected);
    const first = stamp + BAR;
    return left === MN
      ? `${first}${arrow}${BAR}${' '.repeat(this.#lma - MAG - 1)}${BAR}`
      : `${first}${' '.repeat(MAG - MN - 1)}${BAR}${arrow}${BAR}`;
  }

  get #lma(): number {
    return this.#width - 1;
  }

  #at(column: Column): number {
    return column === 'mn' ? MN : column === 'mag' ? MAG : this.#lma;
  }

  /** Between the lifeline at `left` and the next. */
  #room(left: number): number {
    return (left === MN ? MAG : this.#lma) - left - 1;
  }

  #arrow(label: string, room: number, backwards: boolean, rejected: boolean): string {
    const cut = fit(label, room - 4);
    const words = rejected ? this.#paint('red', cut) : this.#paint(wordStyle(cut), cut);
    const shaft = '─'.repeat(room - cut.length - 3);
    return backwards ? `◀ ${words} ${shaft}` : `─ ${words} ${shaft.slice(1)}▶`;
  }

  #tunnel(stamp: string, text: string): string {
    const room = this.#room(MAG);
    const cut = fit(text, room - 2);
    const rest = room - cut.length - 2;
    const before = '═'.repeat(Math.floor(rest / 2));
    const after = '═'.repeat(Math.ceil(rest / 2));
    const band = this.#paint('green', `╞${before} ${cut} ${after}╡`);
    return `${stamp}${BAR}${' '.repeat(MAG - MN - 1)}${band}`;
  }

  #paint(style: 'bold' | 'green' | 'cyan' | 'yellow' | 'red', text: string): string {
    return this.#colour ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** What a node hears in one colour, what gateways say to each other in another. */
function wordStyle(label: string): 'cyan' | 'yellow' {
  return label.startsWith('PB') ? 'cyan' : 'yellow';
}

function fit(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}
