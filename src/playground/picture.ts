/** Draws links with the packets on them, and below what came out of them, what waits to be put in order, and what has left in order. */
import { contextOf } from './canvas.ts';
import type { LanePacket, Observer, SeenPacket } from './observer.ts';

/** Okabe and Ito's, which colour-blind people tell apart; black letters can be read on all of them. */
export const COLOURS = ['#56b4e9', '#e69f00', '#009e73'];
const UNKNOWN = '#9aa4af';
const BOX = { width: 24, height: 18, step: 27 };
const LANE = 46;
const ROW = 52;
const MARGIN = 8;
/** Room on the left of the links for what waits for the transmitter. */
const QUEUE = 78;

export interface Scene {
  readonly names: readonly string[];
  readonly lanes: readonly (readonly LanePacket[])[];
  /** Octets that wait for each transmitter. */
  readonly queued: readonly number[];
  readonly observer: Observer;
  readonly resequencing: boolean;
}

/** CSS pixels that the picture of so many links takes. */
export function pictureHeight(links: number): number {
  return links * LANE + 3 * ROW + 2 * MARGIN;
}

export function draw(canvas: HTMLCanvasElement, scene: Scene): void {
  const context = contextOf(canvas);
  context.textBaseline = 'middle';
  const pen = new Pen(context, getComputedStyle(canvas).color, canvas.clientWidth);
  scene.lanes.forEach((packets, i) => drawLane(pen, scene, packets, i));
  const { observer, resequencing } = scene;
  const rows = MARGIN + scene.lanes.length * LANE;
  drawRow(pen, rows, 'out of the links, as they come', observer.arrived, true);
  drawHeld(pen, rows + ROW, observer, resequencing);
  const title = resequencing ? 'delivered, in order' : 'delivered, as they come';
  drawRow(pen, rows + 2 * ROW, title, observer.delivered, !resequencing);
}

class Pen {
  readonly context: CanvasRenderingContext2D;
  readonly ink: string;
  readonly width: number;

  constructor(context: CanvasRenderingContext2D, ink: string, width: number) {
    this.context = context;
    this.ink = ink;
    this.width = width;
  }

  text(text: string, x: number, y: number): void {
    this.context.fillStyle = this.ink;
    this.context.textAlign = 'left';
    this.context.fillText(text, x, y);
  }

  frame(x: number, y: number, width: number, height: number): void {
    this.context.strokeStyle = this.ink;
    this.context.globalAlpha = 0.35;
    this.context.strokeRect(x, y, width, height);
    this.context.globalAlpha = 1;
  }

  /** `late`: others with higher numbers came before it. */
  packet(x: number, y: number, { number, path }: SeenPacket, late = false): void {
    const { context } = this;
    context.fillStyle = COLOURS[path] ?? UNKNOWN;
    context.fillRect(x, y, BOX.width, BOX.height);
    if (late) {
      context.strokeStyle = this.ink;
      context.lineWidth = 2;
      context.strokeRect(x, y, BOX.width, BOX.height);
      context.lineWidth = 1;
    }
    context.fillStyle = '#000';
    context.textAlign = 'center';
    context.fillText(String(number % 1000), x + BOX.width / 2, y + BOX.height / 2 + 1);
  }
}

function drawLane(pen: Pen, { names, queued }: Scene, packets: readonly LanePacket[], path: number): void {
  const { context, width } = pen;
  const y = MARGIN + path * LANE + 16;
  const from = MARGIN + QUEUE;
  const length = width - from - MARGIN;
  pen.text(names[path]!, from, y - 8);
  pen.frame(from, y, length, BOX.height + 4);
  const moving = packets.filter(({ position }) => position >= 0).sort((a, b) => b.position - a.position);
  let free = Infinity;
  for (const { number, position } of moving) {
    const x = from + position * (length - BOX.width);
    if (x + BOX.width <= free) {
      pen.packet(x, y + 2, { number, path });
      free = x;
    } else {
      // No room for its number.
      context.fillStyle = COLOURS[path]!;
      context.fillRect(x, y + 2, 3, BOX.height);
    }
  }
  const waiting = packets.length - moving.length;
  if (!waiting) return;
  const bar = Math.min(QUEUE - 4, 3 * waiting);
  context.fillStyle = COLOURS[path]!;
  context.fillRect(from - 2 - bar, y + 2, bar, BOX.height);
  pen.text(`${(queued[path]! / 1000).toFixed(0)} kB wait`, MARGIN, y - 8);
}

/** The last packets, the newest on the right. */
function drawRow(
  pen: Pen,
  y: number,
  title: string,
  packets: readonly SeenPacket[],
  markLate: boolean,
): void {
  pen.text(title, MARGIN, y + 10);
  const room = Math.floor((pen.width - 2 * MARGIN) / BOX.step);
  let highest = -1;
  const late = packets.map(({ number }) => {
    const isLate = number < highest;
    highest = Math.max(highest, number);
    return isLate && markLate;
  });
  const from = Math.max(0, packets.length - room);
  packets.slice(from).forEach((packet, i) => {
    pen.packet(MARGIN + i * BOX.step, y + 22, packet, late[from + i]);
  });
}

/** What waits, and dashed the first that it waits for. */
function drawHeld(pen: Pen, y: number, { held, next }: Observer, resequencing: boolean): void {
  const { context } = pen;
  if (!resequencing) {
    pen.text('no resequencer: nothing waits', MARGIN, y + 10);
    return;
  }
  const count = held.length
    ? `${held.length} in the resequencer, which waits for ${next % 1000}`
    : 'the resequencer is empty';
  pen.text(count, MARGIN, y + 10);
  if (!held.length) return;
  context.strokeStyle = pen.ink;
  context.setLineDash([3, 3]);
  context.strokeRect(MARGIN, y + 22, BOX.width, BOX.height);
  context.setLineDash([]);
  context.fillStyle = pen.ink;
  context.textAlign = 'center';
  context.fillText(String(next % 1000), MARGIN + BOX.width / 2, y + 22 + BOX.height / 2 + 1);
  const room = Math.floor((pen.width - 2 * MARGIN) / BOX.step) - 1;
  held.slice(0, room).forEach((packet, i) => {
    pen.packet(MARGIN + (i + 1) * BOX.step, y + 22, packet);
  });
}
