/** One HTTP request done well: a time limit that covers the body, retries, and no wait past the deadline of the run. */
import { OutOfTime } from './errors';
import type { Io } from './io';
import { decideRetry } from './retry';

const REQUEST_LIMIT_MILLISECONDS = 15_000;
const LEAST_SHARE_MILLISECONDS = 5_000;
/** The words of the Workers runtime when a run has used up its subrequests (observed; no code is documented). */
const RUNTIME_REFUSAL = /too many subrequests/i;

/** When the run must have ended. */
export interface Deadline {
  leftMilliseconds(): number;
}

/** A deadline that many milliseconds from now. */
export function createDeadline(io: Io, milliseconds: number): Deadline {
  const end = io.now() + milliseconds;
  return { leftMilliseconds: () => end - io.now() };
}

/** Waits. Throws OutOfTime at once, without waiting, if that would reach the deadline. */
export async function wait(io: Io, deadline: Deadline, milliseconds: number): Promise<void> {
  if (milliseconds >= deadline.leftMilliseconds()) throw new OutOfTime('deadline');
  if (milliseconds > 0) await io.sleep(milliseconds);
}

/** What one thing may take of the run, by the status that it was answered with. */
export interface Share {
  leftMilliseconds(status?: number): number;
  /** Whether there is no more time for anything when there is none for this. */
  endsRun(status: number | undefined): boolean;
}

export function shareOf(deadline: Deadline, share: number): Share {
  const left = deadline.leftMilliseconds();
  const kept = Math.min(left * (1 - share), Math.max(0, left - LEAST_SHARE_MILLISECONDS));
  return {
    leftMilliseconds: (status) => deadline.leftMilliseconds() - (status === 429 ? 0 : kept),
    endsRun: (status) => share === 1 || status === 429,
  };
}

export interface HttpAnswer {
  status: number;
  headers: Headers;
  text: string;
}

export interface HttpOptions {
  /** False: repeated only if it surely did not happen. Default true. */
  repeatable?: boolean | undefined;
  /** How often it is sent at most, if not as RETRY says. */
  attempts?: number | undefined;
  /**
   * The part of the time left that it may take, retries included, so that trouble with one thing leaves time for the
   * others. Throttling (429) concerns them all and is waited out.
   */
  share?: number | undefined;
  /** Awaited before every try. */
  pace?: (() => Promise<void>) | undefined;
  limitMilliseconds?: number | undefined;
}

/** No whole answer came, however often it was tried. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
}

export interface Http {
  /**
   * Sends until an answer comes that is worth having, redirects not followed, at most as RETRY says.
   * Throws Unanswered, or OutOfTime when the deadline or the runtime forbids to go on.
   */
  send(url: string, init: RequestInit, options?: HttpOptions): Promise<HttpAnswer>;
  /** Requests sent so far. */
  sent(): number;
}

/** The HTTP of one run. */
export function createHttp(io: Io, deadline: Deadline): Http {
  let sent = 0;

  async function exchange(url: string, init: RequestInit, signal: AbortSignal): Promise<HttpAnswer> {
    const response = await io.fetch(url, { ...init, redirect: 'manual', signal });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  /** Made of the injected sleep, so that a run with a fake clock meets its limits too. */
  async function within(limitMilliseconds: number, url: string, init: RequestInit): Promise<HttpAnswer> {
    const request = new AbortController();
    const timer = new AbortController();
    const timeIsUp = io.sleep(limitMilliseconds, timer.signal).then(() => {
      throw new Error('no whole answer within the time limit');
    });
    try {
      return await Promise.race([exchange(url, init, request.signal), timeIsUp]);
    } catch (error) {
      request.abort();
      throw error;
    } finally {
      timer.abort();
    }
  }

  async function attempt(url: string, init: RequestInit, limit: number): Promise<HttpAnswer | Unanswered> {
    const left = deadline.leftMilliseconds();
    if (left <= 0) throw new OutOfTime('deadline');
    sent += 1;
    try {
      return await within(Math.min(limit, left), url, init);
    } catch (cause) {
      if (cause instanceof Error && RUNTIME_REFUSAL.test(cause.message))
        throw new OutOfTime('requests', { cause });
      return new Unanswered('no whole answer came', { cause });
    }
  }

  return {
    sent: () => sent,
    async send(url, init, options = {}) {
      const {
        repeatable = true,
        attempts,
        pace,
        share: part = 1,
        limitMilliseconds = REQUEST_LIMIT_MILLISECONDS,
      } = options;
      const share = shareOf(deadline, part);
      let status: number | undefined;
      for (let tries = 1; ; tries += 1) {
        await pace?.();
        const result = await attempt(url, init, Math.min(limitMilliseconds, share.leftMilliseconds(status)));
        const answered = !(result instanceof Unanswered);
        if (!answered && deadline.leftMilliseconds() <= 0) throw new OutOfTime('deadline', { cause: result });
        status = answered ? result.status : undefined;
        const verdict = decideRetry({
          status,
          retryAfter: answered ? result.headers.get('retry-after') : null,
          attempt: tries,
          mostAttempts: attempts,
          repeatable,
          nowMilliseconds: io.now(),
          timeLeftMilliseconds: share.leftMilliseconds(status),
          random: io.random(),
        });
        if (verdict.kind === 'wait') await io.sleep(verdict.milliseconds);
        else if (verdict.why === 'deadline' && share.endsRun(status)) {
          throw new OutOfTime('deadline', { cause: result, throttled: verdict.throttled });
        } else if (answered) return result;
        else throw result;
      }
    },
  };
}

/** Undefined for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
