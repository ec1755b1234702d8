/**
 * The browser playground: the simulator with the real WebAssembly module in slow motion. build.ts makes one HTML page of this, in
 * which HOT_PATH is the module in base64. Sliders change links while packets travel; another scheduler starts anew.
 */
import { SCHEDULERS, type SchedulerName } from '../dataplane/distribution-spec.ts';
import { LINK_DEFAULTS, type LinkSpec } from '../emulator/model/link.ts';
import { Simulation } from '../sim/simulation.ts';
import type { SimSpec, TrafficSpec } from '../sim/spec.ts';

declare const HOT_PATH: string;

interface Controls {
  readonly rate: HTMLInputElement;
  readonly delay: HTMLInputElement;
  readonly loss: HTMLInputElement;
}

const PATHS = [
  { name: 'DSL', rate: 16, delay: 12 },
  { name: 'LTE', rate: 30, delay: 40 },
  { name: 'Wi-Fi', rate: 24, delay: 6 },
];
const COLOURS = ['#0072b2', '#d55e00', '#009e73'];
const HOUR = 3600e9;
const WINDOW_MS = 1000;

const module = new WebAssembly.Module(Uint8Array.from(atob(HOT_PATH), (letter) => letter.charCodeAt(0)));

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const scheduler = element<HTMLSelectElement>('scheduler');
const traffic = element<HTMLSelectElement>('traffic');
const speed = element<HTMLInputElement>('speed');
const canvas = element<HTMLCanvasElement>('picture');
const figures = element<HTMLElement>('figures');
const controls = PATHS.map((path) => addControls(path));

let simulation = start();
let last = performance.now();
/** Octets delivered at moments of virtual time, for the goodput of the last second. */
let history: { time: number; delivered: number }[] = [];

for (const name of SCHEDULERS.filter((other) => other !== 'custom')) scheduler.append(new Option(name, name));
for (const choice of [scheduler, traffic]) {
  choice.addEventListener('change', () => {
    simulation = start();
    history = [];
  });
}
requestAnimationFrame(step);

function addControls({ name, rate, delay }: (typeof PATHS)[number]): Controls {
  const box = document.createElement('fieldset');
  box.append(Object.assign(document.createElement('legend'), { textContent: name }));
  const slider = (
    label: string,
    unit: string,
    max: number,
    stepSize: number,
    value: number,
  ): HTMLInputElement => {
    const input = Object.assign(document.createElement('input'), {
      type: 'range',
      min: String(stepSize),
      max: String(max),
      step: String(stepSize),
      value: String(value),
    });
    if (label === 'loss') Object.assign(input, { min: '0', value: '0' });
    const shown = document.createElement('output');
    const show = (): void => {
      shown.textContent = `${input.value} ${unit}`;
    };
    input.addEventListener('input', () => {
      show();
      applyLinks();
    });
    show();
    const line = document.createElement('label');
    line.append(label, input, shown);
    box.append(line);
    return input;
  };
  element('links').append(box);
  return {
    rate: slider('rate', 'Mbit/s', 100, 1, rate),
    delay: slider('delay', 'ms', 300, 1, delay),
    loss: slider('loss', '%', 10, 0.1, 0),
  };
}

function linkOf({ rate, delay, loss }: Controls): LinkSpec {
  const bits = Number(rate.value) * 1e6;
  const probability = Number(loss.value) / 100;
  return {
    ...LINK_DEFAULTS,
    rate: bits,
    delay: Number(delay.value) * 1000,
    loss: probability ? { model: 'random', probability } : { model: 'none' },
    limit: Math.max(64 << 10, bits / 80),
  };
}

function applyLinks(): void {
  controls.forEach((control, i) => {
    const { uplink, downlink } = simulation.sides;
    for (const { links } of [uplink, downlink]) links[i]!.change(simulation.loop.now, linkOf(control));
  });
}

