/** `tunloom dataplane -c FILE`. */
import { Command } from 'commander';
import { print } from '../output.ts';

export function dataplaneCommand(): Command {
  return new Command('dataplane')
    .description(
      'distribute packets over tunnels: of configured sessions, of a daemon beside, or as observed signaling says',
    )
    .requiredOption('-c, --config <file>', 'configuration file (YAML, see docs/configuration.md)')
    .option(
      '--observe <interface>',
      'install what PBUs and PBAs on this interface agree on (repeatable; docs/beside.md)',
      (name: string, names: string[]) => [...names, name],
      [],
    )
    .option('--check', 'only check the file')
    .option('--json', 'with --check: print JSON')
    .action(async (options: { config: string; observe: string[]; check?: boolean; json?: boolean }) => {
      if (options.check) {
        const { loadConfig } = await import('../../config/load.ts');
        const config = loadConfig(options.config);
        if (config.customScheduler !== null) {
          const { compileScheduler } = await import('../../dataplane/scheduler-compiler.ts');
          await compileScheduler(config.customScheduler);
        }
        const sessions = config.sessions.length;
        print(
          options.json ?? false,
          { file: options.config, ok: true, sessions },
          () => `${options.config}: ok, ${sessions} session(s)`,
        );
        return;
      }
      const { runDataplaneDaemon } = await import('../../node/dataplane-daemon.ts');
      await runDataplaneDaemon(options.config, options.observe);
      process.exit(0);
    });
}
