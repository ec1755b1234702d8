/** Opens a page in headless Chromium; .ci/run installs it. */
import { execFile } from 'node:child_process';

const SWITCHES = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--virtual-time-budget=5000',
  '--dump-dom',
];

/** Put at the beginning of a page: the first error is then to be seen in the document. */
export const WATCH = `<script>addEventListener('error', (e) => { document.documentElement.dataset.error = e.message; });</script>`;

/** The document of `file` some seconds of the page's own time after it was opened. `profile`: an empty folder. */
export function openPage(file: string, width: number, profile: string): Promise<string> {
  const args = [...SWITCHES, `--user-data-dir=${profile}`, `--window-size=${width},900`, `file://${file}`];
  return new Promise((resolve, reject) => {
    execFile('chromium', args, { maxBuffer: 64 << 20, timeout: 50_000 }, (error, stdout) => {
      if (error) reject(error);
      else resolve(stdout);
    });
  });
}
