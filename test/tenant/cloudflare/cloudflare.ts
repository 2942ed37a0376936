/** A stand-in for the Zero Trust lists of a Cloudflare account, in memory, behind a `fetch` function. */
import type { ChaosKind } from '../chaos';
import type { Clock } from '../clock';
import type { Answer, Call } from '../exchange';
import { createFaultBook } from '../fault-book';
import type { FaultRule } from '../faults';
import { createFlights, type Flights } from '../flights';
import { createFrontDoor, type Fetch, type Hook, type RecordedRequest } from '../front-door';
import { guidSource } from '../guids';
import { respond } from '../wire';
import { type Behaviours, DEFAULTS } from './behaviours';
import { settled, throttled } from './refusals';
import { answerLists, BASE, makeList } from './routes';
import type { Entry, List } from './store';
import type { CloudflareKnobs, CloudflareWorld } from './world';

export const CLOUDFLARE_HOST = 'api.cloudflare.com';

export interface CloudflareOptions extends Partial<Behaviours> {
  clock: Clock;
  /** The tenant's, so that six requests in flight are six to both. */
  flights?: Flights;
  accountId?: string;
  token?: string;
  permission?: CloudflareKnobs['permission'];
  entriesPerList?: number;
  /** What one request takes. */
  latencyMs?: number | (() => number);
  random?: () => number;
}

export interface Cloudflare extends CloudflareKnobs {
  readonly accountId: string;
  client(name: string): Fetch;
  readonly requests: readonly RecordedRequest[];
  readonly violations: readonly string[];
  /** Empties `requests` and `maxInFlight`. */
  forgetRequests(): void;
  /** Patterns see "PATCH /lists/ID", without host, version and account. */
  fault(rule: FaultRule): { remove(): void; hits(): number };
  /** All kinds that Cloudflare has, unless some are named. */
  chaos(probability: number, kinds?: readonly ChaosKind[], on?: FaultRule['on']): void;
  before(hook: Hook): void;
  after(hook: Hook): void;

  /** What others do, and what is true now. A list is named by its id, or by its name if only one has it. */
  addList(list: { name: string; entries?: readonly Entry[] } & Partial<Omit<List, 'id' | 'entries'>>): string;
  changeList(idOrName: string, properties: Partial<Pick<List, 'name' | 'type' | 'description'>>): void;
  deleteList(idOrName: string): void;
  /** Puts entries there, in place of those that have the same value to the letter. */
  putEntries(idOrName: string, ...entries: Entry[]): void;
  removeEntry(idOrName: string, value: string): void;
  /** Lets a Worker write to a list that others have renamed meanwhile. */
  allowWritesTo(id: string): void;
  lists(): Omit<List, 'entries'>[];
  listsNamed(name: string): Omit<List, 'entries'>[];
  /** Oldest first. */
  entries(idOrName: string): { value: string; description: string | undefined }[];
}

/** (observed) or documented of Cloudflare; 408, 409 and a 404 for what is there are Graph's. */
const CHAOS: readonly ChaosKind[] = [
  ...(['throttled', 'throttledBare', 'unauthorized', 'internal', 'gateway', 'unavailable'] as const),
  ...(['unavailableBare', 'gatewayTimeout', 'broken', 'hang', 'endless', 'html', 'cut'] as const),
];
// docs: lists.mdx "API rate limit"
const WINDOW_MS = 60_000;
const BLOCK_MS = 120_000;
// (observed) cloudflare-gateway-pihole-scripts#111
const BLOCK_PAGE =
  '<!DOCTYPE html><html><head><title>Rate limited</title></head><body>Error 1015</body></html>';

