import { cloudflareTest } from '@cloudflare/vitest-pool-workers';
import { defineConfig } from 'vitest/config';

export default defineConfig({
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
        test: { name: 'worker', include: ['test/**/*.test.ts'], exclude: ['test/e2e/**'] },
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
  },
});
