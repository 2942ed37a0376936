/** Risky users of the stand-in tenant: each refusal has a case. */
import { expect, test } from 'vitest';
import { guestUpn } from './tenant/names';
import { probe } from './tenant/probe';

const RISKY = '/identityProtection/riskyUsers';
const FILTER = "riskState eq 'atRisk' or riskState eq 'confirmedCompromised'";
const refused = (code: string, message: string | RegExp = /./, status = 400) => ({
  ...{ status, code },
  message: expect.stringMatching(message),
});

test('riskyUsers lists everyone who ever was at risk, with the documented properties', async () => {
  const { tenant, get } = probe();
  tenant.addUser();
  const [a, b, c, d, e] = (['low', 'medium', 'high', 'low', 'medium'] as const).map((level) =>
    tenant.addUser({ level }),
  );
  for (const id of [a, b, c, d, e]) if (id === undefined) throw new Error();
  tenant.dismiss(a ?? '');
  tenant.confirmCompromised(b ?? '');
  tenant.confirmSafe(c ?? '');
  tenant.remediate(d ?? '');
  tenant.deleteUser(e ?? '');
  const { value } = await get(RISKY);
  expect(
    value.map(({ id, riskLevel, riskState, isDeleted }) => [id, riskLevel, riskState, isDeleted]),
  ).toEqual([
    [a, 'none', 'dismissed', false],
    [b, 'high', 'confirmedCompromised', false],
    [c, 'none', 'confirmedSafe', false],
    [d, 'none', 'remediated', false],
    [e, 'medium', 'atRisk', true],
  ]);
  expect(value[0]).toEqual({
    ...{ id: a, isDeleted: false, isProcessing: false, riskDetail: 'adminDismissedAllRiskForUser' },
    ...{ riskLastUpdatedDateTime: '2026-05-04T03:00:00.000Z', riskLevel: 'none', riskState: 'dismissed' },
    ...{ userDisplayName: 'Bruno Moreau', userPrincipalName: 'Bruno.Moreau@Contoso.example' },
  });
  expect([tenant.atRisk('high'), tenant.atRisk('medium'), tenant.atRisk('none')]).toEqual([[b], [], []]);
});

test('unheard-of levels and states, null and absent ones', async () => {
  const { tenant, clock, get } = probe();
  const ids = Array.from({ length: 5 }, () => tenant.addUser());
  const [a = '', b = '', c = '', d = '', e = ''] = ids;
  tenant.setRisk(a, 'hidden');
  tenant.setRisk(b, 'severe', 'suspected', 'newDetail');
  tenant.setRisk(c, null, null);
  tenant.setRisk(d, undefined, undefined);
  tenant.setRisk(e, 'high', undefined);
  const { value } = await get(`${RISKY}?$select=id,riskLevel,riskState&$top=500`);
  expect(value).toEqual([
    { id: a, riskLevel: 'hidden', riskState: 'atRisk' },
    { id: b, riskLevel: 'severe', riskState: 'suspected' },
    { id: c, riskLevel: null, riskState: null },
    { id: d },
    { id: e, riskLevel: 'high' },
  ]);
  await clock.advance(1_000);
  const filtered = await get(`${RISKY}?$filter=${FILTER}`);
  expect(filtered.value.map(({ id }) => id)).toEqual([a]);
  expect(tenant.atRisk('high')).toEqual([]);
  tenant.rejectRiskFilter = true;
  expect(tenant.atRisk('high')).toEqual([e]);
  await clock.advance(1_000);
  expect(await get(`${RISKY}?$filter=${FILTER}`)).toMatchObject(refused('BadRequest'));
});

test('a userPrincipalName keeps its case, changes, is absent or a guest, and may be none of our business', async () => {
  const { tenant, clock, get } = probe();
  const [a, b] = [tenant.addUser({ level: 'low' }), tenant.addUser({ level: 'low', upn: null })];
  const guest = tenant.addUser({ level: 'low', upn: guestUpn('ada@partner.example') });
  tenant.setUpn(a, 'Ada@Contoso.example');
  const upns = async () =>
    (await get(`${RISKY}?$select=id,userPrincipalName`)).value.map((risk) => risk['userPrincipalName']);
  const guests = 'ada_partner.example#EXT#@Contoso.example';
  expect(await upns()).toEqual(['Ada@Contoso.example', null, guests]);
  expect([tenant.user(a), tenant.user(b)]).toMatchObject([
    { userPrincipalName: 'Ada@Contoso.example' },
    { userPrincipalName: null },
  ]);
  tenant.deleteUser(guest);
  tenant.upnForbidden = true;
  await clock.advance(1_000);
  expect(await upns()).toContain(guests);
  await clock.advance(1_000);
  await get(`${RISKY}?$select=id`);
  expect(tenant.violations).toEqual(['riskyUsers was asked for userPrincipalName']);
});

test('a user who is deleted may stay in riskyUsers unmarked for a while', async () => {
  const { tenant, get } = probe();
  const id = tenant.addUser({ level: 'high' });
  tenant.deleteUser(id, { riskEntry: 'stale' });
  expect((await get(`${RISKY}?$select=id,isDeleted`)).value).toEqual([{ id, isDeleted: false }]);
  expect([tenant.atRisk('high'), tenant.user(id)]).toEqual([[], undefined]);
});

