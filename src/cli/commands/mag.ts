/** `tunloom mag -c FILE`. */
import { Command } from 'commander';
import { print } from '../output.ts';

export function magCommand(): Command {
  return new Command('mag')
    .description('run a mobile access gateway (PMIPv6 with RFC 8278)')
    .requiredOption('-c, --config <file>', 'configuration file (YAML, see docs/mag.md)')
    .option('--check', 'only check the file')
    .option('--json', 'with --check: print JSON')
    .action(async (options: { config: string; check?: boolean; json?: boolean }) => {
      if (options.check) {
        const { loadMagConfig } = await import('../../config/mag-config.ts');
        const { machine } = loadMagConfig(options.config);
        const interfaces = machine.interfaces.length;
        const nodes = machine.nodes.length + machine.logicalNodes.length;
        print(
          options.json ?? false,
          { file: options.config, ok: true, interfaces, nodes },
          () => `${options.config}: ok, ${interfaces} WAN interface(s), ${nodes} node(s)`,
        );
        return;
      }
      const { runMagDaemon } = await import('../../node/mag-daemon.ts');
      await runMagDaemon(options.config);
      process.exit(0);
    });
}
