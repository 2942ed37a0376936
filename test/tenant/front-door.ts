/** Takes every request to a stand-in: notes it, watches what no Worker may do, lets faults befall it, has it answered. */
import { connectionLost } from './errors';
import { type Answer, type Call, isRiskCall, parseJson } from './exchange';
import { createFaultBook, TOLERANCE_MS } from './fault-book';
import type { Service } from './world';

export interface RecordedRequest extends Pick<Call, 'client' | 'method' | 'path'> {
  at: number;
  /** Unset while the request is under way. */
  endedAt?: number;
  /** 0 as long as there is no answer. */
  status: number;
  /** JSON as its value, anything else as text. */
  body: unknown;
  batch?: readonly Pick<Call, 'method' | 'path'>[];
}

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
type Hook = (request: RecordedRequest) => void;

/** In what Graph and Cloudflare differ. */
interface Needs {
  world: Service;
  hosts: readonly string[];
  flights: Flights;
  /** What one request takes. */
  latencyMs: number | (() => number) | undefined;
  identityProtectionMs?: number;
  groupsWritten?(call: Call): string[];
  /** Where a request has arrived. */
  place(url: URL): Pick<Call, 'path' | 'login' | 'requestId'>;
  contentType: string;
  headers(call: Call): Record<string, string>;
  /** The answer of `work`; a refusal becomes the answer that the service would give. */
  settled(call: Call, work: () => Promise<Answer>): Promise<Answer>;
  /** Answers what goes to the service, faults included. */
  handle(call: Call, signal: AbortSignal | undefined, record: RecordedRequest): Promise<Answer>;
}

const REDIRECTS = [301, 302, 303, 307, 308];
const BODY_OF_NONE = [101, 204, 205, 304];

export function createFrontDoor(needs: Needs) {
  const { world, flights, latencyMs = 0, identityProtectionMs = 0 } = needs;
  const faults = createFaultBook(world);
  const requests: RecordedRequest[] = [];
  const hooks: Record<'before' | 'after', Hook[]> = { before: [], after: [] };
  const lastRiskCall = new Map<string, number>();

  async function serve(client: string, input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
    if (signal?.aborted) throw signal.reason;
    const record = note(client, request);
    const flight = flights(client);
    signal?.addEventListener('abort', flight.end);
    try {
      const place = { ...needs.place(new URL(request.url)), part: false, tooSoon: false, deaf: false };
      // workerd warns of a form that is read as text.
      const text = new TextDecoder().decode(await request.arrayBuffer());
      const { method, url: href, headers } = request;
      const call: Call = { ...place, client, method, href, headers, text };
      record.body = parseJson(call.text) ?? call.text;
      record.path = call.path;
      runHooks('before', record);
      flight.writes(needs.groupsWritten?.(call) ?? []);
      watchPace(call);
      const half = (typeof latencyMs === 'number' ? latencyMs : latencyMs()) / 2;
      await pause(half, signal);
      const answer = await unlessAborted(needs.handle(call, signal, record), signal, () => call.deaf);
      await pause(half, signal);
      record.status = answer.status;
      const location = answer.headers['location'];
      // Whoever lets redirects be followed sends the token wherever they lead.
      if (REDIRECTS.includes(answer.status) && request.redirect === 'follow' && location)
        return await serve(client, new URL(location, request.url), init);
      return respond(answer, needs.contentType, needs.headers(call));
    } finally {
      record.endedAt = world.clock.now();
      flight.end();
      runHooks('after', record);
    }
  }

  function note(client: string, { method, url }: Request): RecordedRequest {
    const { protocol, host, pathname } = new URL(url);
    const record: RecordedRequest = { client, at: world.clock.now(), method, path: pathname, status: 0, body: '' };
    requests.push(record);
    if (protocol === 'https:' && needs.hosts.includes(host)) return record;
    record.endedAt = record.at;
    world.violations.push(`a request to another host: ${method} ${url}`);
    throw connectionLost();
  }

  function runHooks(when: 'before' | 'after', record: RecordedRequest): void {
    for (const hook of hooks[when]) {
      try {
        hook(record);
      } catch (error) {
        // Thrown on, it would look to the Worker like a broken connection.
        world.violations.push(`${when} ${record.method} ${record.path}: ${error}`);
      }
    }
  }

  async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    if (milliseconds > 0) await world.clock.sleep(milliseconds, signal);
    if (signal?.aborted) throw signal.reason;
  }

  /** I8: a Worker leaves a second between two of its own, whatever others do. */
  function watchPace(call: Call): void {
    if (isRiskCall(call) && tooSoon(`client ${call.client}`))
      world.violations.push(`${call.client} called Identity Protection twice within a second`);
  }

  /** throttling-limits: one request a second for all of Identity Protection, and refused ones accrue, too. */
  function tooSoon(who: string): boolean {
    const now = world.clock.now();
    const last = lastRiskCall.get(who) ?? Number.NEGATIVE_INFINITY;
    lastRiskCall.set(who, now);
    return now - last < identityProtectionMs - TOLERANCE_MS;
  }

  /** One request or one part of a batch: a fault if there is any for it, or the truth. */
  async function answer(call: Call, signal: AbortSignal | undefined, truth: () => Promise<Answer>): Promise<Answer> {
    if (call.part) watchPace(call);
    if (isRiskCall(call)) call.tooSoon = tooSoon('everyone');
    const early = faults.early(call);
    if (early) return early;
    const fault = faults.pick(call);
    call.deaf = fault?.deaf ?? false;
    const process = () => needs.settled(call, truth);
    const given = await (fault ? needs.settled(call, () => fault.give({ world, call, signal, process })) : process());
    faults.remember(call, given);
    return given;
  }

  /** What tests see of either stand-in and do with it. */
  const controls = {
    ...{ requests, violations: world.violations, fault: faults.add, chaos: faults.chaos },
    /** What one of several Workers is given instead of the world's `fetch`; the rules about one client hold for each. */
    client: (name: string): Fetch => {
      return (input, init) => serve(name, input, init);
    },
    before: (hook: Hook) => void hooks.before.push(hook),
    after: (hook: Hook) => void hooks.after.push(hook),
    /** Empties `requests` and `maxInFlight`. */
    forgetRequests: () => {
      requests.length = 0;
      world.maxInFlight = 0;
    },
  };
  return { answer, controls };
}

