/** What a service manager is told, and that nothing of it can end a daemon. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const MODULE = new URL('../../src/node/service-manager.ts', import.meta.url).href;

test('without a descriptor to tell it by, the daemon goes on', () => {
  const script = `
    import { openSync } from 'node:fs';
    import { tellServiceManager } from '${MODULE}';
    process.env.NOTIFY_SOCKET = '@tunloom-nobody';
    tellServiceManager('READY');
    try { for (;;) openSync('/dev/null'); } catch (error) { if (error.code !== 'EMFILE') throw error; }
    tellServiceManager('RELOADING');
    process.exit(7);
  `;
  const { status, stderr } = spawnSync(
    'sh',
    ['-c', 'ulimit -n 64; exec "$0" --input-type=module -e "$1"', process.execPath, script],
    { encoding: 'utf8' },
  );
  expect([status, stderr]).toEqual([7, '']);
});
