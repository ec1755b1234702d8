/** Daemons as child processes inside network namespaces, for system tests. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;

export function run(command: string, ...args: string[]): string {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr}`);
  return result.stdout;
}

/** A network namespace with its loopback device up. */
export function addNamespace(name: string): void {
  run('ip', 'netns', 'add', name);
  run('ip', '-n', name, 'link', 'set', 'lo', 'up');
}

type VethEnd = readonly [namespace: string, device: string, ...addresses: string[]];

/** Joins two namespaces by a veth pair that is up; addresses have their prefix length and can be used at once. */
export function joinNamespaces(near: VethEnd, far: VethEnd): void {
  const [[here, device], [there, other]] = [near, far];
  run('ip', '-n', here, 'link', 'add', device, 'type', 'veth', 'peer', 'name', other, 'netns', there);
  for (const [namespace, name, ...addresses] of [near, far]) {
    for (const address of addresses)
      run('ip', '-n', namespace, 'address', 'add', address, 'dev', name, 'nodad');
    run('ip', '-n', namespace, 'link', 'set', name, 'up');
  }
}

/** One `tunloom` daemon. */
export class Daemon {
  readonly child: ChildProcess;
  readonly socket: string;
  readonly #namespace: string;
  #log = '';

  private constructor(
    namespace: string,
    command: string,
    file: string,
    socket: string,
    under: readonly string[],
  ) {
    this.#namespace = namespace;
    this.socket = socket;
    const start = [...under, process.execPath, MAIN, command, '-c', file];
    this.child = spawn('ip', ['netns', 'exec', namespace, ...start]);
    this.child.stderr!.on('data', (data: Buffer) => (this.#log += data.toString()));
  }

  /**
   * Writes the configuration, starts and waits until the daemon listens; `under` is a command that becomes what its arguments say, such as
   * env(1). Throws with its log if it ends.
   */
  static async start(
    namespace: string,
    command: 'lma' | 'mag' | 'dataplane',
    file: string,
    config: string,
    socket: string,
    under: readonly string[] = [],
  ): Promise<Daemon> {
    writeFileSync(file, `control: ${socket}\n${config}`);
    const daemon = new Daemon(namespace, command, file, socket, under);
    await waitFor(() => {
      if (daemon.child.exitCode !== null) throw new Error(`${command} ended: ${daemon.log}`);
      return daemon.log.includes('"event":"listening"');
    }, 30_000);
    return daemon;
  }

  get log(): string {
    return this.#log;
  }

  /** What a command prints as JSON about this daemon. */
  json<T>(...command: string[]): T {
    return JSON.parse(
      run(
        'ip',
        'netns',
        'exec',
        this.#namespace,
        process.execPath,
        MAIN,
        '--socket',
        this.socket,
        ...command,
        '--json',
      ),
    ) as T;
  }

  /** What its control socket answers to GET: a command would take its time to start. */
  get<T>(path: string): T {
    return JSON.parse(run('curl', '-s', '--unix-socket', this.socket, `http://tunloom${path}`)) as T;
  }

  /** Ends it and gives its exit status; null if it was killed. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exit = new Promise<number | null>((resolve) => this.child.once('exit', resolve));
    // ip(8) has become the daemon by exec, so this is its process.
    this.child.kill(signal);
    return exit;
  }
}

export async function waitFor(condition: () => boolean | Promise<boolean>, limit = 30_000): Promise<void> {
  const end = Date.now() + limit;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('it did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
