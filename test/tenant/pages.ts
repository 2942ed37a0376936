/** Pages of a list behind opaque next links, each good only exactly as it was given out (concepts/paging.md). */
import { GraphRefusal } from './errors';
import type { Call } from './exchange';

export interface Pages {
  /** What is left to list: what the token in the link stands for, or everything. */
  rest(call: Call, everything: () => readonly string[]): Rest;
  cut(call: Call, rest: Rest, size: number, emptyPages: boolean): Page;
}

interface Rest {
  /** Everything there was when the first page was asked for. */
  ids: readonly string[];
  from: number;
  /** The page before this one was one of the empty pages. */
  afterEmpty: boolean;
}

interface Page {
  ids: readonly string[];
  link: { '@odata.nextLink'?: string };
}

// Long runs at scale would otherwise keep every list that was ever read.
const MOST_TOKENS = 2_000;

export function createPages(newId: () => string): Pages {
  const tokens = new Map<string, { href: string; rest: Rest }>();

  function rest(call: Call, everything: () => readonly string[]): Rest {
    const token = new URL(call.href).searchParams.get('$skiptoken');
    if (token === null) return { ids: everything(), from: 0, afterEmpty: false };
    const known = tokens.get(token);
    if (known?.href === call.href) return known.rest;
    // concepts/paging.md: "Do not try to extract the `$skiptoken`"; the refusal and its text are inferred.
    throw new GraphRefusal(400, 'BadRequest', 'The next link is not the one that was returned.');
  }

  function cut(call: Call, { ids, from, afterEmpty }: Rest, size: number, emptyPages: boolean): Page {
    const empty = emptyPages && !afterEmpty;
    const here = empty ? [] : ids.slice(from, from + size);
    const left = { ids, from: from + here.length, afterEmpty: empty };
    // After the last page with something on it comes one more empty one.
    const more = left.from < ids.length || (emptyPages && here.length > 0);
    return { ids: here, link: more ? { '@odata.nextLink': link(call, left) } : {} };
  }

  function link(call: Call, left: Rest): string {
    const [base, query = ''] = call.href.split('?');
    const kept = query.split('&').filter((option) => option !== '' && !/^(\$|%24)skiptoken=/i.test(option));
    // A token with characters that must stay encoded, as Graph's have (observed).
    const token = `RFNwdAIAAQ/${newId()}+A==`;
    const href = new URL(`${base}?${[...kept, `$skiptoken=${encodeURIComponent(token)}`].join('&')}`).href;
    tokens.set(token, { href, rest: left });
    const [oldest] = tokens.keys();
    if (tokens.size > MOST_TOKENS && oldest) tokens.delete(oldest);
    return href;
  }

  return { rest, cut };
}
