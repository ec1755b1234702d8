/** `tunloom decode`: explains the mobility messages of a capture file or of hex digits. */
import { Command } from 'commander';

export interface DecodeOptions {
  readonly hex?: readonly string[];
  readonly json?: boolean;
  readonly verbose?: boolean;
}

export function decodeCommand(): Command {
  return new Command('decode')
    .description('explain the PMIPv6 messages of a capture file: IPv6 protocol 135 and UDP port 5436')
    .argument('[file]', 'pcap or pcapng; - for standard input')
    .option('--hex <digits...>', 'whole IP packets or Mobility Headers in hexadecimal, instead of a file')
    .option('-v, --verbose', 'one line for each option of a message')
    .option('--json', 'print one JSON object a line')
    .addHelpText('after', '\nExit status: 0, or 1 if a message is malformed or its checksum is wrong.')
    .action(async (file: string | undefined, options: DecodeOptions) => {
      const { runDecode } = await import('../actions/decode.ts');
      runDecode(file, options);
    });
}
