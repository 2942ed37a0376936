/** A run's log, printed as `wrangler tail --format pretty` prints it (wrangler's src/tail/printing.ts). */
import type { RunResult } from './bundle';

const OUTCOMES: Readonly<Record<string, string>> = {
  ok: 'Ok',
  canceled: 'Canceled',
  exceededCpu: 'Exceeded CPU Limit',
  exceededMemory: 'Exceeded Memory Limit',
  exception: 'Exception Thrown',
};

export function prettyTail({ cron, scheduledTime, outcome, lines, exceptions }: RunResult): string {
  return [
    `"${cron}" @ ${scheduledTime.toLocaleString()} - ${OUTCOMES[outcome] ?? 'Unknown'}`,
    ...lines.map(({ level, text }) => `  (${level}) ${text}`),
    ...exceptions.map(({ name, message, stack }) =>
      ['', `[ERROR] ${name}: ${message}`, ...(stack ? [stack] : []), ''].join('\n'),
    ),
  ].join('\n');
}
