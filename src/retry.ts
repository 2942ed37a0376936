/** Decides, without doing anything, whether a request is tried again and after how long. */

export const RETRY = {
  /** learn.microsoft.com/graph/errors and /graph/throttling; 409 is Directory_ConcurrencyViolation (observed). */
  statuses: new Set([408, 409, 429, 500, 502, 503, 504]),
  attempts: 6,
  firstBackoffMilliseconds: 1_000,
  longestBackoffMilliseconds: 16_000,
} as const;

export interface Attempt {
  /** Undefined when no whole answer came: connection failed, body cut, time limit reached. */
  status: number | undefined;
  retryAfter: string | null;
  /** 1 for the first try. */
  attempt: number;
  /** False for what must not happen twice: it is repeated only when Graph says that it did not happen. */
  repeatable: boolean;
  nowMilliseconds: number;
  timeLeftMilliseconds: number;
  /** How often it may be sent in all. */
  mostAttempts?: number | undefined;
  /** At least 0, less than 1; spreads the retries of many callers. */
  random: number;
}

export type Verdict =
  | { kind: 'wait'; milliseconds: number }
  /** Trying again would not help, or has been tried often enough. */
  | { kind: 'give up'; why: 'final' }
  /** It would help, but not in time. `throttled`: because the server asked for so long a pause, or for fewer requests. */
  | { kind: 'give up'; why: 'deadline'; throttled: boolean };

/** The rule for every request and for every part of a batch. A `Retry-After` is waited out in full. */
export function decideRetry(attempt: Attempt): Verdict {
  const { status } = attempt;
  const asked = parseRetryAfter(attempt.retryAfter, attempt.nowMilliseconds);
  const retryable = status === undefined || RETRY.statuses.has(status);
  const mayHaveHappened = !(status === 429 || (status === 503 && asked !== undefined));
  if (!retryable || (mayHaveHappened && !attempt.repeatable)) return { kind: 'give up', why: 'final' };
  if (attempt.attempt >= (attempt.mostAttempts ?? RETRY.attempts)) return { kind: 'give up', why: 'final' };
  const milliseconds = asked ?? backoff(attempt.attempt, attempt.random);
  if (milliseconds >= attempt.timeLeftMilliseconds)
    return { kind: 'give up', why: 'deadline', throttled: status === 429 || asked !== undefined };
  return { kind: 'wait', milliseconds };
}

/**
 * Milliseconds to wait for a `Retry-After` of whole or decimal seconds (learn.microsoft.com/graph/throttling) or an
 * HTTP date (RFC 9110 §10.2.3); undefined for anything else.
 */
export function parseRetryAfter(value: string | null, nowMilliseconds: number): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return Math.ceil(Number(text) * 1_000);
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMilliseconds);
}

function backoff(attempt: number, random: number): number {
  const { firstBackoffMilliseconds, longestBackoffMilliseconds } = RETRY;
  const full = Math.min(longestBackoffMilliseconds, firstBackoffMilliseconds * 2 ** (attempt - 1));
  return full / 2 + (full / 2) * random;
}
