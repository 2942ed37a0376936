/** The lists of an account, the knobs that a test may turn, and the rules by which a PATCH changes a list: whole or not at all. */
import { isGuid } from '../guids';
import type { Service } from '../world';
import type { Behaviours } from './behaviours';
import { refused, refusedItem } from './refusals';

export type Entry = { value: string; description?: string };

export interface List {
  id: string;
  name: string;
  /** 'EMAIL' for ours (cloudflare 7.3.0, zero-trust/gateway/lists: `ListType`). */
  type: string;
  description: string;
  created_at: string;
  entries: Entry[];
}

export type Change = { append: readonly Entry[]; remove: readonly string[] };

export interface CloudflareKnobs extends Behaviours {
  /** Rolled by an administrator, the Worker's is unknown at once. */
  token: string;
  /** Account > Zero Trust. */
  permission: 'none' | 'read' | 'edit';
  /** docs: account-limits.mdx; 5,000 on Enterprise. */
  entriesPerList: number;
  /** docs: lists.mdx "API rate limit" */
  requestsPerMinute: number;
  /** Values that are refused as malformed though they look well. */
  readonly refusedValues: Set<string>;
  /** I5: whoever removes an entry whose description is no object id does what no Worker may. */
  foreignEntriesStay: boolean;
}

export interface CloudflareWorld extends Service, CloudflareKnobs {
  readonly accountId: string;
  readonly store: Map<string, List>;
  /** Lists that may be written whatever their name. */
  readonly writable: Set<string>;
  newId(): string;
}

// RFC 5321, 4.1.2 without quoted strings; what exactly Cloudflare takes is not known.
const ADDRESS = /^[\w.!#$%&'*+/=?^`{|}~-]+@([a-z\d]([a-z\d-]*[a-z\d])?\.)+[a-z]{2,}$/i;
const LONGEST_ADDRESS = 254;

/** Throws a refusal, and then nothing has changed. */
export function changeList(world: CloudflareWorld, list: List, { append, remove }: Change): void {
  const key = (value: string) => (world.matching === 'exact' ? value : value.toLowerCase());
  const stored = (value: string) => (world.storing === 'as given' ? value : value.toLowerCase());
  const present = new Set(list.entries.map(({ value }) => key(value)));
  const gone = new Set(remove.map(key));
  for (const value of remove)
    if (world.absent === 'refused' && !present.has(key(value))) throw refusedItem(value, 'item does not exist');

  const fresh: Entry[] = [];
  const seen = new Set<string>();
  for (const { value, description } of append) {
    if (world.refusedValues.has(value.toLowerCase()) || !isAddress(value)) throw refusedItem(value, 'invalid email');
    if ((description ?? '').length > world.longestDescription) throw refusedItem(value, 'description is too long');
    const place = key(stored(value));
    // docs: lists.mdx "Lists cannot have duplicate entries"; that both in one PATCH are refused is inferred.
    if (seen.has(place) || gone.has(place)) throw refusedItem(value, 'duplicate item');
    seen.add(place);
    if (!present.has(place)) fresh.push({ value: stored(value), ...(description !== undefined && { description }) });
    else if (world.present === 'refused') throw refusedItem(value, 'duplicate item');
  }

  const kept = list.entries.filter(({ value }) => !gone.has(key(value)));
  if (fresh.length > 0 && kept.length + fresh.length > world.entriesPerList)
    throw refused(`list exceeds the limit of ${world.entriesPerList} items`);
  const foreign = list.entries.find(({ value, description }) => gone.has(key(value)) && !isGuid(description ?? ''));
  if (foreign && world.foreignEntriesStay)
    world.violations.push(`an entry of somebody else was removed: ${foreign.value}`);
  list.entries = [...kept, ...fresh];
}

const isAddress = (value: string) => value.length <= LONGEST_ADDRESS && ADDRESS.test(value);
