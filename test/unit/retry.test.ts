/** When a request is sent again, and after how long: tables, because no run comes to every cell. */
import { describe, expect, it } from 'vitest';
import { parseRetryAfterMs, RETRY, type Repeat, retryWaitMs, type Tried } from '../../src/http/retry';

const NOW = Date.parse('2026-05-04T03:00:00Z');
const tried = (more: Partial<Tried>): Tried => ({
  ...{ status: 503, retryAfter: undefined, attempts: 1, nowMs: NOW, random: 0 },
  ...more,
});

describe('A Retry-After', () => {
  it.each([
    ['0', 0],
    ['7', 7_000],
    ['0.5', 500],
    ['1.0001', 1_001],
    ['12345678901', 12_345_678_901_000],
    ['Mon, 04 May 2026 03:00:30 GMT', 30_000],
    ['Mon, 04 May 2026 02:59:00 GMT', 0],
    ['Monday, 04-May-26 03:00:30 GMT', 30_000],
    ['Mon May  4 03:00:30 2026', 30_000],
  ])('of %j is %i ms', (value, milliseconds) => {
    expect(parseRetryAfterMs(value, NOW)).toBe(milliseconds);
  });

  it.each([
    ...['', ' ', 'soon', '-1', '1e3', '1,5', '.5', '7s', '0x10', 'Infinity', '2026-05-04T03:00:30Z'],
    ...['Mon, 99 Xyz 2026 99:00:30 GMT', 'x Mon, 04 May 2026 03:00:30 GMT', undefined],
  ])('of %j says nothing', (value) => {
    expect(parseRetryAfterMs(value, NOW)).toBeUndefined();
  });
});

describe('A request is sent again', () => {
  it('after no answer, a failed connection or an overloaded server, and never after another status', () => {
    const again = [0, 408, 409, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530];
    for (let status = 0; status < 600; status += 1)
      for (const [retryAfter, wait] of [
        [undefined, 500],
        ['1', 1_000],
      ] as const)
        expect(retryWaitMs(tried({ status, retryAfter })), `${status}`).toBe(again.includes(status) ? wait : undefined);
  });

  // What surely did nothing, by the way in which the request may be repeated.
  it.each([
    [429, undefined, true, true],
    [503, '3', true, false],
    [503, undefined, false, false],
    [504, '3', false, false],
  ])('after %i with Retry-After %j: if not done %s, if throttled %s', (status, retryAfter, notDone, throttled) => {
    const again = (repeat: Repeat) => retryWaitMs(tried({ status, retryAfter }), { repeat }) !== undefined;
    expect([again('always'), again('if not done'), again('if throttled')]).toEqual([true, notDone, throttled]);
  });

  it('six times in all, or as often as is asked for', () => {
    expect(retryWaitMs(tried({ attempts: RETRY.attempts - 1 }))).toBeDefined();
    expect(retryWaitMs(tried({ attempts: RETRY.attempts }))).toBeUndefined();
    expect(retryWaitMs(tried({ attempts: 1 }), { attempts: 1 })).toBeUndefined();
    expect(retryWaitMs(tried({ attempts: 8 }), { attempts: 9 })).toBeDefined();
  });

  it.each([
    [1, 500, 1_000],
    [2, 1_000, 2_000],
    [5, 8_000, 16_000],
    [9, 8_000, 16_000],
  ])('attempt %i waits from %i to %i ms', (attempts, least, most) => {
    expect(retryWaitMs(tried({ attempts, random: 0 }), { attempts: 10 })).toBe(least);
    expect(retryWaitMs(tried({ attempts, random: 1 }), { attempts: 10 })).toBe(most);
  });
});
