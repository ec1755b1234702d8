import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('.', import.meta.url).pathname,
    include: ['**/*.test.ts'],
    // For what hangs, also where each command takes ten times as long as on a machine of one's own.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // What a test waits for comes at once, but on a machine that stalls.
    expect: { poll: { timeout: 30_000 } },
    // Shared machines stall now and then for longer than a system test waits; what is wrong fails twice.
    retry: process.env['CI'] ? 1 : 0,
    pool: 'forks',
    // Two files at most: system tests own namespaces and cores.
    maxWorkers: 2,
  },
});
