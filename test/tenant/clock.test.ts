/** The clock that tests run on: were it to move too soon, a Worker that does not wait would seem to. */
import { expect, test } from 'vitest';
import { fakeClock } from './clock';

test('time moves only when all work waits, here or on another thread, and wakes sleepers in their order', async () => {
  const clock = fakeClock();
  const start = clock.now();
  const log: string[] = [];
  const work = (name: string, step: number) => async () => {
    for (let i = 0; i < 2; i++) {
      await clock.sleep(step);
      // Real turns of the event loop, in which time must stand still.
      await new Response('body').text();
      await clock.hold(new Promise((resolve) => setTimeout(resolve, 5)));
      log.push(`${name}${clock.now() - start}`);
    }
  };
  await Promise.all([clock.run(work('a', 100)), clock.run(work('b', 70))]);
  expect(log.join(' ')).toBe('b70 a100 b140 a200');
  await expect(clock.run(() => new Promise(() => {}))).rejects.toThrow(/^stuck: at 2026-05-04T03:00:00/);
  // JavaScript would end it at once.
  expect(() => clock.sleep(2 ** 31)).toThrow(RangeError);
}, 10_000);
