/** Answers that something in them, or in what is read afterwards, speaks against (K2, K7). */
import { expect, it, test } from 'vitest';
import { alreadyMember, badRequest, notFound } from '../tenant/errors';
import { isRecord, parseJson } from '../tenant/exchange';
import * as faults from '../tenant/faults';
import * as lists from '../tenant/list-faults';
import { described, listScene, resultOf } from './list-scene';
import { addRisky, batchTo, busy, moving, NAMES, ON, settled } from './scene';

/** A batch of which nothing is done, answered with so many responses that say 204. */
const batch = (body: (responses: object[]) => object) =>
  faults.connecting(async ({ call }) => {
    const sent = parseJson(call.text);
    const requests = isRecord(sent) && Array.isArray(sent['requests']) ? sent['requests'] : [];
    return { status: 200, headers: {}, body: body(requests.map(({ id }) => ({ id, status: 204, headers: {} }))) };
  });
const error = { code: 'UnknownError', message: '' };
const each = (more: object) => batch((responses) => ({ responses: responses.map((one) => ({ ...one, ...more })) }));

test.each([
  ['a broken connection, and done', faults.broken({ applied: true })],
  ['nothing, and done', faults.hang({ applied: true })],
  ['a page of some gateway', faults.html()],
  ['none of its parts', faults.json({ responses: [] })],
  ['204 for the whole', faults.ignored()],
  ['404 for the whole', faults.status(404)],
  ['404 of a gateway for each part', each({ status: 404 })],
  ['an error beside its responses', batch((responses) => ({ responses, error }))],
  ['an error in each part that says 204', each({ body: { error } })],
  ['an odd error in each part that says 204', each({ body: { error: { code: 5 } } })],
  ['two responses to each part', batch((all) => ({ responses: all.flatMap((one) => [{ ...one, status: 500 }, one]) }))],
])('I4, I11: a batch that is always answered with %s is judged by what is listed then', async (words, give) => {
  const { tenant, run, ids, mover, members, before, stale } = await moving();
  tenant.fault({ on: batchTo(ids.high), give });
  const { told, lines } = await run();
  const isDone = words.endsWith('done');
  expect(members().high).toEqual(isDone ? tenant.atRisk('high') : before.high);
  expect(members().low?.includes(mover)).toBe(!isDone);
  expect(lines.flatMap(({ added, removed }) => [added, removed].flat()).includes(mover)).toBe(isDone);
  const named = told.flatMap(({ severity, ids: some }) => (severity === 'error' ? some : [])).toSorted();
  expect(named).toEqual(isDone ? [] : [...tenant.atRisk('high'), stale.high].sort());
});

const notMember = badRequest("One or more removed object references do not exist for 'members'.");
test.each([
  ['"already exist"', 'POST', faults.refuse(alreadyMember(), { applied: true })],
  ['"do not exist"', 'DELETE', faults.refuse(notMember, { applied: true })],
  ['404', 'DELETE', faults.status(404, { applied: true })],
  ['204 again', 'POST', faults.ignored()],
])('I6: a whole batch answered with %s to %s says nothing of the users after it', async (words, method, give) => {
  const { tenant, run, runInSync, strangers } = await settled();
  if (method === 'POST') addRisky(tenant, 'high', 45);
  else strangers('high', 45);
  const rule = tenant.fault({ on: (one) => one.part && one.method === method, give });
  if (words.includes('again')) expect([(await run()).ok, rule.remove()]).toEqual([true, undefined]);
  await runInSync();
});

it('I11: a 404 that names the group makes nobody gone, and a deleted user first in a batch ends no level', async () => {
  const { tenant, run, env, ids, pin, members } = await settled();
  env['GROUP_IDS'] = pin;
  const users = addRisky(tenant, 'high', 45);
  const [first = '', ...others] = users;
  tenant.fault({ on: faults.changesOf(first), give: faults.refuse(notFound(ids.high)) });
  for (const id of others.slice(0, 19)) tenant.deleteUser(id, { riskEntry: 'stale' });
  const { told } = await run();
  expect(told.find(({ event }) => event === 'add-failed')).toMatchObject({ ids: [first] });
  expect(members().high).toEqual(others.slice(19).sort());
});

test.each([
  ['403', faults.status(403)],
  ['an error', faults.json({ error })],
  ['a page of some gateway', faults.html()],
])('I6, I11: a check whether the group is there that is answered with %s makes nobody gone', async (_, give) => {
  const { tenant, run, fresh, members } = await busy();
  const others = addRisky(tenant, 'high', 2);
  tenant.deleteUser(fresh.high, { riskEntry: 'stale' });
  tenant.fault({ on: /members\?.*\$top=1$/, give });
  expect((await run()).told).toMatchObject([{ event: 'add-failed', status: 404, ids: [fresh.high] }]);
  expect(members().high).toEqual(others.sort());
});

it('I11: a group that is deleted after a user turned out to be gone is noticed', async () => {
  const { tenant, run, ids } = await settled();
  const [gone = '', ...others] = addRisky(tenant, 'high', 45);
  tenant.deleteUser(gone, { riskEntry: 'stale' });
  tenant.before(({ path, body }) => {
    if (path === '/$batch' && !JSON.stringify(body).includes(gone)) tenant.deleteGroup(ids.high);
  });
  const { told } = await run();
  const left = expect.arrayContaining(others.slice(19));
  expect(told.find(({ event }) => event === 'group-gone')).toMatchObject({ ids: left });
});

it.each([5_000, 58_500, 125_000])('I4, K7: who is at risk again is added, though readings lag %i ms', async (lag) => {
  const { tenant, run, runInSync, clock } = await settled({ latencyMs: 1_000 });
  const [user = ''] = addRisky(tenant, 'high', 1);
  await run();
  await clock.advance(600_000);
  tenant.lag.membersVisibleAfterMs = lag;
  tenant.dismiss(user);
  await run();
  if (lag > 60_000) await run();
  tenant.setRisk(user, 'high');
  await runInSync();
});

