/** `tunloom bindings [SESSION]`: the Binding Cache of an LMA or the Binding Update List of a MAG. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { BindingPath, BindingStatus } from '../../control/signaling-status.ts';
import { technologyName } from '../../pmipv6/technology-names.ts';
import { type Column, formatColumns, formatDuration, print, socketOf } from '../output.ts';

interface Options {
  readonly wide?: boolean;
  readonly json?: boolean;
}

export function bindingsCommand(): Command {
  return new Command('bindings')
    .description('binding cache of a running LMA, or binding update list of a running MAG')
    .argument('[session]', 'one session only')
    .option('--wide', 'all columns')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, options: Options, command: Command) => {
      const path = name === undefined ? '/v1/bindings' : `/v1/bindings/${encodeURIComponent(name)}`;
      const answer = await callControl(socketOf(command), 'GET', path);
      const bindings = (name === undefined ? answer : [answer]) as BindingStatus[];
      const text = (binding: BindingStatus): string => formatBinding(binding, options.wide);
      print(options.json ?? false, answer, () => bindings.map(text).join('\n\n') || 'no bindings');
    });
}

/** The care-of address is what tells paths of a session apart: local to a MAG, remote to an LMA. */
const COLUMNS: readonly Column<BindingPath>[] = [
  { head: 'bid', cell: ({ bid }) => String(bid) },
  { head: 'state', cell: ({ state }) => state },
  {
    head: 'care-of',
    cell: (path) => (path.interface === null ? remoteText(path) : localText(path)),
    only: 'narrow',
  },
  { head: 'local', cell: localText, only: 'wide' },
  { head: 'remote', cell: remoteText, only: 'wide' },
  { head: 'by', cell: ({ encapsulation }) => encapsulation ?? '-' },
  { head: 'technology', cell: ({ technology }) => technologyName(technology) },
  { head: 'label', cell: ({ label }) => String(label ?? '-') },
  { head: 'weight', cell: ({ weight }) => String(weight ?? '-') },
  {
    head: 'expires in',
    cell: ({ expiresInSeconds }) => (expiresInSeconds === null ? '-' : formatDuration(expiresInSeconds)),
  },
];

function localText({ local, interface: device }: BindingPath): string {
  return device === null ? local : `${local} (${device})`;
}

function remoteText({ remote, port }: BindingPath): string {
  return port === null ? remote : `${remote} port ${port}`;
}

function formatBinding(binding: BindingStatus, wide = false): string {
  const { session, node, peer, state, multipath, weightsFrom } = binding;
  const addresses = [...binding.prefixes, ...(binding.homeAddress ? [binding.homeAddress] : [])];
  return [
    [
      session,
      ...(node === session ? [] : [node]),
      state,
      ...addresses,
      ...binding.delegated.map((prefix) => `delegated ${prefix}`),
    ].join('  '),
    [
      ...(peer === null ? [] : [`peer ${peer}`]),
      multipath ? 'multipath' : 'single path',
      ...(weightsFrom === null ? [] : [`weights from ${weightsFrom}`]),
    ].join(', '),
    formatColumns(COLUMNS, binding.paths, wide),
  ].join('\n');
}
