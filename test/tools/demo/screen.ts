/** How the demo looks: a hundred columns wide, with `*` at each change, and colours where the terminal has them. */
import { type Person, SCIM_CYCLE_MINUTES } from './story';

const WIDTH = 100;
const MINUTE_WIDTHS = [15, 17, 10, 14, 10, 23, 9];
const END_WIDTHS = [15, 10, 14, 10, 20, 20];

/** Node heeds NO_COLOR and TERM=dumb. */
const hasColours = process.stdout.isTTY && process.stdout.hasColors();
const paint = (code: string) => (text: string) => (hasColours ? `\x1b[${code}m${text}\x1b[0m` : text);
export const strong = paint('1');
export const bad = paint('1;37;41');
const changed = paint('1;33');

export type Pair = readonly [now: Person, before: Person];

export const title = (text: string) => `\n${strong(`== ${text} `.padEnd(WIDTH, '='))}`;

export function minuteTable(minute: number, people: readonly Pair[]): string {
  const wait = `, SCIM in ${SCIM_CYCLE_MINUTES - (minute % SCIM_CYCLE_MINUTES)} min`;
  const rows = people.map(([now, before]) => {
    const cell = (field: keyof Person, text: string = now[field]) => (now[field] === before[field] ? ' ' : '*') + text;
    return [
      cell('name'),
      cell('risk', now.risk === before.risk ? now.risk : `${before.risk} -> ${now.risk}`),
      ...[cell('list'), cell('byLists'), cell('group')],
      ...[cell('known', now.known + (now.known === now.group ? '' : wait)), cell('byGroups')],
    ];
  });
  const heading = [' Person', ' Risk', ' in list', ' browser', ' in group', ' known to Cloudflare', ' browser'];
  return table(MINUTE_WIDTHS, [['', '', ' LISTS', '', ' GROUPS'], heading], rows);
}

export function beforeAndAfter(people: readonly Pair[]): string {
  const rows = people.map(([now, before]) =>
    [now.name, before.risk, before.byLists, now.risk, now.byLists, now.byGroups].map((text) => ` ${text}`),
  );
  const heading = [' Person', ' risk', ' browser', ' risk', ' browser by lists', ' browser by groups'];
  return table(END_WIDTHS, [['', ' BEFORE', '', ' AFTER'], heading], rows);
}

type Cells = readonly (readonly string[])[];

function table(widths: readonly number[], headings: Cells, rows: Cells): string {
  const padded = (cells: readonly string[]) => cells.map((text, index) => text.padEnd(widths[index] ?? 0));
  const marked = (text: string) => (text.startsWith('*') ? changed(text) : text);
  return [
    ...headings.map((cells) => strong(padded(cells).join('').trimEnd())),
    ...rows.map((cells) => padded(cells).map(marked).join('').trimEnd()),
    ' The others have no risk, are in no list and no group, and their browsers are normal.',
  ].join('\n');
}