function start(): Simulation {
  const kind = traffic.value;
  const base = { name: kind, direction: 'downlink', start: 0, stop: HOUR, flows: 1, tos: 0 } as const;
  const source: TrafficSpec =
    kind === 'stream'
      ? { ...base, model: 'poisson', rate: 30e6, packet: 1400 }
      : { ...base, model: 'tcp', congestion: kind === 'bbr' ? 'bbr' : 'cubic', octets: null };
  const spec: SimSpec = {
    name: 'playground',
    duration: HOUR,
    paths: PATHS.map(({ name }, i) => ({
      bid: i + 1,
      name,
      weight: 1,
      uplink: linkOf(controls[i]!),
      downlink: linkOf(controls[i]!),
    })),
    traffic: [source],
    events: [],
    resequencer: { window: 2048, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
    detection: 0.5e9,
    probeInterval: 0.1e9,
    oracle: false,
    batch: 20_000,
  };
  const name = (scheduler.value || 'weighted') as SchedulerName;
  return new Simulation(module, { spec, seed: 1, distribution: { scheduler: name } });
}

function step(now: number): void {
  const passed = Math.min(now - last, 100);
  last = now;
  simulation.loop.run(simulation.loop.now + Math.round((passed * 1e6) / Number(speed.value)));
  draw();
  report();
  requestAnimationFrame(step);
}

function draw(): void {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext('2d')!;
  context.scale(ratio, ratio);
  const ink = getComputedStyle(canvas).color;
  context.font = '12px system-ui';
  const { links } = simulation.sides.downlink;
  const left = 62;
  const right = width - 62;
  links.forEach((link, i) => {
    const y = (height * (i + 0.5)) / links.length;
    const now = simulation.loop.now;
    context.strokeStyle = ink;
    context.globalAlpha = 0.25;
    context.strokeRect(left, y - 9, right - left, 18);
    context.globalAlpha = 1;
    context.fillStyle = ink;
    context.fillText(PATHS[i]!.name, left, y - 14);
    context.fillStyle = COLOURS[i]!;
    let waiting = 0;
    for (const position of link.positions(now)) {
      if (position < 0) waiting++;
      else context.fillRect(left + position * (right - left) - 2, y - 6, 4, 12);
    }
    const bar = Math.min(left - 8, waiting / 4);
    context.fillRect(left - 4 - bar, y - 9, bar, 18);
  });
  const held = Math.min(height - 8, simulation.mag.held);
  context.fillStyle = '#cc79a7';
  context.fillRect(right + 14, height - 4 - held, 30, held);
}

function report(): void {
  const { now } = simulation.loop;
  const delivered = simulation.flows[0]!.flow.result().octets;
  history.push({ time: now, delivered });
  while (history.length > 2 && now - history[0]!.time > WINDOW_MS * 1e6) history.shift();
  const first = history[0]!;
  const goodput = now > first.time ? ((delivered - first.delivered) * 8e3) / (now - first.time) : 0;
  const { links, shares } = simulation.sides.downlink;
  const total = shares.counts.reduce((sum, count) => sum + count, 0) || 1;
  const { resequencer } = simulation.mag;
  const lines: [string, string][] = [
    ['virtual time', `${(now / 1e9).toFixed(2)} s`],
    ['goodput', `${goodput.toFixed(1)} Mbit/s`],
    ['shares', shares.counts.map((count) => `${((100 * count) / total).toFixed(0)} %`).join(' · ')],
    ['queues', links.map((link) => `${(link.queued(now) / 1000).toFixed(0)} kB`).join(' · ')],
    ['in the resequencer', String(simulation.mag.held)],
    ['put back in order', String(resequencer.reordered)],
    [
      'given up (proof, time, window)',
      `${resequencer.lostProven}, ${resequencer.lostTimeout}, ${resequencer.lostWindow}`,
    ],
    ['retransmits', String(simulation.flows[0]!.flow.result().retransmits)],
  ];
  figures.replaceChildren(
    ...lines.flatMap(([name, value]) => [
      Object.assign(document.createElement('dt'), { textContent: name }),
      Object.assign(document.createElement('dd'), { textContent: value }),
    ]),
  );
}
