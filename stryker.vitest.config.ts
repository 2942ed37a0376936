/** The tests in plain Node, for Stryker, which cannot see into workerd; few histories, for each mutant runs them. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  define: { __HISTORIES__: 40 },
  test: {
    environment: 'node',
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/index.test.ts', 'test/tenant*.test.ts', 'test/bound.test.ts'],
  },
});
