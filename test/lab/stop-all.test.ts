import { expect, test } from 'vitest';
import { stopAll } from '../../src/lab/stop-all.ts';

test('what follows is stopped as well, in order; the first failure is told', async () => {
  const done: string[] = [];
  const stopped = stopAll([
    () => Promise.reject(new Error('MAG')),
    async () => {
      await Promise.resolve();
      done.push('LMA');
    },
    () => {
      done.push('network');
      throw new Error('network');
    },
    () => void done.push('folder'),
  ]);
  await expect(stopped).rejects.toThrow('MAG');
  expect(done).toEqual(['LMA', 'network', 'folder']);
});
