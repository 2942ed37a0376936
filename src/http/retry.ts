/** Decides, without doing anything, whether a request is sent again and after how long. */

export const RETRY = {
  statuses: new Set([
    // learn.microsoft.com/graph/errors and /graph/throttling; 409 is Directory_ConcurrencyViolation (observed).
    ...[408, 409, 429, 500, 502, 503, 504],
    // A failed connection to the origin reaches a Worker as one of these (data.source.coop#206, curl#19011).
    ...[520, 521, 522, 523, 524, 525, 526, 527, 530],
  ]),
  attempts: 6,
  firstBackoffMs: 1_000,
  longestBackoffMs: 16_000,
} as const;

/** When a request may be sent again: whenever that could help, or only if the last one surely did nothing. */
export type Repeat = 'always' | 'if not done' | 'if throttled';

export interface Tried {
  /** 0 when no whole response came: connection failed, body cut, timeout. */
  status: number;
  retryAfter: string | undefined;
  attempts: number;
  nowMs: number;
  /** At least 0, less than 1; spreads the retries of many callers. */
  random: number;
}

/** Milliseconds until the next attempt, undefined if there shall be none. A `Retry-After` is waited out in full. */
export function retryWaitMs(
  { status, retryAfter, attempts, nowMs, random }: Tried,
  { attempts: most = RETRY.attempts, repeat = 'always' }: { attempts?: number; repeat?: Repeat } = {},
): number | undefined {
  if ((status !== 0 && !RETRY.statuses.has(status)) || attempts >= most) return undefined;
  const askedMs = parseRetryAfterMs(retryAfter, nowMs);
  const isNotDone = status === 429 || (repeat === 'if not done' && status === 503 && askedMs !== undefined);
  if (repeat !== 'always' && !isNotDone) return undefined;
  const fullMs = Math.min(RETRY.longestBackoffMs, RETRY.firstBackoffMs * 2 ** (attempts - 1));
  return Math.max(askedMs ?? 0, fullMs / 2 + (fullMs / 2) * random);
}

/** Of seconds, decimal ones too (learn.microsoft.com/graph/throttling), or an HTTP date (RFC 9110 §10.2.3). */
export function parseRetryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1_000);
  const date = /^[A-Z][a-z]+,? .*\d:\d\d/.test(text) ? Date.parse(text.replace(/ GMT$|$/, ' GMT')) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
