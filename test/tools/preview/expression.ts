/** What the expressions of a policy compare, and whether it holds for a group or a list. */

/** The fields in which a policy's identity expression may name a group or a list; `$` is that of lists. */
export const GROUP_ID = 'identity.groups.id';
export const GROUP_NAME = 'identity.groups.name';
export const LIST = 'identity.email $';
type Subject = Readonly<Record<string, string | undefined>>;

/**
 * `field operator value`. developers.cloudflare.com/cloudflare-one/traffic-policies/expression-syntax and identity-selectors:
 * `any(identity.groups[*].id in {"…"})`, also written `identity.groups.id[*]`; lists: `identity.email in $<uuid>` (facts 13).
 */
const PREDICATE =
  /([a-z_]\w*(?:\.\w+|\[\*\]|\["[^"]*"\])+)\s*(==|!=|in|matches|~|>=|<=|>|<)\s*(\{[^}]*\}|\$[\da-f-]+|"(?:[^"\\]|\\.)*"|[\w.]+)/gi;
const PATTERNS = ['matches', '~'];
const STRING = /"((?:[^"\\]|\\.)*)"/g;
/** Of every host, as README writes it. */
const ALL_TRAFFIC = /^\s*http\.request\.host\s+matches\s*"\.\*"\s*$/;
export const ID = /^[\da-f-]{32,36}$/i;

/** Ids are compared without dashes, in lower case. */
export const bare = (text: string) => (ID.test(text) ? text.toLowerCase().replaceAll('-', '') : text);

/** What an expression compares with what. A name may come with quotation marks of its own (selectors/user-group-names). */
function comparisonsIn(expression: string) {
  return [...expression.matchAll(PREDICATE)].flatMap(([, path = '', operator = '', value = '']) => {
    const field = `${path.replaceAll('[*]', '')}${PATTERNS.includes(operator) ? ' ~' : ''}`;
    if (value.startsWith('$')) return { field: `${field} $`, value: value.slice(1) };
    return [...value.matchAll(STRING)].map(([, text = '']) => ({ field, value: text.replaceAll(/\\?"|\\(?=.)/g, '') }));
  });
}

export const valuesIn = (expression: string, ...wanted: string[]) =>
  comparisonsIn(expression).flatMap(({ field, value }) => (wanted.includes(field) ? value : []));

export const names = (expression: string, subject: Subject) =>
  comparisonsIn(expression).some(({ field, value }) => value !== '' && bare(value) === bare(subject[field] ?? ''));

type Conditions = Readonly<Record<'identity' | 'traffic' | 'device_posture', string>>;

/** Whether it holds for everyone in the group or list. More than a row of alternatives ('perhaps') a person has to read. */
export function verdictOf({ identity, traffic, device_posture }: Conditions, subject: Subject) {
  const isOfAllTraffic = `${traffic.replace(ALL_TRAFFIC, '')}${device_posture}`.trim() === '';
  // One for everybody's visits to some sites is another policy.
  if (identity.trim() === '') return isOfAllTraffic ? 'yes' : 'no';
  const isPositive = (operator: string) => ['==', 'in'].includes(operator);
  const positive = identity.replaceAll(PREDICATE, (text, _, operator) => (isPositive(operator) ? text : ''));
  const patterns = valuesIn(identity, ...Object.keys(subject).map((field) => `${field} ~`));
  if (!names(positive, subject)) return patterns.length > 0 ? 'perhaps' : 'no';
  const rest = identity.replaceAll(PREDICATE, '').replaceAll(/\bany\b|\bor\b|[()\s]/g, '');
  return rest === '' && isOfAllTraffic ? 'yes' : 'perhaps';
}
