/** A stand-in for the Zero Trust lists of a Cloudflare account, in cache, behind a `fetch` function. */
import type { Clock } from '../clock';
import { createFlights, createFrontDoor, type Flights } from '../front-door';
import { guidSource } from '../guids';
import { oneOf } from '../names';
import { type Behaviours, DEFAULTS } from './behaviours';
import { settled, throttled } from './refusals';
import { answerLists, BASE, makeList } from './routes';
import type { CloudflareKnobs, CloudflareWorld, Entry, List } from './store';

export const CLOUDFLARE_HOST = 'api.cloudflare.com';

export interface CloudflareOptions extends Partial<Behaviours> {
  clock: Clock;
  /** The tenant's, so that six requests in flight are six to both. */
  flights?: Flights;
  entriesPerList?: number;
  /** What one request takes. */
  latencyMs?: number | (() => number);
  random?: () => number;
}

/** For faults a path is "/lists/ID", without host, version and account. */
export type Cloudflare = ReturnType<typeof createCloudflare>;

type NewList = { name: string; entries?: readonly Entry[] } & Partial<Omit<List, 'id' | 'entries'>>;

// docs: lists.mdx "API rate limit"
const WINDOW_MS = 60_000;
const BLOCK_MS = 120_000;

export function createCloudflare(options: CloudflareOptions) {
  const { clock, flights, latencyMs, random = Math.random, ...knobs } = options;
  const newId = guidSource(20260713);
  const world: CloudflareWorld = {
    ...DEFAULTS,
    ...{ token: 'zt-Token_of.the-stand-in~0123456789abcdef', permission: 'edit', entriesPerList: 1_000 },
    ...{ requestsPerMinute: 600, refusedValues: new Set(), foreignEntriesStay: true },
    ...knobs,
    ...{ clock, random, newId, violations: [], maxInFlight: 0, store: new Map(), writable: new Set() },
    accountId: '7f3c9a1be04d42d8a65b0c91e2f7d384',
  };
  const arrivals: number[] = [];
  let blockedUntil = Number.NEGATIVE_INFINITY;

  /** The reads count, too. */
  function block(): void {
    const now = clock.now();
    if (now >= blockedUntil) {
      arrivals.push(now);
      while ((arrivals[0] ?? now) <= now - WINDOW_MS) arrivals.shift();
      if (arrivals.length <= world.requestsPerMinute) return;
      blockedUntil = now + BLOCK_MS;
      arrivals.length = 0;
    }
    throw throttled((blockedUntil - now) / 1000);
  }

  const door = createFrontDoor({
    ...{ world, flights: flights ?? createFlights(world), latencyMs, settled },
    hosts: [CLOUDFLARE_HOST],
    handle: (call, signal) =>
      door.answer(call, signal, async () => {
        block();
        return answerLists(call, world);
      }),
    contentType: 'application/json',
    place: ({ pathname }) => {
      const requestId = newId().replaceAll('-', '').slice(0, 16);
      return { path: pathname.replace(BASE, ''), login: false, requestId };
    },
    headers: ({ requestId }) => ({ 'cf-ray': `${requestId}-FRA` }),
  });

  const shown: CloudflareKnobs & Pick<CloudflareWorld, 'accountId' | 'maxInFlight'> = world;
  return Object.assign(shown, door.controls, createAdmin(world));
}

/** What others do, and what is true now. A list is named by its id, or by its name if only one has it. */
function createAdmin(world: CloudflareWorld) {
  const list = (idOrName: string) => oneOf(world.store, idOrName, ({ name }) => name);
  const lists = () => [...world.store.values()].map(({ entries: _, ...properties }) => properties);
  return {
    lists,
    listsNamed: (name: string) => lists().filter((entry) => entry.name === name),
    addList: ({ entries = [], ...properties }: NewList) =>
      makeList(world, { type: 'EMAIL', description: '', ...properties, entries: [...entries] }).id,
    changeList: (name: string, properties: Partial<Pick<List, 'name' | 'type' | 'description'>>) =>
      void Object.assign(list(name), properties),
    deleteList: (name: string) => void world.store.delete(list(name).id),
    /** Oldest first. */
    entries: (name: string) => list(name).entries.map(({ value, description }) => ({ value, description })),
    /** Puts entries there, in place of those that have the same value to the letter. */
    putEntries: (name: string, ...entries: Entry[]) => {
      const target = list(name);
      const others = target.entries.filter((entry) => !entries.some(({ value }) => value === entry.value));
      target.entries = [...others, ...entries];
    },
    removeEntry: (name: string, value: string) => {
      list(name).entries = list(name).entries.filter((entry) => entry.value !== value);
    },
    /** Lets a Worker write to a list that others have renamed meanwhile. */
    allowWritesTo: (id: string) => void world.writable.add(id),
  };
}
