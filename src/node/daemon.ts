/** What all daemons have in common: the log, signals, reloading on SIGHUP, a clean end (docs/install.md). */
import { writeSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { type Logger, pino } from 'pino';
import { placeOf, readConfigFile } from '../config/yaml-file.ts';
import type { DataplaneEvent } from '../dataplane/status.ts';
import { TunloomError } from '../errors.ts';
import { feedWatchdog, journalPriority, logsToJournal, tellServiceManager } from './service-manager.ts';

/** The daemon's log: JSON lines on standard error, written at once, with priorities if it is the journal. Lines that cannot be written (a full disk, say) are lost, and their number told by the next. */
export function openLog(level: string): Logger {
  let lost = 0;
  const priorityOf = logsToJournal() ? journalPriority : () => '';
  const write = (line: string): void => {
    try {
      if (lost) {
        const told = `{"level":40,"time":${Date.now()},"event":"logLost","lines":${lost}}\n`;
        writeSync(2, priorityOf(40) + told);
      }
      lost = 0;
      // pino writes the level first.
      writeSync(2, priorityOf(Number(line.slice('{"level":'.length, '{"level":NN'.length))) + line);
    } catch {
      lost++;
    }
  };
  return pino({ level }, { write });
}

/** Resolves at the first SIGTERM or SIGINT; the second ends the process with status 1. */
export function stopSignal(log: Logger): Promise<void> {
  // A hang-up before there is anything to reload would otherwise end the process.
  process.on('SIGHUP', ignoreHangup);
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (signal: string): void => {
      if (stopping) process.exit(1);
      stopping = true;
      log.info({ event: 'stopping', signal });
      tellServiceManager('STOPPING');
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

function ignoreHangup(): void {}

/** The daemon serves: from now on it reloads on SIGHUP, logging what is wrong, and feeds the watchdog. Gives a function that ends that. */
export function serveHangups(log: Logger, reload: () => Promise<unknown>): () => void {
  const onHangup = (): void => {
    tellServiceManager('RELOADING');
    reload()
      .catch((error: unknown) => {
        for (const line of (error instanceof Error ? error.message : String(error)).split('\n')) {
          log.error({ event: 'reloadFailed' }, line);
        }
      })
      .finally(() => tellServiceManager('READY'));
  };
  tellServiceManager('READY');
  const stopFeeding = feedWatchdog();
  process.off('SIGHUP', ignoreHangup);
  process.on('SIGHUP', onHangup);
  return () => {
    stopFeeding();
    process.off('SIGHUP', onHangup);
  };
}

/**
 * Those of `keys` (such as `tun.name`) that are different; `words` has what to call one that does not stand in the file under its
 * name.
 */
export function differences<T extends object>(
  before: T,
  after: T,
  keys: readonly (keyof T & string)[],
  words: Readonly<Record<string, string>> = {},
): string[] {
  return keys.flatMap((key) => {
    if (isDeepStrictEqual(before[key], after[key])) return [];
    if (words[key] !== undefined) return [words[key]];
    const [old, fresh] = [before[key], after[key]] as [unknown, unknown];
    if (typeof old !== 'object' || typeof fresh !== 'object' || !old || !fresh || Array.isArray(fresh)) {
      return [key];
    }
    return Object.entries(fresh)
      .filter(([name, value]) => !isDeepStrictEqual((old as Record<string, unknown>)[name], value))
      .map(([name]) => `${key}.${name}`);
  });
}

/** Throws NEEDS_RESTART with file, line and key of each of `names`, if there are any. */
export function refuseFixed(file: string, names: readonly string[]): void {
  if (!names.length) return;
  const text = readConfigFile(file);
  const lines = names.map((name) => {
    const place = placeOf(text, file, name.replaceAll('[]', '').split('.'));
    return `${place}${name}: cannot be changed without a restart; nothing was changed`;
  });
  throw new TunloomError('NEEDS_RESTART', lines.join('\n'));
}

/** Probes may change, but not come or go. */
export function probeSwitch(
  before: { readonly probes: { readonly enabled: boolean } },
  after: { readonly probes: { readonly enabled: boolean } },
): string[] {
  return before.probes.enabled === after.probes.enabled ? [] : ['probes.enabled'];
}

/** What is routine with many sessions is for those who ask for it. */
export function levelOf(told: DataplaneEvent): 'warn' | 'info' | 'debug' {
  const { event } = told;
  if (event.startsWith('worker') || event === 'changeRefused') return 'warn';
  if (told.event === 'blackHole' && told.mtu !== null) return 'warn';
  if (told.event === 'reversePathFilter' && !told.loosened) return 'warn';
  const routine = ['weightsChanged', 'pathEased', 'waitChanged'];
  return event.startsWith('session') || routine.includes(event) ? 'debug' : 'info';
}
