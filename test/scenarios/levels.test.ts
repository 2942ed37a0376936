/** One level's fault, or one user's, is theirs alone: everybody else is served in the same run. */
import { describe, expect, it } from 'vitest';
import * as errors from '../tenant/errors';
import * as faults from '../tenant/faults';
import { addRisky, batchTo, moving, NAMES, ON, scene, seeded, settled, writes } from './scene';

const partTo = (groupId: string) => (one: faults.FaultTarget) => one.part && one.path.startsWith(`/groups/${groupId}/`);

describe('I7 bounded: a level that takes nobody does not starve the next', () => {
  it.each([
    ['500', faults.status(500), partTo],
    ['503 and a long pause', faults.status(503, { headers: { 'Retry-After': '40' } }), partTo],
    ['403, in one batch', faults.status(403), partTo],
    ['no answer', faults.hang(), batchTo],
    ['400 to the batch', faults.status(400), batchTo],
  ])('answered with %s', async (words, give, on) => {
    const { tenant, run, ids, strangers } = await settled();
    const waiting = addRisky(tenant, 'high', 61);
    const [held = ''] = strangers('high', 1);
    addRisky(tenant, 'medium', 1);
    strangers('low', 1);
    tenant.fault({ on: on(ids.high), give });
    const ended = await run();
    expect(ended.events).toEqual(['add-failed', 'remove-failed']);
    const named = ended.told.flatMap(({ event, ids: some }) => (event === 'add-failed' ? some : []));
    expect(named.toSorted()).toEqual(waiting.sort());
    expect(tenant.members(ids.high)).toEqual([held]);
    expect(tenant.members(ids.medium)).toEqual(tenant.atRisk('medium'));
    expect(tenant.members(ids.low)).toEqual([]);
    // All of a batch failed alike, so of 61 no others were sent: the add of medium, the removal of low, and so many to high.
    expect(writes(tenant).length).toBeLessThanOrEqual(/403|400|long/.test(words) ? 4 : 14);
  });

  it('though the last of them may take all that is left', async () => {
    const { tenant, runInSync } = await settled();
    addRisky(tenant, 'high', 80);
    tenant.fault({ on: ON.batch, give: faults.slow(9_000) });
    await runInSync();
  });

  it('a creation that is throttled for most of the run', async () => {
    const { tenant, run, ids } = await settled();
    tenant.deleteGroup(ids.low);
    addRisky(tenant, 'high', 1);
    tenant.fault({ on: ON.create, give: faults.throttled('40') });
    expect((await run()).events).toEqual(['group-not-created']);
    expect(tenant.members(ids.high)).toEqual(tenant.atRisk('high'));
  });
});

it.each([
  ['500', faults.status(500)],
  ['400', faults.status(400)],
  ['a restricted unit', faults.refuse(errors.restrictedUnit())],
  ['a pause longer than the run', faults.throttled('120')],
])('I6: one of many, answered with %s, keeps nobody else nor their retry, and is named', async (_, give) => {
  const { tenant, run, ids, strangers } = await settled();
  const users = addRisky(tenant, 'high', 45);
  // The first of a batch, whose answer does not speak for the others.
  const [poison = '', other = ''] = users;
  const [kept = ''] = strangers('high', 25);
  for (const id of [poison, kept]) tenant.fault({ on: faults.changesOf(id), give });
  tenant.fault({ on: faults.changesOf(other), times: 1, give: faults.status(503) });
  expect((await run()).told).toMatchObject([
    { event: 'add-failed', level: 'high', ids: [poison] },
    { event: 'remove-failed', level: 'high', ids: [kept] },
  ]);
  expect(tenant.members(ids.high)).toEqual([...users.filter((id) => id !== poison), kept].sort());
});

it('I6: what fails for ever in some batches takes no time that the others need', async () => {
  const { tenant, run, ids } = await settled({ latencyMs: 500 });
  const users = addRisky(tenant, 'high', 300);
  // Each in a batch of its own.
  const [failing, deleted] = [0, 20].map((first) => [0, 60, 120].map((more) => users[first + more] ?? ''));
  for (const id of failing ?? []) tenant.fault({ on: faults.changesOf(id), give: faults.status(500) });
  for (const id of deleted ?? []) tenant.deleteUser(id, { riskEntry: 'stale' });
  tenant.fault({ on: /members\?.*\$top=1$/, give: faults.status(503) });
  await run();
  expect(tenant.members(ids.high)).toHaveLength(294);
});

it('I6: twenty refused users do not keep the same others out', async () => {
  const { tenant, run, members } = await settled();
  for (const id of addRisky(tenant, 'high', 30).slice(0, 20))
    tenant.fault({ on: faults.changesOf(id), give: faults.status(403) });
  const random = seeded(1);
  for (let minute = 0; minute < 3; minute += 1) await run({ random });
  expect(members().high).toHaveLength(10);
});

it('I6: in a group that this run has made nobody is called gone: they are failed, and gone later', async () => {
  const { tenant, run, clock } = scene();
  const [gone = '', other = ''] = addRisky(tenant, 'high', 2);
  tenant.deleteUser(gone, { riskEntry: 'stale' });
  const failures = (await run()).told.filter(({ severity }) => severity === 'error');
  expect(failures).toMatchObject([{ event: 'add-failed', ids: [gone] }]);
  expect(tenant.members(NAMES.high)).toEqual([other]);
  await clock.advance(900_000);
  const more = addRisky(tenant, 'high', 1);
  expect((await run()).events).toEqual(['users-gone']);
  expect(tenant.members(NAMES.high)).toEqual([other, ...more].sort());
});

it('I4 never uncovered: what was read of a group that then is gone is no knowledge any more', async () => {
  const { runInSync, tenant, run, ids, mover } = await moving();
  // In both groups, and read so in this run.
  tenant.addMember(ids.high, mover);
  tenant.before(({ path }) => {
    if (path === '/$batch' && tenant.groups().some(({ id }) => id === ids.high)) tenant.deleteGroup(ids.high);
  });
  expect((await run()).events).toEqual(['group-gone']);
  expect(tenant.members(NAMES.low)).toContain(mover);
  expect(tenant.members(NAMES.medium)).toEqual(tenant.atRisk('medium'));
  // The next run makes another one, and then they move.
  await runInSync();
});
