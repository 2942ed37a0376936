/** When requests are sent again, and that a run ends before its deadline whatever happens. */
import { describe, expect, it } from 'vitest';
import * as faults from '../tenant/faults';
import { addGroups, addRisky, moving, ON, scene } from './scene';

describe('I8 polite', () => {
  it.each([
    ['7', 7_000, 1],
    ['2.5', 2_500, 1],
    ['Mon, 04 May 2026 03:01:20 GMT', 20_000, 1],
    ['0.1', 5_250, 3],
    // K4: no pause is a licence to hammer.
    ['0', 5_250, 3],
    ['-5', 5_250, 3],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 5_250, 3],
  ])('waits a Retry-After of %s out in full, and the backoff where that is longer', async (retryAfter, wait, times) => {
    for (const on of [ON.token, ON.riskyUsers, ON.lookup, ON.members, ON.batch, /^POST .*\$ref/]) {
      const { tenant, runInSync } = scene();
      addGroups(tenant);
      addRisky(tenant, 'high', 1);
      // Each of the three groups is read.
      const hits = on === ON.members ? 3 * times : times;
      tenant.fault({ on, times: hits, give: faults.throttled(retryAfter) });
      const ended = await runInSync();
      expect([ended.events, ended.milliseconds >= wait]).toEqual([[], true]);
    }
  });

  it('tries the parts of a batch again, each by its own status', async () => {
    const { runInSync, tenant, run } = scene();
    const users = addRisky(tenant, 'high', 20);
    tenant.fault({ on: /^POST .*\$ref/, times: 80, give: faults.status(503) });
    expect((await run()).ok).toBe(true);
    for (const id of users) tenant.dismiss(id);
    tenant.fault({ on: faults.changesOf(users[2] ?? ''), times: 1, give: faults.throttled('4') });
    tenant.fault({ on: faults.changesOf(users[9] ?? ''), times: 4, give: faults.throttled('4') });
    tenant.fault({ on: faults.changesOf(users[5] ?? ''), times: 1, give: faults.status(504, { applied: true }) });
    tenant.forgetRequests();
    await runInSync();
    expect(tenant.requests.flatMap(({ batch }) => (batch ? [batch.length] : []))).toEqual([20, 3, 1, 1, 1]);
  });
});

describe('I7 bounded', () => {
  const hanging = { hang: faults.hang(), deaf: faults.hangIgnoringAbort(), endless: faults.endlessBody() };
  it.each([
    ['/token', 'deaf'],
    ['GET /groups\\?', 'hang'],
    ['/members', 'endless'],
    ['POST /\\$batch', 'deaf'],
    ['POST /groups', 'hang'],
    ['.', 'deaf'],
  ] as const)('a run ends before its deadline when %s is answered with %s, and lets nobody go', async (on, how) => {
    for (const seconds of [5, 20]) {
      const { tenant, run, env, ids, mover, members } = await moving();
      if (on === 'POST /groups') tenant.deleteGroup(ids.high);
      env['DEADLINE_SECONDS'] = seconds;
      tenant.fault({ on: new RegExp(on), give: hanging[how] });
      const ended = await run();
      expect(ended.ok).toBe(false);
      expect(ended.milliseconds).toBeLessThanOrEqual(seconds * 1_000);
      expect(members().low).toContain(mover);
    }
  });

  it('a first fill makes progress in every run and finishes over a few, high first', async () => {
    const { tenant, run, members, expectInSync } = scene({ latencyMs: 2_000 });
    addRisky(tenant, 'low', 800);
    const high = addRisky(tenant, 'high', 200).sort();
    const filled = [0];
    for (let ok = false; !ok; filled.push(members().low?.length ?? 0)) {
      const ended = await run();
      ok = ended.ok;
      expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
      if (!ok) expect(ended.text).toContain('DEADLINE_SECONDS');
      expect([members().high, (members().low?.length ?? 0) > (filled.at(-1) ?? 0)]).toEqual([high, true]);
    }
    expect(filled.length).toBeGreaterThan(2);
    expectInSync();
  });

  const PAUSED = [ON.riskyUsers, ON.lookup, ON.batch, /^POST .*\$ref/, /^DELETE/];
  it.each(PAUSED)('a pause for %s that is longer than the run is not begun', async (on) => {
    const { tenant, run, mover, members } = await moving();
    tenant.fault({ on, give: faults.throttled('300') });
    expect(await run()).toMatchObject({ ok: false, milliseconds: expect.toSatisfy((spent) => spent < 5_000) });
    expect(members().low).toContain(mover);
  });
});
