/** The command line of `npm run bench:system`. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { ENCAPSULATIONS, type Encapsulation } from '../../src/dataplane/session-spec.ts';
import type { OffloadOptions } from '../../src/node/offload-options.ts';
import { PARTS, type Part } from './metric.ts';

export interface BenchOptions {
  readonly only: readonly Part[];
  /** Names in lower case; null: all that are installed. */
  readonly peers: readonly string[] | null;
  readonly paths: readonly number[];
  readonly encapsulations: readonly Encapsulation[];
  readonly families: readonly (4 | 6)[];
  readonly workers: number;
  readonly xdp: OffloadOptions['xdp'];
  /** Microseconds. */
  readonly busyPoll: number;
  readonly seconds: number;
  readonly runs: number;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  readonly markdown: string | undefined;
  readonly perf: boolean;
}

const MOST_PATHS = 16;

/** Reads the arguments after the script's name. Errors, --help and their exit are commander's. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const command = new Command('bench:system')
    .description(
      'Measures bare veth, tunloom and other tunnels in network namespaces. Needs root and iperf3.',
    )
    .option(
      '--only <parts>',
      `some of ${PARTS.join(', ')}, tcp, udp`,
      (text: string) => text.split(',').flatMap(parsePart),
      [...PARTS],
    )
    .option('--peers <names>', 'other tunnels by name, "none" or "all" that are installed', list(String))
    .option('--paths <numbers>', 'numbers of paths of tunloom', list(parsePaths), [1, 2, 8])
    .option('--encapsulation <names>', `of ${ENCAPSULATIONS.join(', ')}`, list(parseEncapsulation), [
      'udp-gre',
      'gre',
      'ipip',
    ])
    .option('--family <numbers>', 'outer IP versions', list(parseFamily), [4, 6])
    .option('--workers <number>', 'worker threads of each end of tunloom', integer(1, 16), 1)
    .addOption(
      new Option('--xdp <mode>', 'gre and ipip paths of tunloom past the stack of the kernel')
        .choices(['off', 'generic', 'native'])
        .default('off'),
    )
    .option(
      '--busy-poll <number>',
      'microseconds for which the workers of tunloom look before they sleep',
      integer(0, 10_000),
      0,
    )
    .option('--seconds <number>', 'length of a TCP transfer; UDP trials take a quarter', integer(1, 60), 2)
    .option(
      '--runs <number>',
      'measurements of each scenario, taken in turn; medians count',
      integer(0, 99),
      3,
    )
    .option('--json <file>', 'write everything that was measured')
    .option('--svg <file>', 'write a chart')
    .option(
      '--markdown <file>',
      'write the tables, or their sections of an existing document such as docs/performance.md',
    )
    .option('--perf', 'profile each tunloom scenario by perf(1) afterwards; alone with --runs 0', false)
    .exitOverride()
    .parse(args, { from: 'user' });
  const { encapsulation, family, peers, only, ...rest } = command.opts<{
    encapsulation: Encapsulation[];
    family: (4 | 6)[];
    peers?: string[];
    only: Part[];
    paths: number[];
    workers: number;
    xdp: OffloadOptions['xdp'];
    busyPoll: number;
    seconds: number;
    runs: number;
    json?: string;
    svg?: string;
    markdown?: string;
    perf: boolean;
  }>();
  const names = peers?.map((name) => name.toLowerCase());
  return {
    ...rest,
    json: rest.json,
    svg: rest.svg,
    markdown: rest.markdown,
    only: PARTS.filter((part) => only.includes(part)),
    peers: !names || names.includes('all') ? null : names.filter((name) => name !== 'none'),
    encapsulations: encapsulation,
    families: family,
  };
}

function list<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => text.split(',').map((part) => parse(part.trim()));
}

function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`a whole number from ${least} to ${most} is wanted.`);
    }
    return value;
  };
}

const parsePaths = integer(1, MOST_PATHS);

/** One part, or all that `tcp` or `udp` stands for. */
function parsePart(text: string): Part[] {
  const parts = PARTS.filter((part) => part === text || (/^(tcp|udp)$/.test(text) && part.startsWith(text)));
  if (!parts.length) throw new InvalidArgumentError(`parts are ${PARTS.join(', ')}, tcp, udp.`);
  return parts;
}

function parseEncapsulation(text: string): Encapsulation {
  const found = ENCAPSULATIONS.find((name) => name === text);
  if (!found) throw new InvalidArgumentError(`encapsulations are ${ENCAPSULATIONS.join(', ')}.`);
  return found;
}

function parseFamily(text: string): 4 | 6 {
  if (text !== '4' && text !== '6') throw new InvalidArgumentError('families are 4 and 6.');
  return text === '4' ? 4 : 6;
}
