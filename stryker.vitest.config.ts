/** The tests in plain Node, for Stryker, which cannot see into workerd; few histories, for each mutant runs them. */
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const HISTORIES = 20;

/** A mutant is done with at the first test that fails: what notices most comes first, and what takes long last. */
const FIRST = ['plan', 'retry', 'config', 'entries', 'kinds', 'speaks-against', 'levels', 'lists', 'lists-answers'];
const LAST = ['credentials', 'remedies', 'log', 'figures', 'histories'];

class QuickestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const name = moduleId.replace(/^.*\/|\.test\.ts$/g, '');
      return FIRST.includes(name) ? FIRST.indexOf(name) - FIRST.length : LAST.indexOf(name) + 1;
    };
    return files.sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  define: { __HISTORIES__: HISTORIES },
  test: {
    environment: 'node',
    // Many mutants share the machine: what is only slow must not count as killed.
    testTimeout: 60_000,
    // One worker for all files of one mutant, a new one for the next.
    isolate: false,
    sequence: { sequencer: QuickestFirst },
    include: ['test/**/*.test.ts'],
    exclude: [
      ...['test/e2e/**', 'test/tenant/**', 'test/tools/**', 'test/scenarios/index.test.ts', 'test/unit/readme.test.ts'],
    ],
  },
});
