/** `tunloom bindings [SESSION]`: the Binding Cache of an LMA or the Binding Update List of a MAG. */
import { Command } from 'commander';
import { callControl } from '../../control/client.ts';
import type { BindingStatus } from '../../control/signaling-status.ts';
import { formatDuration, formatTable, print, socketOf } from '../output.ts';

export function bindingsCommand(): Command {
  return new Command('bindings')
    .description('binding cache of a running LMA, or binding update list of a running MAG')
    .argument('[session]', 'one session only')
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, options: { json?: boolean }, command: Command) => {
      const path = name === undefined ? '/v1/bindings' : `/v1/bindings/${encodeURIComponent(name)}`;
      const answer = await callControl(socketOf(command), 'GET', path);
      const bindings = (name === undefined ? answer : [answer]) as BindingStatus[];
      print(options.json ?? false, answer, () => bindings.map(formatBinding).join('\n\n') || 'no bindings');
    });
}

function formatBinding(binding: BindingStatus): string {
  const { session, node, peer, state, multipath, weightsFrom } = binding;
  const addresses = [...binding.prefixes, ...(binding.homeAddress ? [binding.homeAddress] : [])];
  return [
    [
      session,
      ...(node === session ? [] : [node]),
      state,
      ...addresses,
      ...binding.delegated.map((prefix) => `delegated ${prefix}`),
      ...(peer === null ? [] : [`peer ${peer}`]),
      multipath ? 'multipath' : 'single path',
      ...(weightsFrom === null ? [] : [`weights from ${weightsFrom}`]),
    ].join('  '),
    formatTable(
      ['bid', 'state', 'local', 'remote', 'encapsulation', 'technology', 'label', 'weight', 'expires in'],
      binding.paths.map((path) => [
        String(path.bid),
        path.state,
        path.interface === null ? path.local : `${path.local} (${path.interface})`,
        path.port === null ? path.remote : `${path.remote} port ${path.port}`,
        path.encapsulation ?? '-',
        String(path.technology),
        String(path.label ?? '-'),
        String(path.weight ?? '-'),
        path.expiresInSeconds === null ? '-' : formatDuration(path.expiresInSeconds),
      ]),
    ),
  ].join('\n');
}
