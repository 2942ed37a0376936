/** The tests in plain Node, for Stryker, which cannot see into workerd; few histories, for each mutant runs them. */
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const HISTORIES = 40;

/** A mutant is done with at the first test that fails, so what takes long comes last. */
class HistoriesLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLast = ({ moduleId }: TestSpecification) => moduleId.endsWith('/histories.test.ts');
    return files.sort((a, b) => Number(isLast(a)) - Number(isLast(b)));
  }
}

export default defineConfig({
  define: { __HISTORIES__: HISTORIES },
  test: {
    environment: 'node',
    // One worker for all files of one mutant, a new one for the next.
    isolate: false,
    sequence: { sequencer: HistoriesLast },
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/index.test.ts', 'test/tenant*.test.ts', 'test/bound.test.ts'],
  },
});