function respond(answer: Answer, type: string, headers: Record<string, string>): Response {
  const json = answer.body === undefined ? null : JSON.stringify(answer.body);
  const body = BODY_OF_NONE.includes(answer.status) ? null : (answer.raw ?? json);
  const typed = json === null ? headers : { ...headers, 'content-type': type };
  return new Response(body, { status: answer.status, headers: { ...typed, ...answer.headers } });
}

/** `work`, or the end that aborting its signal brings, whichever comes first. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined, deaf: () => boolean): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener('abort', () => deaf() || reject(signal.reason));
  });
  return Promise.race([work, aborted]);
}

/** Which requests are under way: at most six of a client, and one writer to a group. */
export type Flights = ReturnType<typeof createFlights>;

// Cloudflare docs, workers/platform/limits: six connections may wait for response headers at once.
const MOST_IN_FLIGHT = 6;

export function createFlights(world: Service) {
  const flying = new Set<{ client: string; groups: readonly string[] }>();

  /** A request of that client takes off. */
  return (client: string) => {
    const flight = { client, groups: [] as readonly string[] };
    const others = () => [...flying].filter((other) => other !== flight && other.client === client);
    flying.add(flight);
    const count = others().length + 1;
    world.maxInFlight = Math.max(world.maxInFlight, count);
    if (count > MOST_IN_FLIGHT) world.violations.push(`${count} requests of ${client} in flight`);
    return {
      /** The groups that the request changes. */
      writes: (groups: readonly string[]) => {
        const shared = groups.find((group) => others().some((other) => other.groups.includes(group)));
        if (shared) world.violations.push(`two writers to group ${shared} at once`);
        flight.groups = groups;
      },
      end: () => void flying.delete(flight),
    };
  };
}
