/** Pages of a list behind opaque next links, each good only exactly as it was given out (concepts/paging.md). */
import { malformed, unsupportedQuery } from './errors';
import { type Answer, type Call, ok, readQuery } from './exchange';
import type { World } from './world';

export interface Rest {
  /** Everything there was when the first page was asked for. */
  ids: readonly string[];
  from: number;
  /** The page before this one was one of the empty pages. */
  afterEmpty: boolean;
}

/** What a list can be asked for. */
export interface Listing {
  name: 'groups' | 'members' | 'riskyUsers';
  options: readonly string[];
  properties: readonly string[];
  usualPage: number;
  maximumPage: number;
}

/** What is left to list: what the token in the link stands for, or everything. */
function restOf(call: Call, world: World, everything: () => readonly string[]): Rest {
  const token = new URL(call.href).searchParams.get('$skiptoken');
  if (token === null) return { ids: everything(), from: 0, afterEmpty: false };
  const known = world.nextLinks.get(token);
  if (known?.href === call.href) return known.rest;
  // concepts/paging.md: "Do not try to extract the `$skiptoken`"; the refusal and its text are inferred.
  throw malformed('The next link is not the one that was returned.');
}

function linkTo(rest: Rest, call: Call, world: World): string {
  const [base, query = ''] = call.href.split('?');
  const kept = query.split('&').filter((option) => option !== '' && !/^(\$|%24)skiptoken=/i.test(option));
  // A token with characters that must stay encoded, as Graph's have (observed).
  const token = `RFNwdAIAAQ/${world.newId()}+A==`;
  const href = new URL(`${base}?${[...kept, `$skiptoken=${encodeURIComponent(token)}`].join('&')}`).href;
  world.nextLinks.set(token, { href, rest });
  return href;
}

export const context = (world: World, of: string) => ({
  '@odata.context': `https://${world.hosts.graph}/v1.0/$metadata#${of}`,
});

/** Reads what the call asks of the list, and gives what answers it: `show` tells what an id looks like by then, if it is still there. */
export function readListing(call: Call, world: World, { name, options, properties, usualPage, maximumPage }: Listing) {
  const query = readQuery(call, options);
  const select = query.get('$select')?.split(',');
  const odd = select?.find((one) => !properties.includes(one));
  // (observed)
  if (odd !== undefined) throw malformed(`Could not find a property named '${odd}'.`);
  const top = query.get('$top') ?? String(usualPage);
  // (observed) for groups. Maxima: learn:riskyuser-list, group-list-members; that more is refused is not documented.
  if (!/^\d+$/.test(top) || Number(top) < 1 || Number(top) > maximumPage)
    throw unsupportedQuery(`Invalid page size specified: '${top}'. Must be between 1 and ${maximumPage} inclusive.`);
  const { emptyPages = false, [name]: largest = maximumPage } = world.pageSizes;
  const size = Math.min(Number(top), largest);

  function answer(of: string, everything: () => readonly string[], show: (id: string) => object | undefined): Answer {
    const { ids, from, afterEmpty } = restOf(call, world, everything);
    const isEmpty = emptyPages && !afterEmpty;
    const here = isEmpty ? [] : ids.slice(from, from + size);
    const left = { ids, from: from + here.length, afterEmpty: isEmpty };
    // After the last page with something on it comes one more empty one.
    const more = left.from < ids.length || (emptyPages && here.length > 0);
    const next = more ? { '@odata.nextLink': linkTo(left, call, world) } : {};
    const shown = here.map(show).filter((entry) => entry !== undefined);
    return ok({ ...context(world, of), ...next, value: shown.map((entry) => pick(entry, select)) });
  }
  return { filter: query.get('$filter'), select, answer };
}

/** Only the properties asked for, those that it does not have as null, and the annotations. */
function pick(entity: object, names: readonly string[] | undefined): object {
  if (!names) return entity;
  const all = new Map<string, unknown>(Object.entries(entity));
  const annotations = [...all].filter(([name]) => name.startsWith('@'));
  return Object.fromEntries([...annotations, ...names.map((name) => [name, all.has(name) ? all.get(name) : null])]);
}