const NEEDED = ['createdDateTime', 'groupTypes', 'mailEnabled', 'securityEnabled'];
test.each(NEEDED)('I3: without the %s of the oldest a younger group of its name is not ours', async (property) => {
  const { tenant, run, ids, mover, members } = await moving();
  const younger = tenant.addGroup({ displayName: NAMES.high });
  const give = lists.altered(({ id }) => (id === ids.high ? { [property]: undefined } : {}));
  tenant.fault({ on: ON.lookup, give });
  const both = expect.arrayContaining([ids.high, younger]);
  expect((await run()).told).toMatchObject([{ event: 'name-unclear', level: 'high', ids: both }]);
  expect(members().medium).toEqual(tenant.atRisk('medium'));
  expect([tenant.members(younger), members().low?.includes(mover)]).toEqual([[], true]);
});

test('I3: without the date of the oldest a younger list of its name is not ours', async () => {
  const { tenant, cloudflare, run } = listScene();
  const [user = ''] = addRisky(tenant, 'low', 1);
  await run();
  const younger = cloudflare.addList({ name: NAMES.high });
  tenant.setRisk(user, 'high');
  const undated = (one: unknown) => (Object(one).id === younger ? one : { ...Object(one), created_at: undefined });
  cloudflare.fault({ on: ON.lists, give: resultOf((found) => found.map(undated)) });
  expect((await run()).events).toEqual(['name-unclear']);
  expect([described(cloudflare, younger), described(cloudflare, NAMES.low)]).toEqual([[], [user]]);
});

test.each(['@odata.nextlink', '@nextLink'])('I3: a list goes on where its next link is called %s', async (name) => {
  const { tenant, runInSync } = await settled();
  tenant.pageSizes = { riskyUsers: 1 };
  addRisky(tenant, 'high', 3);
  const renamed = faults.rewrite((body) => {
    const { '@odata.nextLink': next, ...rest } = Object(body);
    return { nextLink: null, ...rest, [name]: next };
  });
  tenant.fault({ on: ON.riskyUsers, give: renamed });
  await runInSync();
});

test.each([
  ['hidden', ['in-doubt']],
  ['low', []],
])('I3: whom the second reading puts at the level %s is not moved from low', async (riskLevel, events) => {
  const { tenant, run, mover, members } = await moving();
  const other = lists.altered(({ id }) => (id === mover ? { riskLevel } : {}));
  tenant.fault({ on: ON.riskyUsers, after: 1, give: other });
  expect((await run()).events).toEqual(events);
  expect([members().high, members().medium]).toEqual([tenant.atRisk('high'), tenant.atRisk('medium')]);
  expect(members().low).toContain(mover);
});

it.each([true, false])('K7: a later reading of a run contradicts a success that was none: %s', async (isNone) => {
  const { tenant, cloudflare, run } = listScene();
  await run();
  const users = addRisky(tenant, 'high', 4);
  const success = isNone ? faults.json({ success: true, errors: [], messages: [], result: {} }) : faults.slow(1);
  const answers = [faults.status(400), faults.status(400), success, faults.status(504, { applied: true })];
  for (const give of answers) cloudflare.fault({ on: /^PATCH/, times: 1, give });
  const ended = await run();
  const there = described(cloudflare, NAMES.high);
  const missing = users.filter((id) => !there.includes(id));
  expect([there.length, ended.events]).toEqual(isNone ? [2, ['contradicted']] : [4, []]);
  expect(ended.told.flatMap(({ ids }) => ids)).toEqual(expect.arrayContaining(missing));
});

it('I11: who stays because an address of somebody in doubt is not told is not in sync', async () => {
  const { tenant, cloudflare, run } = listScene();
  const [gone = ''] = addRisky(tenant, 'high', 1);
  await run();
  tenant.dismiss(gone);
  const other = tenant.addUser();
  tenant.setRisk(other, 'hidden');
  tenant.fault({ on: ON.riskyUsers, give: lists.without('userPrincipalName', 'each') });
  expect((await run()).told.at(-1)).toMatchObject({ event: 'not-listable', severity: 'error', ids: [other] });
  expect(described(cloudflare, NAMES.high)).toEqual([gone]);
});

it('I11: a removal that what was read since forbids is told as not done', async () => {
  const { tenant, cloudflare, run, runWell } = listScene();
  const [user = '', other = ''] = addRisky(tenant, 'high', 2);
  await run();
  tenant.dismiss(user);
  const rule = tenant.fault({ on: ON.riskyUsers, after: 1, give: lists.without('userPrincipalName', 'each') });
  expect((await run()).told).toMatchObject([{ event: 'remove-failed', level: 'high', ids: [user] }]);
  expect(described(cloudflare, NAMES.high)).toEqual([user, other]);
  rule.remove();
  await runWell();
  expect(described(cloudflare, NAMES.high)).toEqual([other]);
});

it('I9: a dry run tells no removal that an entry of somebody else keeps a real run from', async () => {
  const { tenant, run, env } = listScene();
  const user = tenant.addUser({ upn: 'a@contoso.example', level: 'high' });
  await run();
  tenant.setUpn(user, 'p@contoso.example');
  tenant.addUser({ upn: 'a@contoso.example', level: 'low' });
  await run();
  tenant.setRisk(user, 'low');
  await run();
  for (const dryRun of ['true', 'false']) {
    env['DRY_RUN'] = dryRun;
    expect((await run()).lines.at(-1)).toMatchObject({ added: 0, removed: 0 });
  }
});
