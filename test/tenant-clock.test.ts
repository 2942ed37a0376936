/** The clocks that tests run on. */
import { expect, test } from 'vitest';
import { fakeClock, realClock } from './tenant/clock';

test('begins at the given instant and moves only when all work waits', async () => {
  const clock = fakeClock('2026-01-02T03:04:05Z');
  const start = Date.parse('2026-01-02T03:04:05Z');
  expect(clock.now()).toBe(start);
  const seen = await clock.run(async () => {
    const times = [clock.now() - start];
    await clock.sleep(1_500);
    times.push(clock.now() - start);
    await Promise.all([clock.sleep(100), clock.sleep(40)]);
    times.push(clock.now() - start);
    return times;
  });
  expect(seen).toEqual([0, 1_500, 1_600]);
  expect(fakeClock().now()).toBe(Date.parse('2026-05-04T03:00:00Z'));
});

test('sleepers wake in the order of their time, not of their asking', async () => {
  const clock = fakeClock();
  const woken: number[] = [];
  const nap = async (milliseconds: number) => {
    await clock.sleep(milliseconds);
    woken.push(milliseconds);
  };
  await clock.run(() => Promise.all([nap(30), nap(10), nap(20), nap(0)]));
  expect(woken).toEqual([0, 10, 20, 30]);
});

test('an aborted sleep ends at once, takes no time and leaves nothing behind', async () => {
  const clock = fakeClock();
  const start = clock.now();
  const stop = new AbortController();
  await clock.run(async () => {
    await clock.sleep(1_000, AbortSignal.abort());
    const nap = clock.sleep(60_000, stop.signal);
    expect(clock.pending()).toBe(1);
    stop.abort();
    await nap;
  });
  expect(clock.now()).toBe(start);
  expect(clock.pending()).toBe(0);
});

test('two runs side by side: neither moves time while the other works', async () => {
  const clock = fakeClock();
  const start = clock.now();
  const log: string[] = [];
  const work = (name: string, step: number) => async () => {
    for (let i = 0; i < 3; i++) {
      await clock.sleep(step);
      log.push(`${name}${clock.now() - start}`);
      // Real turns of the event loop, in which time must stand still.
      await new Response('body').text();
      log.push(`${name}${clock.now() - start}`);
    }
  };
  await Promise.all([clock.run(work('a', 100)), clock.run(work('b', 70))]);
  expect(log).toEqual([
    ...['b70', 'b70', 'a100', 'a100', 'b140', 'b140'],
    ...['a200', 'a200', 'b210', 'b210', 'a300', 'a300'],
  ]);
});

test('a run that waits for real work with no timer pending goes on when that is done', async () => {
  const clock = fakeClock();
  const stop = new AbortController();
  const start = clock.now();
  const result = await clock.run(async () => {
    const limit = clock.sleep(10_000, stop.signal);
    await clock.hold(new Promise((resolve) => setTimeout(resolve, 20)));
    stop.abort();
    await limit;
    return clock.now() - start;
  });
  expect(result).toBe(0);
  await clock.run(() => new Promise((resolve) => setTimeout(resolve, 20)));
});

test('work that nothing can wake is reported as stuck', async () => {
  const clock = fakeClock();
  await expect(clock.run(() => new Promise(() => {}))).rejects.toThrow(/^stuck: at 2026-05-04T03:00:00/);
  expect(await clock.run(async () => 'and the clock still works')).toBe('and the clock still works');
}, 10_000);

test('errors come through, and advance wakes everyone on the way', async () => {
  const clock = fakeClock();
  await expect(clock.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await expect(
    clock.run(() => {
      throw new Error('at once');
    }),
  ).rejects.toThrow('at once');
  const woken: number[] = [];
  for (const wait of [10, 20, 50]) clock.sleep(wait).then(() => woken.push(wait));
  const start = clock.now();
  await clock.advance(20);
  expect([woken, clock.now() - start, clock.pending()]).toEqual([[10, 20], 20, 1]);
});

test('a wait longer than a timer can is a mistake, for JavaScript would end it at once', () => {
  for (const wait of [2 ** 31, Number.POSITIVE_INFINITY, Number.NaN]) {
    expect(() => fakeClock().sleep(wait)).toThrow(RangeError);
    expect(() => realClock.sleep(wait)).toThrow(RangeError);
  }
});

test('the real clock sleeps, and wakes when aborted', async () => {
  const start = realClock.now();
  await realClock.sleep(20);
  expect(realClock.now() - start).toBeGreaterThanOrEqual(19);
  const stop = new AbortController();
  const nap = realClock.sleep(60_000, stop.signal);
  stop.abort();
  await nap;
  await realClock.sleep(60_000, stop.signal);
  expect(realClock.now() - start).toBeLessThan(5_000);
});

test('thousands of runs take no time', async () => {
  const clock = fakeClock();
  const start = Date.now();
  for (let i = 0; i < 3_000; i++) await clock.run(() => clock.sleep(50));
  expect(Date.now() - start).toBeLessThan(3_000);
});
