/** The checklist of the preview: its checks, their order along the chain, and the verdict. */

export const LINKS = ['settings', 'sign-in', 'Entra ID Protection', 'groups', 'lists', 'SCIM', 'Cloudflare'] as const;
export type Link = (typeof LINKS)[number];

/** A line with its mark; `!!` comes with the remedy, `??` (not examined) with what would let it be examined. */
export type Said = `${'ok' | '!!' | '??'} ${string}`;
export type Line = readonly [link: Link, said: Said];
export type Find = () => Promise<Said | readonly Said[]> | Said | readonly Said[];
export type Check = readonly [link: Link, what: string, find: Find];

export const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Why something cannot be examined: a sentence that names what would let it be. `cause`: the status that refused it. */
export class Unexamined extends Error {}

/** What the checks say, in the order of the chain. What one link cannot examine for the same reason is one line. */
export async function examine(checks: readonly Check[]): Promise<Line[]> {
  const found = await Promise.allSettled(checks.map(async ([, , find]) => [await find()].flat()));
  return LINKS.flatMap((link): Line[] => {
    const open = new Map<string, string[]>();
    const own = checks.flatMap(([of, what], index): Line[] => {
      const one = found[index];
      if (of !== link || !one) return [];
      if (one.status === 'fulfilled') return one.value.map((said) => [link, said]);
      if (!(one.reason instanceof Unexamined)) throw one.reason;
      open.set(one.reason.message, [...(open.get(one.reason.message) ?? []), what]);
      return [];
    });
    const unexamined = [...open].map(([why, whats]): Line => [link, `?? ${whats.join('; ')}: not examined. ${why}`]);
    return [...own, ...unexamined];
  });
}

/** One line for each, and a last one: ready, or the first thing to do. */
export function render(lines: readonly Line[]): { good: boolean; text: string } {
  const width = Math.max(...LINKS.map(({ length }) => length));
  const rows = lines.map(([link, said]) => `${said.slice(0, 2)}  ${link.padEnd(width)} ${said.slice(2)}`);
  const first = lines.find(([, said]) => said.startsWith('!!'));
  const open = lines.filter(([, said]) => said.startsWith('??')).length;
  const asFar = `Ready as far as this was examined: ${counted(open, 'line')} with ?? above ${open === 1 ? 'says' : 'say'} what was not.`;
  const ready = open > 0 ? asFar : 'Ready: every link of the chain was examined, and none is missing.';
  const verdict = first ? `Not ready. First, ${first[0]}: ${first[1].slice(3)}` : ready;
  return { good: first === undefined, text: [...rows, '', verdict].join('\n') };
}
