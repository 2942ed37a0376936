/** `npm run bench [-- SIZES | --cpu]`: what runs of the bundle cost in workerd, beside the least that is possible. */
import { longestChain } from './chain';
import { CPU_SIZE, KINDS, measureCase, measureCpu } from './measure';

const SIZES = [10, 500, 1_000, 5_000, 25_000];
/** Of the sizes those that lists of 1,000 entries hold. */
const MOST_IN_LISTS = 1_000;
const QUOTA = "limited by Graph's write quota, about 1,200 users a minute";

function number(value: number, digits = 0): string {
  if (Number.isNaN(value)) return 'n/a';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((_, index) => Math.max(...[head, ...rows].map((row) => row[index]?.length ?? 0)));
  for (const row of [head, widths.map((width) => '-'.repeat(width)), ...rows])
    console.log(`| ${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' | ')} |`);
  console.log();
}

function runCells({ bound, requests, ...run }: Awaited<ReturnType<typeof measureCase>>[number]) {
  const quota = `; ${number((bound.milliseconds + bound.quotaMs) / 1_000)}: ${QUOTA}`;
  return [
    ...[number(run.size), run.kind, run.name, `${number(requests.length)} (${number(bound.requests)})`],
    ...[number(longestChain(requests)), number(run.milliseconds / 1_000, 2)],
    ...[number(bound.milliseconds / 1_000, 2) + (bound.quotaMs > 0 ? quota : '')],
    ...[number(run.milliseconds / bound.milliseconds, 2), number(run.cpuMs, 1), number(run.peakMegabytes)],
    `${run.cron}, ${run.deadlineSeconds} s`,
  ];
}

async function benchSizes(sizes: readonly number[]): Promise<void> {
  // The first run in a process of Node takes longer, for reasons of Node's own.
  await measureCase('groups', 10);
  const rows: string[][] = [];
  for (const size of sizes) {
    for (const kind of KINDS.filter((one) => one !== 'lists' || size <= MOST_IN_LISTS)) {
      console.error(`${number(size)} risky users, ${kind} ...`);
      rows.push(...(await measureCase(kind, size)).map(runCells));
    }
  }
  const figures = ['Requests (bound)', 'Round trips', 'Wall s', 'Bound s', 'Ratio', 'CPU ms', 'At most MB'];
  printTable(['Risky users', 'Destination', 'Run', ...figures, 'Cron, DEADLINE_SECONDS'], rows);
  console.log('No write quota here, so Ratio leaves it out. CPU and memory are those of the whole runtime: see --cpu.');
}

async function benchCpu(): Promise<void> {
  const rows: string[][] = [];
  const quantile = (samples: readonly number[], share: number) =>
    [...samples].sort((a, b) => a - b)[Math.round((samples.length - 1) * share)] ?? Number.NaN;
  const spread = (samples: readonly number[]) => [0.5, 0.25, 0.75].map((share) => number(quantile(samples, share), 1));
  for (const kind of KINDS) {
    console.error(`CPU of ${CPU_SIZE} risky users, ${kind} ...`);
    for (const { run, requests, ours, empty } of await measureCpu(kind)) {
      const cells = [ours, empty].map(spread).map(([median, first, third]) => `${median} (${first} to ${third})`);
      const [own, least] = [quantile(ours, 0.5), quantile(empty, 0.5)];
      rows.push([kind, run, number(requests), ...cells, number(own - least, 1), number(own / least, 2)]);
    }
  }
  const head = ['This Worker, ms', "Empty Worker: the runtime's own, ms", 'Ours, ms', 'Times the empty one'];
  printTable(['Destination', 'Run', 'Requests', ...head], rows);
  console.log(`CPU of the whole workerd process, ${CPU_SIZE} risky users, nothing to do: median (quartiles). Cold: the first run of a
fresh process, its start left out. The empty Worker makes as many requests, answered without bodies.`);
}

const asked = process.argv.slice(2);
const sizes = asked.map(Number);
if (asked.join() === '--cpu') await benchCpu();
else if (sizes.every((size) => Number.isInteger(size) && size >= 2)) await benchSizes(asked.length > 0 ? sizes : SIZES);
else {
  console.error('Usage: npm run bench [-- --cpu | -- SIZE...], each size a number of risky users');
  process.exitCode = 2;
}
