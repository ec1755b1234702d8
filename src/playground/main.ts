/**
 * The browser playground: the simulator with the real WebAssembly module in slow motion. build.ts makes one HTML page of this, in
 * which HOT_PATH is the module in base64. Sliders change links while packets travel; another scheduler, traffic or set of links
 * starts anew. The page's address holds all settings, so that a link to it shows another person the same.
 */
import { SCHEDULERS, type SchedulerName } from '../dataplane/distribution-spec.ts';
import { Simulation } from '../sim/simulation.ts';
import type { SimEvent, SimSpec, TrafficSpec } from '../sim/spec.ts';
import { CHART_HEIGHT, Chart } from './chart.ts';
import { LINK_SETS, type LinkChange, LinkControls } from './links.ts';
import { Observer } from './observer.ts';
import { draw, pictureHeight } from './picture.ts';

declare const HOT_PATH: string;

const HOUR = 3600e9;
/** Bits a second: so few packets that each can be seen. */
const STREAM = 8e6;
const WINDOW_MS = 1000;

const module = new WebAssembly.Module(Uint8Array.from(atob(HOT_PATH), (letter) => letter.charCodeAt(0)));

function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

const linkSet = element<HTMLSelectElement>('link-set');
const scheduler = element<HTMLSelectElement>('scheduler');
const traffic = element<HTMLSelectElement>('traffic');
const speed = element<HTMLSelectElement>('speed');
const resequencing = element<HTMLInputElement>('resequencing');
const pause = element<HTMLButtonElement>('pause');
const canvas = element<HTMLCanvasElement>('picture');
const chartCanvas = element<HTMLCanvasElement>('chart');
const figures = element<HTMLElement>('figures');
const chart = new Chart();

for (const name of Object.keys(LINK_SETS)) linkSet.append(new Option(name, name));
for (const name of SCHEDULERS.filter((other) => other !== 'custom')) scheduler.append(new Option(name, name));
chartCanvas.style.height = `${CHART_HEIGHT}px`;

let links: LinkControls[] = [];
readAddress();
let simulation = start();
let observer = new Observer(simulation);
let paused = false;
setPaused(matchMedia('(prefers-reduced-motion: reduce)').matches);
let last = performance.now();
/** Octets delivered at moments of virtual time, for the goodput of the last second. */
let history: { time: number; delivered: number }[] = [];

for (const choice of [scheduler, traffic, resequencing]) choice.addEventListener('change', restart);
linkSet.addEventListener('change', () => {
  showLinks();
  restart();
});
speed.addEventListener('change', writeAddress);
element('restart').addEventListener('click', restart);
pause.addEventListener('click', () => setPaused(!paused));
requestAnimationFrame(step);

function restart(): void {
  simulation = start();
  observer = new Observer(simulation);
  history = [];
  chart.clear();
  writeAddress();
}

function setPaused(value: boolean): void {
  paused = value;
  pause.textContent = paused ? 'go on' : 'pause';
}

function showLinks(): void {
  links = LINK_SETS[linkSet.value]!.map((first, i) => new LinkControls(first, (what) => changeLink(i, what)));
  element('links').replaceChildren(...links.map(({ box }) => box));
  canvas.style.height = `${pictureHeight(links.length)}px`;
}

/** What was changed happens to the link now. */
function changeLink(i: number, what: LinkChange): void {
  const link = links[i]!;
  const moment = { at: simulation.loop.now, bid: i + 1 };
  const event: SimEvent =
    what === 'weight'
      ? { ...moment, change: 'weight', weight: link.weight }
      : what === 'link'
        ? { ...moment, change: 'link', uplink: link.spec, downlink: link.spec }
        : { ...moment, change: link.isUp ? 'up' : 'down' };
  simulation.plan(event);
  writeAddress();
}

/** Settings that the page's address does not name stay as they are. */
function readAddress(): void {
  const settings = new URLSearchParams(location.hash.slice(1));
  const choose = (select: HTMLSelectElement, name: string): void => {
    const value = settings.get(name);
    if ([...select.options].some((option) => option.value === value)) select.value = value!;
  };
  choose(linkSet, 'links');
  choose(scheduler, 'scheduler');
  choose(traffic, 'traffic');
  choose(speed, 'slower');
  resequencing.checked = settings.get('resequencer') !== 'off';
  showLinks();
  links.forEach((link, i) => {
    link.text = settings.get(`link${i + 1}`) ?? '';
  });
}

function writeAddress(): void {
  const settings = new URLSearchParams({
    links: linkSet.value,
    scheduler: scheduler.value,
    traffic: traffic.value,
    slower: speed.value,
    resequencer: resequencing.checked ? 'on' : 'off',
  });
  links.forEach((link, i) => settings.set(`link${i + 1}`, link.text));
  window.history.replaceState(null, '', `#${settings.toString()}`);
}

function start(): Simulation {
  const kind = traffic.value;
  const base = { name: kind, direction: 'downlink', start: 0, stop: HOUR, flows: 1, tos: 0 } as const;
  const source: TrafficSpec =
    kind === 'stream'
      ? { ...base, model: 'constant', rate: STREAM, packet: 1400 }
      : { ...base, model: 'tcp', congestion: kind === 'bbr' ? 'bbr' : 'cubic', octets: null };
  for (const link of links) link.isUp = true;
  const spec: SimSpec = {
    name: 'playground',
    duration: HOUR,
    paths: links.map(({ name, weight, spec: link }, i) => ({
      bid: i + 1,
      name,
      weight,
      uplink: link,
      downlink: link,
    })),
    traffic: [source],
    events: [],
    resequencer: { window: 2048, minWaitUs: 1000, maxWaitUs: 100_000, late: 'deliver', provenLoss: true },
    detection: 0.5e9,
    probeInterval: 0.1e9,
    oracle: false,
    batch: 20_000,
  };
  const sequence = resequencing.checked ? 'auto' : 'never';
  const distribution = { scheduler: scheduler.value as SchedulerName, sequence } as const;
  return new Simulation(module, { spec, seed: 1, distribution });
}

function step(now: number): void {
  const passed = Math.min(now - last, 100);
  last = now;
  const slower = Number(speed.value);
  if (!paused) simulation.loop.run(simulation.loop.now + Math.round((passed * 1e6) / slower));
  const lanes = observer.lanes();
  observer.follow();
  draw(canvas, {
    names: links.map(({ name, isUp }) => (isUp ? name : `${name}: down`)),
    lanes,
    queued: simulation.sides.downlink.links.map((link) => link.queued(simulation.loop.now)),
    observer,
    resequencing: resequencing.checked,
  });
  const delivered = simulation.flows[0]!.flow.result().octets;
  chart.follow(simulation, delivered, observer.held.length, slower);
  chart.draw(chartCanvas, slower);
  report(delivered);
  requestAnimationFrame(step);
}

/** `delivered`: octets so far. */
function report(delivered: number): void {
  const { now } = simulation.loop;
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
