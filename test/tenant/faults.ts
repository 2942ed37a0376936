/** Faults to be scripted: every way in which Graph, the connection or the runtime lets a request down. */
import { connectionLost, type GraphRefusal, usualRefusal } from './errors';
import { type Answer, type Call, noContent } from './exchange';
import type { Fetch } from './front-door';
import type { Service } from './world';

export type FaultTarget = Pick<Call, 'method' | 'path' | 'client' | 'part'> & {
  /** Decoded, with its question mark; empty when there is none. */
  query: string;
  body: string;
};

export interface FaultRule {
  /** A pattern (without g or y) is tested against "METHOD /path?query", the query decoded. The parts of a $batch match as well. */
  on: RegExp | ((target: FaultTarget) => boolean);
  /** How often it strikes; always unless said. */
  times?: number;
  /** How many that match are let through first. */
  after?: number;
  give: Fault;
}

/** For the `on` of a rule: whatever would change something for this user, alone or as a part of a batch. */
export function changesOf(userId: string) {
  const isOf = ({ path, body }: FaultTarget) => `${path} ${body}`.toLowerCase().includes(userId);
  return (one: FaultTarget) => one.method !== 'GET' && one.path !== '/$batch' && isOf(one);
}

interface FaultPlace {
  world: Service;
  call: Call;
  signal: AbortSignal | undefined;
  /** Does what was asked for, and gives the true answer. */
  process(): Promise<Answer>;
}

type Give = (place: FaultPlace) => Promise<Answer>;

export interface Fault {
  /** Whether it can befall one part of a batch. */
  inBatch: boolean;
  /** The request does not end when its signal is aborted. */
  deaf?: boolean;
  give: Give;
}

/** Befalls a request or one part of a batch. */
const answering = (give: Give): Fault => ({ inBatch: true, give });
/** Befalls the connection, so no part of a batch alone. */
export const connecting = (give: Give): Fault => ({ inBatch: false, give });

interface Applied {
  /** What was asked for is done, although the answer says otherwise. */
  applied?: boolean;
}

const fails =
  ({ applied = false }: Applied, end: () => Answer | Promise<Answer>): Give =>
  async ({ process }) => {
    if (applied) await process();
    return end();
  };

/** One of the refusals of errors.ts, where the tenant has no reason for it. */
export const refuse = (refusal: GraphRefusal, applied: Applied = {}): Fault =>
  answering(fails(applied, () => Promise.reject(refusal)));

type StatusOptions = Applied & { headers?: Record<string, string>; error?: { code: string; message: string } };

/** An error answer. Without `error` the code and message that Graph usually gives with this status. */
export const status = (code: number, { headers, error, ...applied }: StatusOptions = {}): Fault =>
  refuse(usualRefusal(code, error, headers), applied);

/** A status and nothing else. zerotrustassessment#1382: 401 from synchronization jobs, for one. */
export const bare = (code: number): Fault => answering(async () => ({ status: code, headers: {} }));

/** Answered as if it were done, which it is not (microsoft-graph-docs#8896). */
export const ignored = (): Fault => answering(async () => noContent());

/**
 * Cloudflare did not reach the service, and says so with a response of its own: 520 to 527, or 530 with a reason of
 * four digits (data.source.coop#206, curl#19011, got#991).
 */
export const unreachable = (code: number, { reason = code, ...applied }: Applied & { reason?: number } = {}): Fault => {
  const headers = { 'content-type': 'text/plain; charset=UTF-8', server: 'cloudflare' };
  return connecting(fails(applied, () => ({ status: code, headers, raw: `error code: ${reason}` })));
};

/** concepts/throttling.md: whoever asks again before `Retry-After` is over is throttled again, and longer. */
export const throttled = (retryAfter?: string): Fault =>
  status(429, retryAfter === undefined ? {} : { headers: { 'Retry-After': retryAfter } });

/** The connection breaks before an answer comes. */
export const broken = (applied: Applied = {}): Fault =>
  connecting(fails(applied, () => Promise.reject(connectionLost())));

/** Never answered; ends when the request is aborted. */
export const hang = (applied: Applied = {}): Fault => connecting(fails(applied, () => new Promise(() => {})));

/** Never answered, and not to be ended by aborting it either. */
export const hangIgnoringAbort = (): Fault => ({ ...hang(), deaf: true });

/** Answered in the end, that much later. */
export const slow = (milliseconds: number): Fault =>
  connecting(async ({ process, world, signal }) => {
    const answer = await process();
    await world.clock.sleep(milliseconds, signal);
    return answer;
  });

/** The headers come and a body begins, which then trickles on for ever. */
export const endlessBody = (): Fault =>
  connecting(async ({ world, signal }) => {
    const text = new TextEncoder();
    const raw = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(text.encode('{"value":[')),
      pull: async (controller) => {
        await world.clock.sleep(1_000, signal);
        if (signal?.aborted) controller.error(signal.reason);
        else controller.enqueue(text.encode(' '));
      },
    });
    return { status: 200, headers: {}, raw };
  });

/** Something else in the place of the JSON of the true answer. */
const instead = (raw: (json: string) => string | ReadableStream<Uint8Array>): Fault =>
  connecting(async ({ process }) => {
    const answer = await process();
    return answer.body === undefined ? answer : { ...answer, raw: raw(JSON.stringify(answer.body)) };
  });

const firstHalf = (json: string) => json.slice(0, json.length / 2);

/** The connection breaks in the middle of the body of the true answer. */
export const cutBody = (): Fault =>
  instead((json) => {
    const begin = new TextEncoder().encode(firstHalf(json));
    return new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(begin),
      pull: (controller) => controller.error(connectionLost()),
    });
  });

/** The body of the true answer ends in the middle, and the connection as it should: what is there is no JSON. */
export const truncated = (): Fault => instead(firstHalf);

/** Well answered, with nothing in it. */
export const emptyBody = (): Fault => connecting(async ({ process }) => ({ ...(await process()), raw: '' }));

/** A page of some gateway in between. */
export const html = (): Fault =>
  connecting(async () => ({
    status: 200,
    headers: { 'content-type': 'text/html' },
    raw: '<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please wait</body></html>',
  }));

/** Any JSON, with status 200. */
export const json = (value: unknown): Fault => answering(async () => ({ status: 200, headers: {}, body: value }));

export const redirect = (location: string): Fault => connecting(async () => ({ status: 302, headers: { location } }));

/** Changes the JSON of the true answer. */
export const rewrite = (change: (body: unknown) => unknown): Fault =>
  answering(async ({ process }) => {
    const answer = await process();
    return { ...answer, body: change(answer.body) };
  });

// Cloudflare docs, workers/platform/limits: subrequests; the sentence is workerd's (observed).
const tooManySubrequests = () =>
  new Error('Too many subrequests by single Worker invocation. To configure this limit, refer to the documentation.');

/** What the runtime says to one request too many. */
export const runtimeRefusal = (): Fault => connecting(() => Promise.reject(tooManySubrequests()));

/** The Free plan: 50 subrequests in one invocation, redirects counted by the tenant as requests of their own. */
export function freePlan(inner: Fetch, limit = 50) {
  let used = 0;
  let refused = 0;
  const fetch: Fetch = async (input, init) => {
    if (used++ < limit) return inner(input, init);
    refused++;
    throw tooManySubrequests();
  };
  const newInvocation = () => {
    used = 0;
  };
  return { fetch, refused: () => refused, newInvocation };
}
