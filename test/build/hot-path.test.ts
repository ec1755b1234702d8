/** The hot-path law, checked on the binary: nothing imported but the memory, no data segment, no growth. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as L from '../../assembly/layout.ts';
import { DROP_NAMES } from '../../src/dataplane/drop-reasons.ts';
import { DATA_SECTION, sectionIds } from '../../src/dataplane/wasm-sections.ts';

describe.each(['release', 'debug'])('build/%s.wasm', (build) => {
  const bytes = readFileSync(new URL(`../../build/${build}.wasm`, import.meta.url));

  test('imports env.memory alone', () => {
    const module = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }]);
  });

  test('has no data segment: instantiating it again changes nothing', () => {
    expect(sectionIds(bytes)).not.toContain(DATA_SECTION);
    const module = new WebAssembly.Module(bytes);
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
    const view = new Uint8Array(memory.buffer).fill(0xa5);
    expect(new WebAssembly.Instance(module, { env: { memory } })).toBeDefined();
    expect(view.every((octet) => octet === 0xa5)).toBe(true);
  });
});

test('the release build never grows the memory', () => {
  const text = readFileSync(new URL('../../build/release.wat', import.meta.url), 'utf8');
  expect(text).not.toMatch(/memory\.grow/);
});

test('every drop reason has a name and a line in docs/drops.md', () => {
  const docs = readFileSync(new URL('../../docs/drops.md', import.meta.url), 'utf8');
  for (let reason = 1; reason < L.DROP_REASON_COUNT; reason++) {
    expect(DROP_NAMES[reason], `reason ${reason}`).toBeTypeOf('string');
    expect(docs).toContain(`\`${DROP_NAMES[reason]}\``);
  }
});
