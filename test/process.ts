/** What the workerd process has used so far, from /proc; undefined where there is no /proc. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Usage {
  cpuMilliseconds: number;
  residentMegabytes: number;
  peakMegabytes: number;
}

const TICKS_PER_SECOND = 100;

/** The process id of the one workerd that this process has started; undefined if there is none or no /proc. */
export function workerdPid(): number | undefined {
  const ids = read(() => readdirSync('/proc'))?.filter((name) => /^\d+$/.test(name)) ?? [];
  return ids.map(Number).find((id) => {
    const stat = statFields(id);
    return stat?.name === 'workerd' && stat.parent === process.pid;
  });
}

export function usageOf(pid: number): Usage | undefined {
  const stat = statFields(pid);
  const status = read(() => readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (stat === undefined || status === undefined) return undefined;
  const megabytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1_024;
  return {
    cpuMilliseconds: threadsMilliseconds(pid) ?? (stat.ticks / TICKS_PER_SECOND) * 1_000,
    residentMegabytes: megabytes('VmRSS'),
    peakMegabytes: megabytes('VmHWM'),
  };
}

/** In nanoseconds where the kernel keeps them so: /proc/<pid>/stat only counts hundredths of a second. */
function threadsMilliseconds(pid: number): number | undefined {
  const threads = read(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  const nanoseconds = threads.map((thread) =>
    Number(read(() => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'))?.split(' ')[0] ?? 0),
  );
  const total = nanoseconds.reduce((sum, number) => sum + number, 0);
  return total > 0 ? total / 1e6 : undefined;
}

/** proc_pid_stat(5): the name stands in parentheses and may hold spaces, so the fields are counted from its end. */
function statFields(pid: number): { name: string; parent: number; ticks: number } | undefined {
  const text = read(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const [, name, rest] = /^\d+ \((.*)\) (.*)$/s.exec(text ?? '') ?? [];
  if (name === undefined || rest === undefined) return undefined;
  const fields = rest.split(' ');
  return { name, parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
}

/** Undefined if it is not there: another system, or a process that has ended meanwhile. */
function read<T>(reading: () => T): T | undefined {
  try {
    return reading();
  } catch {
    return undefined;
  }
}
