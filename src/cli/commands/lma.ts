/** `tunloom lma -c FILE`. */
import { Command } from 'commander';
import { print } from '../output.ts';

export function lmaCommand(): Command {
  return new Command('lma')
    .description('run a local mobility anchor (PMIPv6 with RFC 8278)')
    .requiredOption('-c, --config <file>', 'configuration file (YAML, see docs/lma.md)')
    .option('--check', 'only check the file')
    .option('--json', 'with --check: print JSON')
    .action(async (options: { config: string; check?: boolean; json?: boolean }) => {
      if (options.check) {
        const { loadLmaConfig } = await import('../../config/lma-config.ts');
        const { machine } = loadLmaConfig(options.config);
        const result = {
          file: options.config,
          ok: true,
          mags: machine.mags.length,
          nodes: machine.nodes.length,
        };
        print(
          options.json ?? false,
          result,
          () => `${options.config}: ok, ${result.mags} MAG(s), ${result.nodes} node profile(s)`,
        );
        return;
      }
      const { runLmaDaemon } = await import('../../node/lma-daemon.ts');
      await runLmaDaemon(options.config);
      process.exit(0);
    });
}
