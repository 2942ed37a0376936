/** The rules that the witnesses of both destinations judge by. */
import type { Standing } from './reading';
import type { Judge } from './witness';

/** Whether it is broken, and what to say then. */
export type Rules = readonly (readonly [isBroken: unknown, why: string])[];
const LOOKUPS_APART_MS = 2_000;

export function noteBroken(wrong: string[], what: string, rules: Rules): void {
  for (const [isBroken, why] of rules) if (isBroken) wrong.push(`${what}, ${why}`);
}

/** For a removal of somebody who is not at risk by the first reading; adds them to `released`. */
export const releaseRules = ({ readings, maxRemovals }: Judge, user: string, released: Set<string>): Rules =>
  readings[0]?.standings.has(user)
    ? []
    : [
        [readings[1]?.standings.has(user) !== false, 'I3: no second reading confirms that they are released'],
        [released.add(user).size > maxRemovals, `more than ${maxRemovals} are released`],
      ];

/** For a removal from a level, of somebody who stands so by a reading; `isThere`: they are known to be there. */
export const standingRules = (standing: Standing | undefined, level: unknown, isThere: boolean): Rules => [
  [standing === 'doubt', 'I3: they are in doubt'],
  [standing === level, 'I4: they are at risk at this level'],
  [standing && standing !== 'doubt' && standing !== level && !isThere, `I4: not known to be in ${standing}`],
];

/** For a creation, which two whole lookups must precede, the last ones; adds the name to `asked`. */
export function creationRules<Lookup extends { startMs: number; endMs: number }>(
  lookups: readonly Lookup[],
  name: string,
  asked: Set<string>,
  isFound: (lookup: Lookup) => boolean,
): Rules {
  const [first, second] = lookups.slice(-2);
  const wasAsked = asked.has(name);
  asked.add(name);
  return [
    [!second, 'I5: without two whole lookups'],
    [first && second && second.startMs - first.endMs < LOOKUPS_APART_MS, 'I5: the lookups were too near'],
    [lookups.slice(-2).some(isFound), 'I5: although it was found'],
    [wasAsked, 'I5: which may have been created before'],
  ];
}
