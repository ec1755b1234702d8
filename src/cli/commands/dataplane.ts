/** `tunloom dataplane -c FILE`. */
import { Command } from 'commander';

export function dataplaneCommand(): Command {
  return new Command('dataplane')
    .description('distribute packets over the tunnels of statically configured sessions')
    .requiredOption('-c, --config <file>', 'configuration file (YAML, see docs/configuration.md)')
    .option('--check', 'only check the file')
    .action(async (options: { config: string; check?: boolean }) => {
      if (options.check) {
        const { loadConfig } = await import('../../config/load.ts');
        const config = loadConfig(options.config);
        process.stdout.write(`${options.config}: ok, ${config.sessions.length} session(s)\n`);
        return;
      }
      const { runDataplaneDaemon } = await import('../../node/dataplane-daemon.ts');
      await runDataplaneDaemon(options.config);
      process.exit(0);
    });
}
