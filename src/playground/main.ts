/**
 * The browser playground: the simulator with the real WebAssembly module in slow motion. build.ts makes one HTML page of this, in
 * which HOT_PATH is the module in base64. Sliders change links while packets travel; another scheduler starts anew.
 */
import { SCHEDULERS, type SchedulerName } from '../dataplane/distribution-spec.ts';
import { LINK_DEFAULTS, type LinkSpec } from '../emulator/model/link.ts';
import { Simulation } from '../sim/simulation.ts';
import type { SimSpec, TrafficSpec } from '../sim/spec.ts';
import { SESSION } from '../sim/tunnel-session.ts';
import { Observer } from './observer.ts';
import { draw, pictureHeight } from './picture.ts';

declare const HOT_PATH: string;

interface Controls {
  readonly weight: HTMLInputElement;
  readonly rate: HTMLInputElement;
  readonly delay: HTMLInputElement;
  readonly loss: HTMLInputElement;
}

const PATHS = [
  { name: 'DSL', rate: 16, delay: 12 },
  { name: 'LTE', rate: 30, delay: 30 },
  { name: 'Wi-Fi', rate: 24, delay: 6 },
];
const HOUR = 3600e9;
/** Bits a second: so few packets that each can be seen. */
const STREAM = 8e6;
const WINDOW_MS = 1000;

const module = new WebAssembly.Module(Uint8Array.from(atob(HOT_PATH), (letter) => letter.charCodeAt(0)));

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const scheduler = element<HTMLSelectElement>('scheduler');
const traffic = element<HTMLSelectElement>('traffic');
const speed = element<HTMLInputElement>('speed');
const resequencing = element<HTMLInputElement>('resequencing');
const pause = element<HTMLButtonElement>('pause');
const canvas = element<HTMLCanvasElement>('picture');
canvas.style.height = `${pictureHeight(PATHS.length)}px`;
const figures = element<HTMLElement>('figures');
const controls = PATHS.map((path) => addControls(path));

let simulation = start();
let observer = new Observer(simulation);
let paused = false;
setPaused(matchMedia('(prefers-reduced-motion: reduce)').matches);
let last = performance.now();
/** Octets delivered at moments of virtual time, for the goodput of the last second. */
let history: { time: number; delivered: number }[] = [];

for (const name of SCHEDULERS.filter((other) => other !== 'custom')) scheduler.append(new Option(name, name));
for (const choice of [scheduler, traffic, resequencing]) choice.addEventListener('change', restart);
element('restart').addEventListener('click', restart);
pause.addEventListener('click', () => setPaused(!paused));
requestAnimationFrame(step);

function restart(): void {
  simulation = start();
  observer = new Observer(simulation);
  history = [];
}

function setPaused(value: boolean): void {
  paused = value;
  pause.textContent = paused ? 'go on' : 'pause';
}

function addControls({ name, rate, delay }: (typeof PATHS)[number]): Controls {
  const box = document.createElement('fieldset');
  box.append(Object.assign(document.createElement('legend'), { textContent: name }));
  const slider = (
    label: string,
    unit: string,
    max: number,
    stepSize: number,
    value: number,
    apply = applyLinks,
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
      shown.textContent = `${input.value} ${unit}`.trim();
    };
    input.addEventListener('input', () => {
      show();
      apply();
    });
    show();
    const line = document.createElement('label');
    line.append(label, input, shown);
    box.append(line);
    return input;
  };
  element('links').append(box);
  return {
    weight: slider('weight', '', 5, 1, 1, applyWeights),
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

function applyWeights(): void {
  const weights = new Map(controls.map(({ weight }, i) => [i + 1, Number(weight.value)]));
  for (const end of [simulation.mag, simulation.lma])
    end.change((sessions) => sessions.setWeights(SESSION, weights));
}

function start(): Simulation {
  const kind = traffic.value;
  const base = { name: kind, direction: 'downlink', start: 0, stop: HOUR, flows: 1, tos: 0 } as const;
  const source: TrafficSpec =
    kind === 'stream'
      ? { ...base, model: 'constant', rate: STREAM, packet: 1400 }
      : { ...base, model: 'tcp', congestion: kind === 'bbr' ? 'bbr' : 'cubic', octets: null };
  const spec: SimSpec = {
    name: 'playground',
    duration: HOUR,
    paths: PATHS.map(({ name }, i) => ({
      bid: i + 1,
      name,
      weight: Number(controls[i]!.weight.value),
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
  const sequence = resequencing.checked ? 'auto' : 'never';
  return new Simulation(module, { spec, seed: 1, distribution: { scheduler: name, sequence } });
}

function step(now: number): void {
  const passed = Math.min(now - last, 100);
  last = now;
  if (!paused) simulation.loop.run(simulation.loop.now + Math.round((passed * 1e6) / Number(speed.value)));
  const lanes = observer.lanes();
  observer.follow();
  const { links } = simulation.sides.downlink;
  draw(canvas, {
    names: PATHS.map(({ name }) => name),
    lanes,
    queued: links.map((link) => link.queued(simulation.loop.now)),
    observer,
    resequencing: resequencing.checked,
  });
  report();
  requestAnimationFrame(step);
}

function report(): void {
  const { now } = simulation.loop;
  const delivered = simulation.flows[0]!.flow.result().octets;
  history.push({ time: now, delivered });
  while (history.length > 2 && now - history[0]!.time > WINDOW_MS * 1e6) history.shift();
  const first = history[0]!;
  const goodput = now > first.time ? ((delivered - first.delivered) * 8e3) / (now - first.time) : 0;
  const { shares } = simulation.sides.downlink;
  const { after } = simulation.flows[0]!.forward;
  const total = shares.counts.reduce((sum, count) => sum + count, 0) || 1;
  const { resequencer } = simulation.mag;
  const lines: [string, string][] = [
    ['virtual time', `${(now / 1e9).toFixed(2)} s`],
    ['goodput', `${goodput.toFixed(1)} Mbit/s`],
    ['shares', shares.counts.map((count) => `${((100 * count) / total).toFixed(0)} %`).join(' · ')],
    ['packets delivered', String(after.count)],
    ['... after waiting in the resequencer', String(resequencer.reordered)],
    [
      'missing ones it no longer waits for',
      String(resequencer.lostProven + resequencer.lostTimeout + resequencer.lostWindow),
    ],
    ['TCP retransmits', String(simulation.flows[0]!.flow.result().retransmits)],
  ];
  figures.replaceChildren(
    ...lines.flatMap(([name, value]) => [
      Object.assign(document.createElement('dt'), { textContent: name }),
      Object.assign(document.createElement('dd'), { textContent: value }),
    ]),
  );
}