test('the filter of riskyUsers is really applied', async () => {
  const { tenant, clock, get } = probe();
  const at = (level: 'low' | 'high', state?: 'dismissed') =>
    tenant.addUser({ level, ...(state && { state }) });
  const [low, high, gone] = [at('low'), at('high'), at('high', 'dismissed')];
  for (const [filter, expected] of [
    ["riskLevel eq 'high'", [high, gone]],
    ["riskLevel eq 'high' and riskState eq 'atRisk'", [high]],
    ["riskState eq 'dismissed' or riskLevel eq 'low' and riskState eq 'atRisk'", [low, gone]],
    ["(riskState eq 'dismissed' or riskLevel eq 'low') and riskState eq 'atRisk'", [low]],
    ["  ( riskLevel eq 'low' )", [low]],
  ] as const) {
    await clock.advance(1_000);
    const { value } = await get(`${RISKY}?$filter=${encodeURIComponent(filter)}`);
    expect(
      value.map(({ id }) => id),
      filter,
    ).toEqual(expected);
  }
  for (const filter of [
    ...[
      '',
      'riskLevel',
      "riskLevel eq 'High'",
      "riskLevel eq 'extreme'",
      'riskLevel eq high',
      "riskLevel ne 'low'",
    ],
    ...[
      "(riskLevel eq 'low'",
      "riskLevel eq 'low')",
      "riskLevel in ('low')",
      'isDeleted eq false',
      "a eq 'low'",
    ],
    ...[
      "riskLevel eq 'low' OR riskLevel eq 'high'",
      "riskLevel eq 'low' or",
      "riskLevel eq 'lo",
      "not riskLevel eq 'low'",
    ],
    ...["constructor eq 'low'", "riskLevel eq 'low' riskLevel eq 'low'"],
  ]) {
    await clock.advance(1_000);
    expect(await get(`${RISKY}?$filter=${encodeURIComponent(filter)}`), filter).toMatchObject(
      refused('BadRequest'),
    );
  }
});

test('riskyUsers refuses a page over 500, unknown properties, unknown and doubled options', async () => {
  const { clock, get } = probe();
  for (const query of [
    ...['$top=501', '$top=0', '$top=ten', '$top=-1', '$select=id,level', '$select=id, riskLevel', '$select='],
    ...['$orderby=id', '$count=true', '$skip=1', 'top=5', '$top=5&$top=6', '$skiptoken=abc'],
  ]) {
    await clock.advance(1_000);
    expect((await get(`${RISKY}?${query}`)).status, query).toBe(400);
  }
  await clock.advance(1_000);
  expect((await get(`${RISKY}?%24top=500`)).status).toBe(200);
});

test('a tenant without Entra ID P2 answers 403', async () => {
  const { get } = probe({ licensed: false });
  expect(await get(RISKY)).toMatchObject(
    refused('Forbidden', 'Your tenant is not licensed for this feature.', 403),
  );
});

test('pages: 20 risky users unless asked for more, smaller ones and empty ones if the server likes', async () => {
  const { tenant, pages } = probe();
  const ids = Array.from({ length: 45 }, () => tenant.addUser({ level: 'low' }));
  const sizes = async (query: string) => {
    const replies = await pages(`${RISKY}?$select=id&${query}`);
    expect(replies.flatMap(({ value }) => value.map(({ id }) => id))).toEqual(ids);
    return replies.map(({ value }) => value.length);
  };
  expect(await sizes('')).toEqual([20, 20, 5]);
  expect(await sizes('$top=45')).toEqual([45]);
  tenant.pageSizes.riskyUsers = 22;
  expect(await sizes('$top=500')).toEqual([22, 22, 1]);
  tenant.pageSizes.emptyPages = true;
  expect(await sizes('$top=500')).toEqual([0, 22, 0, 22, 0, 1, 0]);
});

test('a next link is good only as it was given; each page shows what is true when it is asked for', async () => {
  const { tenant, clock, get } = probe();
  const ids = Array.from({ length: 4 }, () => tenant.addUser({ level: 'low' }));
  const { next = '' } = await get(`${RISKY}?$top=2&$select=id,riskLevel&$filter=${FILTER}`);
  expect(next).toMatch(/^https:\/\/graph\.microsoft\.com\/v1\.0\/identityProtection\/riskyUsers\?/);
  for (const changed of [
    next.replace('$top=2', '$top=3'),
    next.replace('$select=id,riskLevel&', ''),
    next.slice(0, -1),
    `${next}&x=1`,
    `${RISKY}?${new URL(next).search.replace(/.*(\$skiptoken)/, '$1')}`,
    decodeURIComponent(next),
  ]) {
    await clock.advance(1_000);
    expect((await get(changed)).status, changed).toBe(400);
  }
  tenant.setRisk(ids[2] ?? '', 'high');
  tenant.dismiss(ids[3] ?? '');
  await clock.advance(1_000);
  expect(await get(next)).toMatchObject({ value: [{ id: ids[2], riskLevel: 'high' }], next: undefined });
});
