import { cloudflareTest } from '@cloudflare/vitest-pool-workers';
import { defineConfig } from 'vitest/config';

/** Random histories of one test run; `npm run test:long` plays many more. */
const HISTORIES = { test: 300, long: 20_000 };

export default defineConfig(({ mode }) => ({
  test: {
    projects: [
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            // Every test brings its own fetch; whatever still gets out is answered as a failure.
            miniflare: {
              cf: false,
              outboundService: (request: Request) =>
                new Response(`a request no test expected: ${request.method} ${request.url}`, { status: 599 }),
            },
          }),
        ],
        define: { __HISTORIES__: mode === 'long' ? HISTORIES.long : HISTORIES.test },
        test: {
          name: 'worker',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          // One runtime for all files: starting one for each takes as long as the tests, and its end is noise.
          isolate: false,
          maxWorkers: 1,
          testTimeout: mode === 'long' ? 3_600_000 : 30_000,
        },
      },
      {
        test: {
          name: 'bundle',
          include: ['test/e2e/**/*.test.ts'],
          environment: 'node',
          testTimeout: 60_000,
        },
      },
    ],
    coverage: {
      provider: 'istanbul',
      include: ['src/**'],
      reporter: [['text', { skipFull: true }]],
      thresholds: {
        lines: 95,
        branches: 95,
        'src/plan.ts': { lines: 100, branches: 100 },
        'src/config/**': { lines: 100, branches: 100 },
      },
    },
  },
}));
