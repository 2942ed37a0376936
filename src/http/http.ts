/** One HTTP request done well: a timeout that covers the body, retries, a limit of requests in flight. */
import type { Io } from '../io';
import { type Repeat, retryWaitMs } from './retry';

const TIMEOUT_MS = 15_000;
/** The words of the Workers runtime when a run has used up its subrequests (observed; no code is documented). */
const RUNTIME_REFUSAL = /too many subrequests/i;

/** A body that is no text is sent as JSON. */
export type HttpRequest = { method: string; url: string; headers: Readonly<Record<string, string>>; body?: unknown };

export interface HttpResponse {
  /** 0 where no whole response came; `missing` says why. */
  status: number;
  missing?: 'no answer' | 'out of time' | 'out of requests';
  header(name: string): string | undefined;
  /** Undefined where there was no body or one that is not JSON. */
  body: unknown;
}

export interface SendOptions {
  /** When the last attempt must have ended, in milliseconds since the epoch. */
  untilMs: number;
  /** What one attempt may take, from the moment that it is sent. */
  timeoutMs?: number;
  attempts?: number;
  repeat?: Repeat;
  /** How long to wait before an attempt, in milliseconds; asked before every one. */
  paceMs?: () => number;
}

export type Http = ReturnType<typeof createHttp>;

/** The HTTP of one run with one service, with at most so many requests in flight; redirects are not followed. */
export function createHttp(io: Io, mostInFlight: number) {
  const waiting: (() => void)[] = [];
  let inFlight = 0;
  let sent = 0;

  async function exchange({ url, body: given, ...init }: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const content = given === undefined ? {} : { body: typeof given === 'string' ? given : JSON.stringify(given) };
    const response = await io.fetch(url, { ...init, ...content, redirect: 'manual', signal });
    const body = parseJson(await response.text());
    return { status: response.status, header: (name) => response.headers.get(name) ?? undefined, body };
  }

  async function attempt(request: HttpRequest, { untilMs, timeoutMs = TIMEOUT_MS, paceMs }: SendOptions) {
    // A timeout starts when its request does, so waiting for a place takes nothing from it.
    if (inFlight >= mostInFlight) await new Promise<void>((resolve) => waiting.push(resolve));
    else inFlight += 1;
    const ended = new AbortController();
    try {
      const waitMs = paceMs?.() ?? 0;
      const leftMs = untilMs - io.now() - waitMs;
      if (leftMs <= 0) return noResponse('out of time');
      // Stryker disable next-line ConditionalExpression,EqualityOperator: to sleep for 0 ms changes nothing.
      if (waitMs > 0) await io.sleep(waitMs);
      // Made of the injected sleep, so that a run with a fake clock meets its timeouts too.
      const timeout = io.sleep(Math.min(timeoutMs, leftMs), ended.signal).then(() => noResponse('no answer'));
      sent += 1;
      return await Promise.race([exchange(request, ended.signal), timeout]);
    } catch (error) {
      return noResponse(RUNTIME_REFUSAL.test(String(error)) ? 'out of requests' : 'no answer');
    } finally {
      ended.abort();
      const next = waiting.shift();
      if (next) next();
      else inFlight -= 1;
    }
  }

  /** Sends as often as the rule of retries says. Never throws. */
  async function send(request: HttpRequest, options: SendOptions): Promise<HttpResponse> {
    for (let attempts = 1; ; attempts += 1) {
      const response = await attempt(request, options);
      const { status, missing, header } = response;
      if (missing !== undefined && missing !== 'no answer') return response;
      const tried = { status, retryAfter: header('retry-after'), attempts, nowMs: io.now(), random: io.random() };
      const waitMs = retryWaitMs(tried, options);
      if (waitMs === undefined) return response;
      if (io.now() + waitMs >= options.untilMs) return missing ? noResponse('out of time') : response;
      await io.sleep(waitMs);
    }
  }

  return { send, sent: () => sent };
}

export function noResponse(missing: NonNullable<HttpResponse['missing']>): HttpResponse {
  return { status: 0, missing, header: () => undefined, body: undefined };
}

/** Undefined for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
