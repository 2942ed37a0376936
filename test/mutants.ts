/** Last part of `npm run mutation`: every mutant that lives must stand in survivors.ts, with why none needs to die. */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { SURVIVORS } from './survivors';

const REPORT = 'reports/mutation/mutation.json';
/** Of the schema of mutation testing reports, stryker-mutator.io/docs/mutation-testing-elements/mutant-states-and-metrics. */
const LIVE = ['Survived', 'NoCoverage'];
const KILLED = ['Killed', 'Timeout'];

const Mutant = v.object({
  mutatorName: v.string(),
  replacement: v.optional(v.string(), ''),
  status: v.string(),
  location: v.object({ start: v.object({ line: v.number(), column: v.number() }) }),
});
const Report = v.object({
  files: v.record(v.string(), v.object({ source: v.string(), mutants: v.array(Mutant) })),
});

const { files } = v.parse(Report, JSON.parse(readFileSync(REPORT, 'utf8')));
const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim();
const keyOf = (file: string, line: string, became: string) => `${file}: ${line}  ->  ${became}`;

const live = new Map<string, string>();
let killed = 0;
for (const [path, { source, mutants }] of Object.entries(files)) {
  const lines = source.split('\n');
  for (const { status, replacement, mutatorName, location } of mutants) {
    if (KILLED.includes(status)) killed += 1;
    if (!LIVE.includes(status)) continue;
    const line = oneLine(lines[location.start.line - 1] ?? '');
    const key = keyOf(path.replace(/^src\//, ''), line, oneLine(replacement));
    live.set(key, `${path}:${location.start.line} ${mutatorName} ${status}`);
  }
}
const explained = new Set(
  SURVIVORS.flatMap(({ file, mutants }) => mutants.map(([line, became]) => keyOf(file, line, became))),
);
const unexplained = [...live].filter(([key]) => !explained.has(key));
const dead = [...explained].filter((key) => !live.has(key));

for (const [key, place] of unexplained)
  console.log(`Lives, and nothing says why it may (${place}):\n  ${key}`);
for (const key of dead) console.log(`Stands in survivors.ts, and does not live:\n  ${key}`);
console.log(
  `${killed} mutants killed; ${live.size} kinds live, ${live.size - unexplained.length} of them explained.`,
);
if (unexplained.length + dead.length > 0) process.exitCode = 1;
