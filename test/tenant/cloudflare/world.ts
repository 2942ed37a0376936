/** What the routes of the stand-in Cloudflare work with: the lists, and the knobs that a test may turn. */
import type { Service } from '../world';
import type { Behaviours } from './behaviours';
import type { Store } from './store';

export type Permission = 'none' | 'read' | 'edit';

export interface CloudflareKnobs extends Behaviours {
  /** Rolled by an administrator, the Worker's is unknown at once. */
  token: string;
  /** Account > Zero Trust. */
  permission: Permission;
  /** docs: account-limits.mdx; 5,000 on Enterprise. */
  entriesPerList: number;
  /** docs: account-limits.mdx */
  mostLists: number;
  /** docs: lists.mdx "API rate limit" */
  requestsPerMinute: number;
  /** Values that are refused as malformed though they look well. */
  readonly refusedValues: Set<string>;
  /** I5: whoever removes an entry whose description is no object id does what no Worker may. */
  foreignEntriesStay: boolean;
  /** The most requests that one client had under way at once, unless the tenant counts them. */
  maxInFlight: number;
}

export interface CloudflareWorld extends Service, CloudflareKnobs {
  readonly accountId: string;
  readonly store: Store;
  /** Lists that may be written whatever their name. */
  readonly writable: Set<string>;
  newId(): string;
}
