import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('.', import.meta.url).pathname,
    include: ['**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What a test waits for comes at once, but on a machine that stalls.
    expect: { poll: { timeout: 15_000 } },
    // Shared machines stall now and then for longer than a system test waits; what is wrong fails twice.
    retry: process.env['CI'] ? 1 : 0,
    pool: 'forks',
    // Two files at most: system tests own namespaces and cores.
    maxWorkers: 2,
  },
});
