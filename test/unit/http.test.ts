/** What no whole run reaches: more requests than may be in flight, and a wait that would end with the deadline. */
import { expect, it } from 'vitest';
import { createHttp, type SendOptions } from '../../src/http/http';
import type { Io } from '../../src/io';
import { fakeClock } from '../tenant/clock';

/** A clock and a service that answers so; time is told from the start. */
function answering(answer: (clock: ReturnType<typeof fakeClock>) => Promise<Response>, slots = 6) {
  const clock = fakeClock();
  const start = clock.now();
  const at: number[] = [];
  const fetch: Io['fetch'] = () => {
    at.push(clock.now() - start);
    return answer(clock);
  };
  const http = createHttp({ now: clock.now, sleep: clock.sleep, random: () => 0, fetch }, slots);
  const send = (leftMs: number, more: Partial<SendOptions> = {}) =>
    http.send({ method: 'GET', url: 'https://graph.example/', headers: {} }, { untilMs: start + leftMs, ...more });
  return { clock, send, at, passed: () => clock.now() - start };
}

it('I8 polite: a request that waits for a place starts its timeout when it is sent', async () => {
  const slow = async ({ sleep }: { sleep: Io['sleep'] }) => {
    await sleep(10_000);
    return new Response('{}');
  };
  const { clock, send, at } = answering(slow, 2);
  const all = await clock.run(() => Promise.all([1, 2, 3, 4, 5].map(() => send(60_000))));
  expect(all.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect(at).toEqual([0, 0, 10_000, 10_000, 20_000]);
});

it('I7 bounded: whoever waits for a place beyond the deadline is not sent', async () => {
  const { clock, send, at } = answering(() => new Promise(() => {}), 1);
  const [, second] = await clock.run(() => Promise.all([send(8_000, { attempts: 1 }), send(8_000)]));
  expect([second?.missing, at]).toEqual(['out of time', [0]]);
});

it('I7 bounded: the next try has only what is left, and no wait is begun that ends with the deadline', async () => {
  const hanging = answering(() => new Promise(() => {}));
  expect((await hanging.clock.run(() => hanging.send(20_000))).missing).toBe('out of time');
  expect([hanging.at, hanging.passed()]).toEqual([[0, 15_500], 20_000]);
  for (const [leftMs = 0, ...sent] of [[0], [500, 0], [501, 0, 500]]) {
    const refusing = answering(async () => new Response('{}', { status: 503 }));
    // The answer that is there is kept.
    expect((await refusing.clock.run(() => refusing.send(leftMs))).status).toBe(leftMs === 0 ? 0 : 503);
    expect(refusing.at).toEqual(sent);
  }
});
