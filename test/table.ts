/** Who is in which group, as a table for a terminal: who came and who went stands out. */
import { GROUP_NAMES, type Level } from './tenant/names';

/** The members of each group, by name. */
export type Standing = Readonly<Record<Level, readonly string[]>>;

export const LEVELS = ['high', 'medium', 'low'] as const satisfies readonly Level[];

export interface Ink {
  strong(text: string): string;
  added(text: string): string;
  removed(text: string): string;
  faint(text: string): string;
  bad(text: string): string;
}

const paint = (code: string) => (text: string) => `\x1b[${code}m${text}\x1b[0m`;
const plain = (text: string) => text;

/** Colours where the output is a terminal that has them; Node heeds NO_COLOR and TERM=dumb. */
export function inkFor(stream: NodeJS.WriteStream): Ink {
  if (!stream.isTTY || !stream.hasColors())
    return { strong: plain, added: plain, removed: plain, faint: plain, bad: plain };
  return {
    strong: paint('1'),
    added: paint('1;32'),
    removed: paint('1;31'),
    faint: paint('2'),
    bad: paint('1;37;41'),
  };
}

export function groupTable(before: Standing, now: Standing, ink: Ink): string {
  return table('Members', (level) => memberLines(before[level], now[level], ink), ink);
}

/** Who of the members is isolated at Cloudflare, by this group or an earlier one, and who waits for Entra's regular provisioning cycle. */
export function cloudflareTable(now: Standing, arrived: Standing, ink: Ink): string {
  const line = (name: string) =>
    LEVELS.some((level) => arrived[level].includes(name))
      ? ink.added(`  ${name}: isolated`)
      : `  ${name}: waits for the regular cycle`;
  return table('At Cloudflare', (level) => [...now[level]].sort().map(line), ink);
}

function table(heading: string, linesOf: (level: Level) => readonly string[], ink: Ink): string {
  const width = Math.max(...LEVELS.map((level) => GROUP_NAMES[level].length)) + 3;
  const rows = LEVELS.flatMap((level) => {
    const people = linesOf(level);
    const names = [GROUP_NAMES[level], ...people.slice(1).map(() => '')];
    return people.map((person, index) => (names[index] ?? '').padEnd(width) + person);
  });
  return [ink.strong(`${'Group'.padEnd(width)}  ${heading}`), ...rows].join('\n');
}

function memberLines(before: readonly string[], now: readonly string[], ink: Ink): string[] {
  const people = [...new Set([...before, ...now])].sort();
  if (people.length === 0) return [ink.faint('  (nobody)')];
  return people.map((name) => {
    if (!before.includes(name)) return ink.added(`+ ${name}`);
    if (!now.includes(name)) return ink.removed(`- ${name}`);
    return `  ${name}`;
  });
}
