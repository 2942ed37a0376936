/** Faults to be scripted: every way in which Graph, the connection or the runtime lets a request down. */
import { connectionLost, usualRefusal } from './errors';
import type { Answer, Call } from './exchange';
import type { Service } from './world';

export interface FaultTarget {
  method: string;
  /** Without host, version and query. */
  path: string;
  client: string;
  /** Decoded, with its question mark; empty when there is none. */
  query: string;
  body: string;
  /** Whether it is one of the requests inside a $batch. */
  part: boolean;
}

export interface FaultRule {
  /** A pattern is tested against "METHOD /path?query", the query decoded. The parts of a $batch match as well. */
  on: RegExp | ((target: FaultTarget) => boolean);
  /** How often it strikes; always unless said. */
  times?: number;
  /** How many that match are let through first. */
  after?: number;
  give: Fault;
}

export interface FaultPlace {
  world: Service;
  call: Call;
  signal: AbortSignal | undefined;
  /** Does what was asked for, and gives the true answer. */
  process(): Promise<Answer>;
}

export interface Fault {
  /** Whether it can befall one part of a batch. */
  inBatch: boolean;
  /** The request does not end when its signal is aborted. */
  deaf?: boolean;
  give(place: FaultPlace): Promise<Answer>;
}

interface StatusOptions {
  headers?: Record<string, string>;
  error?: { code: string; message: string };
  /** What was asked for is done, although the answer says otherwise. */
  applied?: boolean;
}

/** An error answer. Without `error` the code and message that Graph usually gives with this status. */
export const status = (code: number, { headers, error, applied = false }: StatusOptions = {}): Fault => ({
  inBatch: true,
  give: async ({ process }) => {
    if (applied) await process();
    throw usualRefusal(code, error, headers);
  },
});

/** concepts/throttling.md: whoever asks again before `Retry-After` is over is throttled again, and longer. */
export const throttled = (retryAfter?: string): Fault =>
  status(429, retryAfter === undefined ? {} : { headers: { 'Retry-After': retryAfter } });

/** The connection breaks before an answer comes. */
export const broken = ({ applied = false } = {}): Fault => ({
  inBatch: false,
  give: async ({ process }) => {
    if (applied) await process();
    throw connectionLost();
  },
});

/** Never answered; ends when the request is aborted. */
export const hang = ({ applied = false } = {}): Fault => ({
  inBatch: false,
  give: async ({ process }) => {
    if (applied) await process();
    return new Promise<never>(() => {});
  },
});

/** Never answered, and not to be ended by aborting it either. */
export const hangIgnoringAbort = (): Fault => ({ ...hang(), deaf: true });

/** Answered in the end, that much later. */
export const slow = (milliseconds: number): Fault => ({
  inBatch: false,
  give: async ({ process, world, signal }) => {
    const answer = await process();
    await world.clock.sleep(milliseconds, signal);
    return answer;
  },
});

/** The headers come and a body begins, which then trickles on for ever. */
export const endlessBody = (): Fault => ({
  inBatch: false,
  give: async ({ world, signal }) => {
    const stop = new AbortController();
    const text = new TextEncoder();
    const raw = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(text.encode('{"value":['));
        signal?.addEventListener('abort', () => {
          stop.abort();
          controller.error(signal.reason);
        });
      },
      pull: async (controller) => {
        await world.clock.sleep(1_000, stop.signal);
        if (!stop.signal.aborted) controller.enqueue(text.encode(' '));
      },
      cancel: () => stop.abort(),
    });
    return { status: 200, headers: {}, raw };
  },
});

/** The connection breaks in the middle of the body of the true answer. */
export const cutBody = (): Fault => ({
  inBatch: false,
  give: async ({ process }) => {
    const answer = await process();
    const whole = new TextEncoder().encode(JSON.stringify(answer.body ?? ''));
    let begun = false;
    const raw = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (begun) controller.error(connectionLost());
        else controller.enqueue(whole.slice(0, Math.ceil(whole.length / 2)));
        begun = true;
      },
    });
    return answer.body === undefined ? answer : { ...answer, raw };
  },
});

/** A page of some gateway in between. */
export const html = (): Fault => ({
  inBatch: false,
  give: async () => ({
    status: 200,
    headers: { 'content-type': 'text/html' },
    raw: '<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please wait</body></html>',
  }),
});

/** Any JSON, with status 200. */
export const json = (value: unknown): Fault => ({
  inBatch: true,
  give: async () => ({ status: 200, headers: {}, body: value }),
});

export const redirect = (location: string): Fault => ({
  inBatch: false,
  give: async () => ({ status: 302, headers: { location } }),
});

/** Changes the JSON of the true answer. */
export const rewrite = (change: (body: unknown) => unknown): Fault => ({
  inBatch: true,
  give: async ({ process }) => {
    const answer = await process();
    return { ...answer, body: change(answer.body) };
  },
});

// Cloudflare docs, workers/platform/limits: subrequests; the sentence is workerd's (observed).
const refusal = () =>
  new Error(
    'Too many subrequests by single Worker invocation. To configure this limit, refer to https://developers.cloudflare.com/workers/wrangler/configuration/#limits',
  );

/** What the runtime says to one request too many. */
export const runtimeRefusal = (): Fault => ({
  inBatch: false,
  give: async () => {
    throw refusal();
  },
});

type FetchLike = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** The Free plan: 50 subrequests in one invocation, redirects counted by the tenant as requests of their own. */
export function freePlan(fetchLike: FetchLike, limit = 50) {
  let used = 0;
  let refused = 0;
  const fetch: FetchLike = async (input, init) => {
    if (used < limit) {
      used++;
      return fetchLike(input, init);
    }
    refused++;
    throw refusal();
  };
  return {
    fetch,
    /** How many requests it has refused. */
    refused: () => refused,
    newInvocation: () => {
      used = 0;
    },
  };
}
