/** `npm run playground`: one HTML file of the playground, the module inside it, and a server on loopback to look at it (`--build` only builds). */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const PORT = 8127;
/** What the simulator's modules import of Node, but do not use in a browser; isIP they do use. */
const NODE = {
  'node:fs/promises': 'export const readFile = undefined;',
  'node:net': `export const isIP = (text) => text.includes(':') ? 6 : /^[0-9]+([.][0-9]+){3}$/.test(text) ? 4 : 0;`,
} as Readonly<Record<string, string>>;

/** The page as text. */
export async function buildPlayground(): Promise<string> {
  const hotPath = readFileSync(new URL(import.meta.resolve('#wasm/release.wasm'))).toString('base64');
  const bundle = await rolldown({
    input: fileURLToPath(new URL('./main.ts', import.meta.url)),
    plugins: [
      {
        name: 'without-node',
        resolveId: (id) => (id in NODE ? `\0${id}` : null),
        load: (id) => NODE[id.slice(1)] ?? null,
      },
    ],
    transform: { define: { HOT_PATH: JSON.stringify(hotPath) } },
  });
  const { output } = await bundle.generate({ format: 'iife', minify: true });
  const page = readFileSync(new URL('./page.html', import.meta.url), 'utf8');
  return page.replace('/* PROGRAM */', () => output[0].code.replaceAll('</script', String.raw`<\/script`));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = await buildPlayground();
  const file = new URL('../../build/playground.html', import.meta.url);
  mkdirSync(new URL('.', file), { recursive: true });
  writeFileSync(file, page);
  process.stdout.write(`${fileURLToPath(file)}\n`);
  if (!process.argv.includes('--build')) {
    createServer((_, response) => {
      response.setHeader('content-type', 'text/html; charset=utf-8').end(page);
    }).listen(PORT, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${PORT}/\n`));
  }
}
