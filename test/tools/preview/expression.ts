/** What a Gateway policy's identity expression says of one group or list: a small part of wirefilter. */

/** Whoever is known only to be in this group or list: by each field in which it may be named; `$` is that of lists. */
export type Subject = Readonly<Partial<Record<string, string | undefined>>>;
export const GROUP_ID = 'identity.groups.id';
export const GROUP_NAME = 'identity.groups.name';
export const LIST = 'identity.email $';

/**
 * `field operator value`. developers.cloudflare.com/cloudflare-one/traffic-policies/expression-syntax and identity-selectors:
 * `any(identity.groups[*].id in {"…"})`, also written `identity.groups.id[*]`; lists: `identity.email in $<uuid>` (facts 13).
 */
const PREDICATE =
  /([a-z_]\w*(?:\.\w+|\[\*\]|\["[^"]*"\])+)\s*(==|!=|in|matches|~|>=|<=|>|<)\s*(\{[^}]*\}|\$[\da-f-]+|"(?:[^"\\]|\\.)*"|[\w.]+)/gi;
const STRING = /"((?:[^"\\]|\\.)*)"/g;

export const ID = /^[\da-f-]{32,36}$/i;
/** Ids are compared without dashes, in lower case. */
export const bare = (text: string) => (ID.test(text) ? text.toLowerCase().replaceAll('-', '') : text);

const predicatesOf = (expression: string) =>
  [...expression.matchAll(PREDICATE)].map(([, field = '', , value = '']) => {
    // A name may come with quotation marks of its own: selectors/user-group-names.mdx.
    const strings = [...value.matchAll(STRING)].map(([, text = '']) => text.replaceAll(/\\?"|\\(?=.)/g, ''));
    const isList = value.startsWith('$');
    const values = isList ? [value.slice(1)] : strings;
    return { field: field.replaceAll('[*]', '') + (isList ? ' $' : ''), values };
  });

export const valuesIn = (expression: string, wanted: string) =>
  predicatesOf(expression).flatMap(({ field, values }) => (field === wanted ? values : []));

export function names(expression: string, subject: Subject): boolean {
  const isNamed = (field: string, value = '') => value && valuesIn(expression, field).map(bare).includes(bare(value));
  return Object.entries(subject).some(([field, value]) => isNamed(field, value));
}

/**
 * Whether the expression holds for everyone in the group or list; an empty one holds for everybody. Of more than a row
 * of alternatives nothing is said here ('perhaps'): a person has to read it.
 */
export function matches(expression: string, subject: Subject): 'yes' | 'perhaps' | 'no' {
  if (expression.trim() === '') return 'yes';
  const isPositive = (operator: string) => ['==', 'in'].includes(operator);
  const positive = expression.replaceAll(PREDICATE, (text, _, operator) => (isPositive(operator) ? text : ''));
  if (!names(positive, subject)) return 'no';
  const rest = expression.replaceAll(PREDICATE, '').replaceAll(/\bany\b|\bor\b|[()\s]/g, '');
  return rest === '' ? 'yes' : 'perhaps';
}
