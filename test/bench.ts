/** `npm run bench [-- SIZES]`: what runs of the bundle cost in workerd at several sizes, beside the least that Graph allows. */
import { performance } from 'node:perf_hooks';
import { planChanges, RISK_LEVELS, type RiskLevel } from '../src/plan';
import { startBundle } from './bundle';
import { type CaseResult, type Measured, measureCase } from './measure';
import { usageOf, workerdPid } from './process';

const SIZES = [10, 500, 5_000, 25_000];
const PLANNED_USERS = 100_000;
const PLANNING_REPEATS = 5;
const EMPTY_RUNS = 50;

interface Row {
  size: number;
  pinned: boolean;
  result: CaseResult;
}

const sizes = process.argv.slice(2).map(Number);
if (sizes.some((size) => !Number.isInteger(size) || size < 2)) {
  console.error('Usage: tsx test/bench.ts [SIZE...], each a number of risky users');
  process.exit(2);
}

const number = (value: number, digits = 0) =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const orNone = (value: number | undefined, digits = 0) =>
  value === undefined ? 'n/a' : number(value, digits);

const markdown = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = head.map((_, index) => Math.max(...[head, ...rows].map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
};

function runCells({ size, pinned, result }: Row, run: Measured): string[] {
  const { bound } = run;
  return [
    number(size),
    pinned ? 'pinned' : 'found',
    run.name,
    `${number(run.requests)} (${number(bound.requests)})`,
    number(run.chain),
    number(run.milliseconds / 1_000, 2),
    number(bound.milliseconds / 1_000, 2),
    number(run.milliseconds / bound.milliseconds, 2),
    orNone(run.cpuMilliseconds, 1),
    `${result.cron}, ${result.deadlineSeconds} s`,
  ];
}

function memoryCells({ size, pinned, result }: Row): string[] {
  return [
    number(size),
    pinned ? 'pinned' : 'found',
    orNone(result.before?.residentMegabytes),
    orNone(result.after?.residentMegabytes),
    orNone(result.after?.peakMegabytes),
  ];
}

/** What Miniflare and the taking of the log cost in the same process: runs that end before their first request. */
async function emptyRunMilliseconds(): Promise<number | undefined> {
  const bundle = await startBundle({
    env: {},
    fetch: () => Promise.reject(new Error('no request was meant')),
  });
  const pid = workerdPid();
  const cpu = () => (pid === undefined ? undefined : usageOf(pid)?.cpuMilliseconds);
  try {
    await bundle.run();
    const before = cpu();
    for (let count = 0; count < EMPTY_RUNS; count += 1) await bundle.run();
    const after = cpu();
    return before === undefined || after === undefined ? undefined : (after - before) / EMPTY_RUNS;
  } finally {
    await bundle.dispose();
  }
}

/** One in a hundred moves, one departs, one joins. Sorted, the longest last. */
function planningMilliseconds(): number[] {
  const levelOf = (index: number): RiskLevel => RISK_LEVELS[index % RISK_LEVELS.length] ?? 'low';
  const idOf = (index: number) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const members = new Map(RISK_LEVELS.map((level) => [level, new Set<string>()]));
  const atRisk = new Map<string, RiskLevel>();
  for (let index = 0; index < PLANNED_USERS; index += 1) {
    if (index % 100 !== 0) members.get(levelOf(index))?.add(idOf(index));
    if (index % 100 !== 1) atRisk.set(idOf(index), levelOf(index % 100 === 2 ? index + 1 : index));
  }
  const times = Array.from({ length: PLANNING_REPEATS }, () => {
    const start = performance.now();
    planChanges({ atRisk, inDoubt: new Set() }, members, new Set());
    return performance.now() - start;
  });
  return times.sort((a, b) => a - b);
}

const planning = planningMilliseconds();
// The first run in a process of Node takes longer, for reasons of Node's own.
await measureCase({ size: 10, pinned: false });
const rows: Row[] = [];
for (const size of sizes.length > 0 ? sizes : SIZES) {
  for (const pinned of [false, true]) {
    console.error(`${number(size)} risky users, groups ${pinned ? 'pinned' : 'found by name'} ...`);
    rows.push({ size, pinned, result: await measureCase({ size, pinned }) });
  }
}
console.log(
  [
    markdown(
      [
        ...['Risky users', 'Groups', 'Run', 'Requests (bound)', 'Round trips', 'Wall s', 'Bound s', 'Ratio'],
        ...['CPU ms', 'Cron, DEADLINE_SECONDS'],
      ],
      rows.flatMap((row) => row.result.runs.map((run) => runCells(row, run))),
    ),
    '',
    markdown(
      ['Risky users', 'Groups', 'workerd at start, MB', 'at the end, MB', 'at most, MB'],
      rows.map(memoryCells),
    ),
    '',
    `CPU is that of the whole workerd process; a run that ends before its first request takes ${orNone(await emptyRunMilliseconds(), 1)} ms of it, which is Miniflare and the taking of the log.`,
    `Planning for ${number(PLANNED_USERS)} users (planChanges in Node, ${PLANNING_REPEATS} times): ${number(planning[Math.floor(PLANNING_REPEATS / 2)] ?? 0)} ms, the longest ${number(planning.at(-1) ?? 0)} ms.`,
  ].join('\n'),
);
