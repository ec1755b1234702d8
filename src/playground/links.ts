/** The links of the playground: sets to choose from, and the controls of each, whose values a page's address can hold. */
import { LINK_DEFAULTS, type LinkSpec } from '../emulator/model/link.ts';

/** What one starts from; rate in Mbit/s, delay in ms. */
export interface LinkStart {
  readonly name: string;
  readonly rate: number;
  readonly delay: number;
}

/** Sets of links by the name that the page shows. */
export const LINK_SETS: Readonly<Record<string, readonly LinkStart[]>> = {
  'DSL, LTE, Wi-Fi': [
    { name: 'DSL', rate: 16, delay: 12 },
    { name: 'LTE', rate: 30, delay: 30 },
    { name: 'Wi-Fi', rate: 24, delay: 6 },
  ],
  'DSL, LTE': [
    { name: 'DSL', rate: 16, delay: 12 },
    { name: 'LTE', rate: 30, delay: 30 },
  ],
  'two alike': [
    { name: 'one', rate: 20, delay: 20 },
    { name: 'other', rate: 20, delay: 20 },
  ],
  'LEO, GEO satellite': [
    { name: 'LEO', rate: 80, delay: 25 },
    { name: 'GEO', rate: 40, delay: 270 },
  ],
};

const SLIDERS = {
  weight: { unit: '', least: 1, most: 9, step: 1 },
  rate: { unit: 'Mbit/s', least: 1, most: 100, step: 1 },
  delay: { unit: 'ms', least: 1, most: 300, step: 1 },
  loss: { unit: '%', least: 0, most: 10, step: 0.1 },
} as const;
type Setting = keyof typeof SLIDERS;

/** What of a link was changed. */
export type LinkChange = 'weight' | 'link' | 'up';

interface Slider {
  readonly input: HTMLInputElement;
  /** Writes the value beside the slider. */
  readonly show: () => void;
}

/** The controls of one link. */
export class LinkControls {
  readonly name: string;
  readonly box = document.createElement('fieldset');
  readonly #sliders: Record<Setting, Slider>;
  readonly #up: HTMLInputElement;

  constructor({ name, rate, delay }: LinkStart, changed: (what: LinkChange) => void) {
    this.name = name;
    this.box.append(Object.assign(document.createElement('legend'), { textContent: name }));
    const changedLink = (): void => changed('link');
    this.#sliders = {
      weight: this.#addSlider('weight', 1, () => changed('weight')),
      rate: this.#addSlider('rate', rate, changedLink),
      delay: this.#addSlider('delay', delay, changedLink),
      loss: this.#addSlider('loss', 0, changedLink),
    };
    this.#up = Object.assign(document.createElement('input'), { type: 'checkbox', checked: true });
    this.#up.addEventListener('change', () => changed('up'));
    this.#addLine('up', this.#up);
  }

  get weight(): number {
    return this.#value('weight');
  }

  get isUp(): boolean {
    return this.#up.checked;
  }

  set isUp(isUp: boolean) {
    this.#up.checked = isUp;
  }

  /** One direction of the link; both are alike. */
  get spec(): LinkSpec {
    const rate = this.#value('rate') * 1e6;
    const probability = this.#value('loss') / 100;
    return {
      ...LINK_DEFAULTS,
      rate,
      delay: this.#value('delay') * 1000,
      loss: probability ? { model: 'random', probability } : { model: 'none' },
      limit: Math.max(64 << 10, rate / 80),
    };
  }

  /** The sliders' values, such as `1,16,12,0`. The browser brings one that is out of range into it. */
  get text(): string {
    return Object.values(this.#sliders)
      .map(({ input }) => input.value)
      .join(',');
  }

  set text(text: string) {
    const values = text.split(',');
    Object.values(this.#sliders).forEach(({ input, show }, i) => {
      if (values[i]) input.value = values[i];
      show();
    });
  }

  #value(setting: Setting): number {
    return Number(this.#sliders[setting].input.value);
  }

  #addSlider(setting: Setting, value: number, changed: () => void): Slider {
    const { unit, least, most, step } = SLIDERS[setting];
    const input = Object.assign(document.createElement('input'), {
      type: 'range',
      min: String(least),
      max: String(most),
      step: String(step),
      value: String(value),
    });
    const shown = document.createElement('output');
    const show = (): void => {
      shown.textContent = `${input.value} ${unit}`.trim();
    };
    input.addEventListener('input', () => {
      show();
      changed();
    });
    show();
    this.#addLine(setting, input, shown);
    return { input, show };
  }

  #addLine(label: string, ...parts: HTMLElement[]): void {
    const line = document.createElement('label');
    line.append(label, ...parts);
    this.box.append(line);
  }
}
