/** The small parts under a run, where no whole run comes exactly to the limit: the deadline, and what waits for it. */
import { describe, expect, it } from 'vitest';
import type { Group } from '../src/directory';
import { createDeadline, createHttp, type HttpOptions, wait } from '../src/http';
import type { Io } from '../src/io';
import { whileYoung } from '../src/young-group';
import { addGroups, addRisky, scene } from './harness';
import { fakeClock } from './tenant/clock';

const never = () => new Promise<never>(() => {});

/** A clock, a deadline that many milliseconds away, and a server that answers so. */
function within(milliseconds: number, fetch: Io['fetch'] = never) {
  const clock = fakeClock();
  let fetched = 0;
  const io: Io = {
    now: clock.now,
    sleep: clock.sleep,
    random: () => 0.5,
    fetch: (url, init) => {
      fetched += 1;
      return fetch(url, init);
    },
  };
  const deadline = createDeadline(io, milliseconds);
  const start = clock.now();
  const http = createHttp(io, deadline);
  return {
    ...{ clock, io, deadline },
    fetched: () => fetched,
    passed: () => clock.now() - start,
    send: (options?: HttpOptions) => clock.run(() => http.send('https://graph.example/', {}, options)),
  };
}

const DEADLINE = { name: 'OutOfTime', limit: 'deadline', throttled: false };

describe('I7 bounded: a wait', () => {
  it('lasts as long as it should', async () => {
    const { clock, io, deadline, passed } = within(5_001);
    await clock.run(() => wait(io, deadline, 5_000));
    expect(passed()).toBe(5_000);
  });

  it('that would reach the deadline is not begun', async () => {
    const { clock, io, deadline, passed } = within(5_000);
    await expect(clock.run(() => wait(io, deadline, 5_000))).rejects.toMatchObject(DEADLINE);
    expect(passed()).toBe(0);
  });
});

describe('I7 bounded: a request', () => {
  it.each([0, -1])('is not sent when %d ms are left', async (milliseconds) => {
    const { send, fetched } = within(milliseconds);
    await expect(send()).rejects.toMatchObject(DEADLINE);
    expect(fetched()).toBe(0);
  });

  it.each<[string, HttpOptions]>([
    ['one that has only a part of the time', { share: 1 / 3 }],
    ['one that must not be sent twice', { repeatable: false }],
    ['one that is sent once only', { attempts: 1 }],
  ])('that is still unanswered at the deadline ends the run: %s', async (_, options) => {
    const { send, fetched, passed } = within(4_000);
    await expect(send(options)).rejects.toMatchObject(DEADLINE);
    expect([fetched(), passed()]).toEqual([1, 4_000]);
  });

  it('that is unanswered in its part of the time leaves the rest to the others', async () => {
    const { send, passed } = within(30_000);
    await expect(send({ share: 1 / 3 })).rejects.toMatchObject({ name: 'Unanswered' });
    expect(passed()).toBe(10_000);
  });
});

describe('a group that was created a moment ago', () => {
  async function act(youngFor: number, left: number) {
    const { clock, io, deadline, passed } = within(left);
    const group: Group = { id: 'g', youngUntilMilliseconds: clock.now() + youngFor };
    let tries = 0;
    const trying = async () => {
      tries += 1;
      return tries;
    };
    const acting = () => whileYoung(group, () => true, trying, io, deadline);
    const result = await clock.run(acting).catch((error: unknown) => error);
    return { result, tries, passed: passed() };
  }

  it('is tried again for twelve seconds, and then its answer counts', async () => {
    expect(await act(600_000, 50_000)).toEqual({ result: 7, tries: 7, passed: 12_000 });
  });

  it('is tried again no longer than it is young', async () => {
    expect(await act(4_000, 50_000)).toEqual({ result: 3, tries: 3, passed: 4_000 });
  });

  it('is not waited for past the deadline', async () => {
    expect(await act(600_000, 5_000)).toMatchObject({ result: DEADLINE, tries: 3, passed: 4_000 });
  });
});

describe('what is sent to Graph', () => {
  it('asks for JSON, and says that it is JSON where it has a body', async () => {
    const { tenant, run } = scene();
    addGroups(tenant, { high: [tenant.addUser()] });
    addRisky(tenant, 'high', 1);
    const seen = new Set<string>();
    const ended = await run({
      fetch: (url, init) => {
        const headers = new Headers(init.headers);
        const kind = `${headers.get('content-type')} for ${headers.get('accept')}`;
        if (url.startsWith('https://graph.')) seen.add(`${init.method}: ${kind}`);
        return tenant.fetch(url, init);
      },
    });
    expect(ended.ok).toBe(true);
    expect([...seen].sort()).toEqual([
      'GET: null for application/json',
      'PATCH: application/json for application/json',
      'POST: application/json for application/json',
    ]);
  });

  it('says so within a batch as well, of each part that has a body', async () => {
    const { tenant, run } = scene();
    addGroups(tenant, { high: [tenant.addUser()] });
    tenant.bulkAddForbidden = true;
    addRisky(tenant, 'high', 1);
    expect((await run()).ok).toBe(true);
    const parts = tenant.requests
      .filter(({ path }) => path === '/$batch')
      .flatMap(({ body }) => JSON.parse(JSON.stringify(body)).requests);
    expect(parts.map(({ id: _, url: __, ...part }) => part)).toEqual([
      {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: { '@odata.id': expect.stringContaining('/directoryObjects/') },
      },
      { method: 'DELETE' },
    ]);
  });
});
