/** Takes every request: notes it, watches what no Worker may do, lets faults befall it, and has it answered. */
import { connectionLost } from './errors';
import { type Answer, type Call, parseJson } from './exchange';
import type { FaultBook } from './fault-book';
import type { Flights } from './flights';
import { unlessAborted } from './wire';
import type { Service } from './world';

export interface RecordedRequest {
  client: string;
  at: number;
  /** Unset while the request is under way. */
  endedAt?: number;
  method: string;
  /** Without host, version and query; `/token` for the token endpoint. */
  path: string;
  url: string;
  /** 0 as long as there is no answer. */
  status: number;
  /** JSON as its value, anything else as text. */
  body: unknown;
  batch?: { method: string; path: string; status: number }[];
}

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
export type Hook = (request: RecordedRequest) => void;

export interface FrontDoor {
  client(name: string): Fetch;
  /** One request or one part of a batch: a fault if there is any for it, or the truth. */
  answer(call: Call, signal: AbortSignal | undefined, truth: () => Promise<Answer>): Promise<Answer>;
  readonly requests: RecordedRequest[];
  addHook(when: 'before' | 'after', hook: Hook): void;
}

/** In what Graph and Cloudflare differ before and after a route has its say. */
export interface Dialect {
  hosts: readonly string[];
  toCall(request: Request, client: string): Promise<Call>;
  toResponse(call: Call, answer: Answer): Response;
  /** The answer of `work`; a refusal becomes the answer that the service would give. */
  settled(call: Call, work: () => Promise<Answer>): Promise<Answer>;
}

interface Needs {
  world: Service;
  dialect: Dialect;
  faults: FaultBook;
  flights: Flights;
  latency(): number;
  identityProtectionMs: number;
  groupsWritten(call: Call): string[];
  /** Answers what goes to the service, faults included. */
  handle(call: Call, signal: AbortSignal | undefined, record: RecordedRequest): Promise<Answer>;
}

// Timers and clocks of two processes differ a little.
const TOLERANCE_MS = 2;
const REDIRECTS = [301, 302, 303, 307, 308];

export function createFrontDoor(needs: Needs): FrontDoor {
  const { world, dialect, faults, flights } = needs;
  const requests: RecordedRequest[] = [];
  const hooks: { when: 'before' | 'after'; hook: Hook }[] = [];
  const lastRiskCall = new Map<string, number>();

  async function serve(client: string, input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined);
    if (signal?.aborted) throw signal.reason;
    const record = note(client, request);
    const flight = flights.start(client);
    signal?.addEventListener('abort', flight.end);
    try {
      const call = await dialect.toCall(request, client);
      record.body = parseJson(call.text) ?? call.text;
      record.path = call.path;
      runHooks('before', record);
      flight.writes(needs.groupsWritten(call));
      watchPace(call);
      const half = needs.latency() / 2;
      await pause(half, signal);
      const answer = await unlessAborted(needs.handle(call, signal, record), signal, () => call.deaf);
      await pause(half, signal);
      record.status = answer.status;
      const location = answer.headers['location'];
      // Whoever lets redirects be followed sends the token wherever they lead.
      if (REDIRECTS.includes(answer.status) && request.redirect === 'follow' && location)
        return await serve(client, new URL(location, request.url), init);
      return dialect.toResponse(call, answer);
    } finally {
      record.endedAt = world.clock.now();
      flight.end();
      signal?.removeEventListener('abort', flight.end);
      runHooks('after', record);
    }
  }

  function note(client: string, { method, url }: Request): RecordedRequest {
    const { protocol, host, pathname } = new URL(url);
    const path = pathname.replace(/^\/v1\.0(?=\/)/, '');
    const record: RecordedRequest = { client, at: world.clock.now(), method, path, url, status: 0, body: '' };
    requests.push(record);
    if (protocol === 'https:' && dialect.hosts.includes(host)) return record;
    record.endedAt = record.at;
    world.violation(`a request to another host: ${method} ${url}`);
    throw connectionLost();
  }

  function runHooks(when: 'before' | 'after', record: RecordedRequest): void {
    for (const { hook } of hooks.filter((entry) => entry.when === when)) {
      try {
        hook(record);
      } catch (error) {
        // Thrown on, it would look to the Worker like a broken connection.
        world.violation(`${when} ${record.method} ${record.path}: ${error}`);
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
      world.violation(`${call.client} called Identity Protection twice within a second`);
  }

  /** throttling-limits: one request a second for all of Identity Protection, and refused ones accrue, too. */
  function tooSoon(who: string): boolean {
    const now = world.clock.now();
    const last = lastRiskCall.get(who) ?? Number.NEGATIVE_INFINITY;
    lastRiskCall.set(who, now);
    return now - last < needs.identityProtectionMs - TOLERANCE_MS;
  }

  async function answer(
    call: Call,
    signal: AbortSignal | undefined,
    truth: () => Promise<Answer>,
  ): Promise<Answer> {
    if (call.part) watchPace(call);
    if (isRiskCall(call)) call.tooSoon = tooSoon('everyone');
    const early = faults.early(call);
    if (early) return early;
    const fault = faults.pick(call);
    call.deaf = fault?.deaf ?? false;
    const process = () => dialect.settled(call, truth);
    const given = fault
      ? await dialect.settled(call, () => fault.give({ world, call, signal, process }))
      : await process();
    faults.remember(call, given);
    return given;
  }

  return {
    client: (name) => (input, init) => serve(name, input, init),
    ...{ answer, requests },
    addHook: (when, hook) => void hooks.push({ when, hook }),
  };
}

const isRiskCall = (call: Call) => !call.login && call.path.startsWith('/identityProtection/');
