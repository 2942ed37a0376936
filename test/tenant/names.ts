/** Names for the people of the stand-in tenant, all made up, and the three groups that the Worker keeps. */

/** The only groups that a Worker may create or write (README). */
export const GROUP_NAMES = {
  high: 'IdentityProtection-RiskyUser-RiskLevel-high',
  medium: 'IdentityProtection-RiskyUser-RiskLevel-medium',
  low: 'IdentityProtection-RiskyUser-RiskLevel-low',
} as const;

export const isOurs = (name: unknown) => Object.values<unknown>(GROUP_NAMES).includes(name);

/** The one of that id, or of that name if no other has it. */
export function oneOf<T>(all: ReadonlyMap<string, T>, idOrName: string, nameOf: (one: T) => unknown): T {
  const known = all.get(idOrName.toLowerCase());
  const [one, ...more] = known ? [known] : [...all.values()].filter((other) => nameOf(other) === idOrName);
  if (one && more.length === 0) return one;
  throw new Error(`${one ? 'several are' : 'nothing is'} named ${idOrName}`);
}

const FIRST =
  'Ada Bruno Chiara Dmitri Elif Farid Greta Hiro Imani Jonas Katya Luis Mei Noor Olga Pavel Quinn Rosa'.split(' ');
const LAST = 'Lindqvist Moreau Okafor Petrov Sandoval Tanaka Novak Haddad Brandt Kaplan Ferreira Nyberg Osei'.split(
  ' ',
);

/** The name of the nth person; a few hundred differ, then they come again with a number. */
export function personName(n: number): string {
  const first = FIRST[n % FIRST.length];
  const last = LAST[(n + Math.floor(n / FIRST.length)) % LAST.length];
  const round = Math.floor(n / (FIRST.length * LAST.length));
  return round === 0 ? `${first} ${last}` : `${first} ${last} ${round + 1}`;
}

/** Entra keeps the case in which it was written (observed), so no two spellings may be taken for two people. */
export const upnOf = (name: string) => `${name.replaceAll(/[^A-Za-z0-9]+/g, '.')}@Contoso.example`;

/** entra: b2b user properties: the address at home with `_` for `@`, then `#EXT#`. */
export const guestUpn = (mail: string) => `${mail.replace('@', '_')}#EXT#@Contoso.example`;