export function createCloudflare(options: CloudflareOptions): Cloudflare {
  const { clock, flights, accountId, latencyMs = 0, random = Math.random, ...knobs } = options;
  const violations: string[] = [];
  const newId = guidSource(20260713);
  const world: CloudflareWorld = {
    ...DEFAULTS,
    ...{ token: 'zt-Token_of.the-stand-in~0123456789abcdef', permission: 'edit', entriesPerList: 1_000 },
    ...{ mostLists: 100, requestsPerMinute: 600, refusedValues: new Set(), foreignEntriesStay: true },
    ...knobs,
    ...{ clock, random, newId, maxInFlight: 0, store: new Map(), writable: new Set() },
    accountId: accountId ?? '7f3c9a1be04d42d8a65b0c91e2f7d384',
    violation: (text) => void violations.push(text),
  };
  const arrivals: number[] = [];
  let blockedUntil = Number.NEGATIVE_INFINITY;

  /** The reads count, too. */
  function block(): Answer | undefined {
    const now = clock.now();
    if (now >= blockedUntil) {
      arrivals.push(now);
      while ((arrivals[0] ?? now) <= now - WINDOW_MS) arrivals.shift();
      if (arrivals.length <= world.requestsPerMinute) return undefined;
      blockedUntil = now + BLOCK_MS;
      arrivals.length = 0;
    }
    const refusal = throttled((blockedUntil - now) / 1000);
    if (world.blocked === 'json') throw refusal;
    return { status: 429, headers: { ...refusal.headers, 'content-type': 'text/html' }, raw: BLOCK_PAGE };
  }

  const faults = createFaultBook(world);
  const door = createFrontDoor({
    ...{ world, faults, flights: flights ?? createFlights(world), identityProtectionMs: 0 },
    groupsWritten: () => [],
    latency: typeof latencyMs === 'number' ? () => latencyMs : latencyMs,
    handle: (call, signal) => door.answer(call, signal, async () => block() ?? answerLists(call, world)),
    dialect: { hosts: [CLOUDFLARE_HOST], toCall, toResponse, settled },
  });

  async function toCall(request: Request, client: string): Promise<Call> {
    const { href, pathname } = new URL(request.url);
    return {
      ...{ client, method: request.method, href, headers: request.headers, text: await request.text() },
      ...{ path: pathname.replace(BASE, ''), requestId: newId().replaceAll('-', '').slice(0, 16) },
      ...{ login: false, part: false, tooSoon: false, deaf: false },
    };
  }

  function toResponse(call: Call, answer: Answer): Response {
    const date = new Date(clock.now()).toUTCString();
    const type = answer.body === undefined ? {} : { 'content-type': 'application/json' };
    return respond(answer, { date, 'cf-ray': `${call.requestId}-FRA`, ...type, ...answer.headers });
  }

  function list(idOrName: string): List {
    const known = world.store.get(idOrName);
    const named = [...world.store.values()].filter(({ name }) => name === idOrName);
    const [only] = known ? [known] : named;
    if (only && (known || named.length === 1)) return only;
    throw new Error(`${named.length} lists named ${idOrName}`);
  }

  const stamped = (entry: Entry) => ({ ...entry, created_at: new Date(clock.now()).toISOString() });
  const shown = ({ entries: _, ...properties }: List) => properties;
  const lists = () => [...world.store.values()].map(shown);

  return Object.assign(world, {
    ...{ client: door.client, requests: door.requests, violations, fault: faults.add, lists },
    chaos: (probability: number, kinds: readonly ChaosKind[] = CHAOS, on?: FaultRule['on']) =>
      faults.chaos(probability, kinds, on),
    before: (hook: Hook) => door.addHook('before', hook),
    after: (hook: Hook) => door.addHook('after', hook),
    forgetRequests: () => {
      door.requests.length = 0;
      world.maxInFlight = 0;
    },
    addList: ({ entries = [], ...properties }: Parameters<Cloudflare['addList']>[0]) =>
      makeList(world, { type: 'EMAIL', description: '', ...properties, entries: entries.map(stamped) }).id,
    changeList: (name: string, properties: Partial<List>) => void Object.assign(list(name), properties),
    deleteList: (name: string) => void world.store.delete(list(name).id),
    putEntries: (name: string, ...entries: Entry[]) => {
      const target = list(name);
      const others = target.entries.filter((entry) => !entries.some(({ value }) => value === entry.value));
      target.entries = [...others, ...entries.map(stamped)];
    },
    removeEntry: (name: string, value: string) => {
      list(name).entries = list(name).entries.filter((entry) => entry.value !== value);
    },
    allowWritesTo: (id: string) => void world.writable.add(id),
    listsNamed: (name: string) => lists().filter((entry) => entry.name === name),
    entries: (name: string) => list(name).entries.map(({ value, description }) => ({ value, description })),
  });
}
