/** What is refused for good: the log names the remedy, once, and the run does not go on knocking. */
import { describe, expect, it } from 'vitest';
import { RISK_LEVELS, type RiskLevel } from '../src/plan';
import { addGroups, addRisky, type Ended, NAMES, scene, writes } from './harness';
import * as faults from './tenant/faults';

const READ_RISK = 'IdentityRiskyUser.Read.All';
const WRITE_MEMBERS = 'GroupMember.ReadWrite.All';
const LOOK_UP = 'GroupMember.Read.All';
const CREATE = 'Group.Create';
const ALL = [READ_RISK, WRITE_MEMBERS, LOOK_UP, CREATE];
const allBut = (...missing: string[]) => ALL.filter((permission) => !missing.includes(permission));
/** DESIGN.md: a lasting refusal costs no more than a dozen requests a run, however many users wait. */
const DOZEN = 12;

const TOKEN = { token_type: 'Bearer', access_token: 'x', expires_in: 3_599 };

const errors = ({ lines }: Ended) => lines.filter(({ severity }) => severity === 'error');
const failure = (ended: Ended) => errors(ended)[0]?.message ?? '';
const refusedFor = (error_codes: number[]): faults.Fault => ({
  inBatch: false,
  give: async () => ({ status: 400, headers: {}, body: { error: 'invalid_request', error_codes } }),
});

describe('Errors name the remedy: riskyUsers refused', () => {
  it('for want of the permission: the permission first, then the licence', async () => {
    const { tenant, run } = scene({ permissions: allBut(READ_RISK) });
    const ended = await run();
    expect(errors(ended)).toMatchObject([
      { trouble: 'risky-users-refused', status: 403, code: 'Authorization_RequestDenied' },
    ]);
    expect(errors(ended)[0]?.['requestId']).toMatch(/^[\w-]+$/);
    expect(failure(ended)).toMatch(/IdentityRiskyUser\.Read\.All.*admin consent.*, or .*Entra ID P2 licence/);
    expect(writes(tenant)).toEqual([]);
  });

  it('for want of the licence: the licence first, then the permission', async () => {
    const { tenant, run } = scene({ licensed: false });
    const ended = await run();
    expect(errors(ended)).toMatchObject([{ trouble: 'risky-users-refused', status: 403, code: 'Forbidden' }]);
    expect(failure(ended)).toMatch(/Entra ID P2 licence.*, or .*IdentityRiskyUser\.Read\.All.*admin consent/);
    expect(writes(tenant)).toEqual([]);
  });

  it.each([
    ['licence', 'This tenant has no License for it.'],
    ['licence', 'Premium licence required.'],
    ['permission', 'Your tenant lacks something.'],
  ])('puts the %s first after the words "%s", and does not repeat them', async (first, message) => {
    const { tenant, run } = scene();
    tenant.fault({ on: /riskyUsers/, give: faults.status(403, { error: { code: 'Forbidden', message } }) });
    const ended = await run();
    expect(failure(ended)).toMatch(
      first === 'licence' ? /Either the tenant has no/ : /Either the application/,
    );
    expect(ended.text).not.toContain(message);
  });
});

describe('Errors name the remedy: a limit that lasts', () => {
  const crowded = (options = {}) => {
    const here = scene({ latencyMs: 20, ...options });
    here.tenant.pageSizes = { members: 2, riskyUsers: 500 };
    return here;
  };

  it('the requests of the Free plan, for the members of one group', async () => {
    const { tenant, run } = crowded();
    addGroups(tenant, { low: addRisky(tenant, 'low', 120) });
    const { fetch } = faults.freePlan((input, init) => tenant.fetch(input, init));
    const ended = await run({ fetch });
    expect(ended.troubles).toEqual(['group-unread']);
    expect(failure(ended)).toContain('(The runtime refuses further requests)');
    expect(failure(ended)).toContain('use the Workers Paid plan');
  });

  it('the deadline, for the members of one group', async () => {
    const { tenant, run } = crowded({ latencyMs: 400 });
    addGroups(tenant, { low: addRisky(tenant, 'low', 300) });
    const ended = await run();
    expect(ended.troubles).toEqual(['group-unread']);
    expect(failure(ended)).toContain('a larger DEADLINE_SECONDS');
  });

  it('the deadline, for the second reading', async () => {
    const { tenant, run } = scene({ latencyMs: 20 });
    const stays = tenant.addUser();
    const { ids } = addGroups(tenant, { low: [stays, ...addRisky(tenant, 'low', 60)] });
    tenant.pageSizes = { riskyUsers: 2 };
    const ended = await run();
    expect(ended.troubles).toEqual(['second-reading-failed']);
    expect(failure(ended)).toContain('(The deadline of the run is reached)');
    expect(failure(ended)).toContain('a larger DEADLINE_SECONDS');
    expect(tenant.members(ids.low)).toContain(stays);
  });
});

describe('Errors name the remedy: a sign-in that is lost in the middle of a run is said once, with the setting', () => {
  it.each([
    ['members are read', /^GET .*members$/],
    ['users are added', /^PATCH/],
    ['users are removed', /^POST .*batch/],
  ])('while %s', async (_, during) => {
    const { tenant, run } = scene();
    const { ids } = addGroups(tenant, { low: [tenant.addUser()] });
    addRisky(tenant, 'high', 1);
    tenant.before(({ method, path }) => {
      if (!during.test(`${method} ${path}`)) return;
      tenant.secretExpired = true;
      tenant.revokeTokens();
    });
    const ended = await run();
    expect(errors(ended)).toMatchObject([{ trouble: 'sign-in' }]);
    expect(failure(ended)).toContain('AZURE_AD_CLIENT_SECRET has expired');
    expect(tenant.members(ids.low)).toHaveLength(1);
  });

  it.each([
    ['expired', undefined, 'AADSTS7000222'],
    ['refused for two reasons', refusedFor([50_001, 70_011]), 'AADSTS50001, AADSTS70011'],
    ['refused without a number', faults.redirect('https://login.microsoftonline.com/'), 'status 302'],
    ['throttled', faults.throttled('900'), 'status 429'],
    ['unreachable', faults.broken(), 'no answer'],
  ])('is named as what prevents the second reading: %s', async (_, give, reason) => {
    const { tenant, run } = scene();
    const stays = tenant.addUser();
    const { ids } = addGroups(tenant, { low: [stays] });
    let readings = 0;
    tenant.before(({ path }) => {
      if (!path.endsWith('/riskyUsers')) return;
      readings += 1;
      if (readings !== 2) return;
      tenant.revokeTokens();
      if (give) tenant.fault({ on: /\/token/, give });
      else tenant.secretExpired = true;
    });
    const ended = await run();
    expect(ended.troubles).toEqual(['second-reading-failed']);
    expect(failure(ended)).toContain(`failed (sign-in refused: ${reason}),`);
    expect(tenant.members(ids.low)).toEqual([stays]);
  });
});

describe('Errors name the remedy: groups refused', () => {
  it('the lookup', async () => {
    const { tenant, run } = scene();
    tenant.fault({ on: /^GET \/groups\?/, give: faults.status(403) });
    addRisky(tenant, 'high', 1);
    const ended = await run();
    expect(ended.troubles).toEqual(['lookup-refused']);
    expect(failure(ended)).toMatch(
      /Grant the application permission GroupMember\.Read\.All with admin consent/,
    );
    expect(failure(ended)).toContain('GROUP_IDS');
    expect(writes(tenant)).toEqual([]);
  });

  it('the lookup, for want of every permission on groups', async () => {
    const { run } = scene({ permissions: [READ_RISK, WRITE_MEMBERS, CREATE] });
    expect((await run()).troubles).toEqual(['lookup-refused']);
  });

  it('creating, and the remedy helps: groups made by hand and pinned', async () => {
    const { tenant, run, env, expectInStep } = scene({ permissions: allBut(CREATE) });
    for (const level of RISK_LEVELS) addRisky(tenant, level, 1);
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(errors(ended)).toHaveLength(3);
    for (const [index, level] of RISK_LEVELS.entries()) {
      expect(errors(ended)[index]).toMatchObject({ trouble: 'group-create-refused', level, status: 403 });
      expect(errors(ended)[index]?.message).toContain(NAMES[level]);
      expect(errors(ended)[index]?.message).toContain('Group.Create');
      expect(errors(ended)[index]?.message).toMatch(
        /create the three groups by hand and pin them with GROUP_IDS/,
      );
    }
    expect(tenant.groups()).toEqual([]);
    env['GROUP_IDS'] = addGroups(tenant).pin;
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it('the runtime, while groups are created: no level is said to have failed, and nothing more is sent', async () => {
    const { tenant, run } = scene();
    addRisky(tenant, 'high', 1);
    // The sign-in, the risky users and the lookup; then the runtime refuses.
    const plan = faults.freePlan((input, init) => tenant.fetch(input, init), 3);
    const ended = await run({ fetch: plan.fetch });
    expect(ended.troubles).toEqual(['out-of-time']);
    expect(failure(ended)).toContain(
      'The runtime refuses further requests: 0 of 1 users added. The next run',
    );
    expect(failure(ended)).toContain('use the Workers Paid plan');
    // The three creations go out together.
    expect(plan.refused()).toBe(3);
  });

  it('reading the members', async () => {
    const { tenant, run } = scene();
    const { ids } = addGroups(tenant, { medium: [tenant.addUser()] });
    addRisky(tenant, 'high', 1);
    tenant.fault({ on: new RegExp(`^GET /groups/${ids.medium}/members`), give: faults.status(403) });
    const ended = await run();
    expect(errors(ended)).toMatchObject([{ trouble: 'group-unread', level: 'medium', status: 403 }]);
    expect(failure(ended)).toContain(NAMES.medium);
    expect(failure(ended)).toContain('Grant the application permission GroupMember.ReadWrite.All');
    expect(tenant.members(ids.medium)).toHaveLength(1);
    expect(tenant.members(ids.high)).toEqual(tenant.atRisk('high'));
  });

  it('joining', async () => {
    const { tenant, run } = scene({ permissions: allBut(WRITE_MEMBERS) });
    const { ids } = addGroups(tenant);
    addRisky(tenant, 'high', 1);
    const ended = await run();
    expect(errors(ended)).toMatchObject([{ trouble: 'join-refused', level: 'high', status: 403 }]);
    expect(failure(ended)).toContain(NAMES.high);
    expect(failure(ended)).toContain('GroupMember.ReadWrite.All');
    expect(failure(ended)).toContain('role-assignable');
    expect(tenant.members(ids.high)).toEqual([]);
  });

  it('leaving', async () => {
    const { tenant, run } = scene({ permissions: allBut(WRITE_MEMBERS) });
    const user = tenant.addUser();
    const { ids } = addGroups(tenant, { low: [user] });
    const ended = await run();
    expect(errors(ended)).toMatchObject([
      { trouble: 'leave-refused', level: 'low', status: 403, ids: [user] },
    ]);
    expect(failure(ended)).toContain(NAMES.low);
    expect(failure(ended)).toContain('GroupMember.ReadWrite.All');
    expect(failure(ended)).toContain('role-assignable');
    expect(tenant.members(ids.low)).toEqual([user]);
  });

  it('joining a group that is role-assignable, while the others go on', async () => {
    const { tenant, run } = scene();
    tenant.addGroup({ displayName: NAMES.high, isAssignableToRole: true });
    for (const level of RISK_LEVELS) addRisky(tenant, level, 2);
    const ended = await run();
    expect(errors(ended)).toMatchObject([{ trouble: 'join-refused', level: 'high' }]);
    expect(tenant.members(NAMES.medium)).toEqual(tenant.atRisk('medium'));
    expect(tenant.members(NAMES.low)).toEqual(tenant.atRisk('low'));
  });

  it('joining a pinned group that is synced from on-premises, while the others go on', async () => {
    const { tenant, run, env } = scene();
    const { ids } = addGroups(tenant);
    const synced = tenant.addGroup({ displayName: 'from on-premises', onPremisesSyncEnabled: true });
    tenant.allowWritesTo(synced);
    env['GROUP_IDS'] = `high=${synced},medium=${ids.medium},low=${ids.low}`;
    for (const level of RISK_LEVELS) addRisky(tenant, level, 2);
    const ended = await run();
    expect(errors(ended)).toMatchObject([{ trouble: 'join-failed', level: 'high', status: 400 }]);
    expect(failure(ended)).toContain('synced from on-premises');
    expect(tenant.members(ids.medium)).toEqual(tenant.atRisk('medium'));
    expect(tenant.members(ids.low)).toEqual(tenant.atRisk('low'));
  });
});

describe('Errors name the remedy: the sign-in refused', () => {
  const oneSignIn = (ended: Ended) => {
    expect(ended.ok).toBe(false);
    expect(ended.lines).toHaveLength(1);
    expect(ended.troubles).toEqual(['sign-in']);
    expect(ended.requests).toBe(1);
    return failure(ended);
  };

  it('AADSTS7000215: the secret is wrong', async () => {
    const { run } = scene({ env: { AZURE_AD_CLIENT_SECRET: 'wrong' } });
    const message = oneSignIn(await run());
    expect(message).toContain('AADSTS7000215');
    expect(message).toContain('AZURE_AD_CLIENT_SECRET is wrong');
    expect(message).toContain('npx wrangler secret put AZURE_AD_CLIENT_SECRET');
  });

  it('AADSTS7000222: the secret has expired', async () => {
    const { tenant, run } = scene();
    tenant.secretExpired = true;
    const message = oneSignIn(await run());
    expect(message).toContain('AADSTS7000222');
    expect(message).toContain('AZURE_AD_CLIENT_SECRET has expired');
    expect(message).toContain('npx wrangler secret put AZURE_AD_CLIENT_SECRET');
  });

  it('AADSTS90002: there is no such tenant', async () => {
    const { run } = scene({ env: { AZURE_AD_TENANT_ID: 'fabrikam.example' } });
    const message = oneSignIn(await run());
    expect(message).toContain('AADSTS90002');
    expect(message).toMatch(/AZURE_AD_TENANT_ID names no tenant.*AZURE_AD_CLOUD.*wrangler\.toml/);
  });

  it('AADSTS700016: there is no such application', async () => {
    const { run } = scene({ env: { AZURE_AD_CLIENT_ID: 'aaaaaaaa-0000-4000-8000-00000000000a' } });
    const message = oneSignIn(await run());
    expect(message).toContain('AADSTS700016');
    expect(message).toMatch(/AZURE_AD_CLIENT_ID names no application.*AZURE_AD_TENANT_ID.*wrangler\.toml/);
  });

  it.each([
    [900023, 'AZURE_AD_TENANT_ID is neither'],
    [70011, 'Correct AZURE_AD_CLOUD in wrangler.toml'],
    [7000229, 'Grant admin consent'],
    [7000112, 'Enable it in Entra admin center'],
    [700027, 'Upload it there (Certificates & secrets > Certificates)'],
    [700024, 'AZURE_AD_CLIENT_CERTIFICATE is the current certificate'],
    [53003, 'Conditional Access policy for workload identities'],
    [99999, 'Check AZURE_AD_TENANT_ID, AZURE_AD_CLIENT_ID and the client secret or certificate'],
  ])('AADSTS%i', async (number, remedy) => {
    const { tenant, run } = scene();
    const error = { code: 'invalid_client', message: `AADSTS${number}: words of no matter` };
    tenant.fault({ on: /\/token/, give: faults.status(401, { error }) });
    const message = oneSignIn(await run());
    expect(message).toContain(`AADSTS${number}`);
    expect(message).toContain(remedy);
    expect(message).not.toContain('words of no matter');
  });

  it.each([
    ['an answer that is not JSON', faults.html(), 'status 200'],
    ['a redirect', faults.redirect('https://login.microsoftonline.com/other'), 'status 302'],
    [
      'a token of another type',
      faults.json({ token_type: 'pop', access_token: 'x', expires_in: 9 }),
      'status 200',
    ],
    ...['not-bearer', 'bearer-not'].map((token_type): [string, faults.Fault, string] => [
      `a token of the type ${token_type}`,
      faults.json({ token_type, access_token: 'x', expires_in: 9 }),
      'status 200',
    ]),
    [
      'a token with the status of an error',
      { inBatch: false, give: async () => ({ status: 400, headers: {}, body: TOKEN }) },
      'status 400',
    ],
    [
      'a token that is empty',
      faults.json({ token_type: 'Bearer', access_token: '', expires_in: 9 }),
      'status 200',
    ],
  ])('%s is no sign-in', async (_, give, status) => {
    const { tenant, run } = scene();
    tenant.fault({ on: /\/token/, give });
    const message = oneSignIn(await run());
    expect(message).toContain(status);
    expect(message).toContain('Check AZURE_AD_TENANT_ID');
  });

  it.each([
    ['unreachable', faults.broken(), 'no answer'],
    ['broken', faults.status(500), '500'],
    ['throttled', faults.throttled(), '429'],
    ['throttled for longer than the run', faults.throttled('120'), '429'],
    ['too slow', faults.status(408), '408'],
    ['in conflict', faults.status(409), '409'],
  ])('a sign-in that is %s is said once and blames no setting', async (_, give, what) => {
    const { tenant, run, expectInStep } = scene();
    addRisky(tenant, 'high', 1);
    const fault = tenant.fault({ on: /\/token/, give });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.lines).toHaveLength(1);
    expect(ended.requests).toBeLessThanOrEqual(DOZEN);
    expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
    expect(ended.troubles).toEqual(['sign-in']);
    expect(failure(ended)).toContain(`The sign-in of Entra is in trouble (${what})`);
    expect(failure(ended)).not.toContain('AZURE_AD');
    fault.remove();
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it('a sign-in that never answers ends the run at its deadline', async () => {
    const { tenant, run } = scene();
    tenant.fault({ on: /\/token/, give: faults.hang() });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.lines).toHaveLength(1);
    expect(ended.troubles).toEqual(['out-of-time']);
    expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
    expect(ended.requests).toBeLessThanOrEqual(DOZEN);
  });
});

/** Groups made by an administrator, with that many to be added and to be removed, spread over the levels. */
function waiting(levels: readonly RiskLevel[], count: number) {
  const here = scene({ env: { MAX_REMOVALS: 1_000 } });
  const { tenant } = here;
  const strangers = (level: RiskLevel) =>
    levels.includes(level) ? Array.from({ length: count / levels.length }, () => tenant.addUser()) : [];
  const members = { high: strangers('high'), medium: strangers('medium'), low: strangers('low') };
  const { ids, pin } = addGroups(tenant, members);
  for (const level of levels) addRisky(tenant, level, count / levels.length);
  return { ...here, ids, pin, members };
}

describe('A lasting refusal costs no more than a dozen requests a run', () => {
  const SPREAD: [string, readonly RiskLevel[]][] = [
    ['at one level', ['high']],
    ['at all levels', RISK_LEVELS],
  ];

  it.each(SPREAD)('with riskyUsers refused to 500 users %s', async (_, levels) => {
    const { tenant, run, members } = waiting(levels, 498);
    tenant.permissions = allBut(READ_RISK);
    const ended = await run();
    expect(ended.requests).toBeLessThanOrEqual(DOZEN);
    expect(ended.troubles).toEqual(['risky-users-refused']);
    expect(tenant.members(NAMES.high)).toEqual([...members.high].sort());
  });

  it.each(SPREAD)('with memberships refused (403), 498 to add and 498 to remove %s', async (_, levels) => {
    const { tenant, run, ids, members } = waiting(levels, 498);
    tenant.permissions = allBut(WRITE_MEMBERS);
    const ended = await run();
    for (const level of RISK_LEVELS) expect(tenant.members(ids[level])).toEqual([...members[level]].sort());
    expect(ended.requests).toBeLessThanOrEqual(DOZEN);
    // One line a level: who may not add may not remove either, so that is not tried.
    expect(errors(ended)).toMatchObject(
      levels.map((level) => ({ trouble: 'join-refused', level, status: 403 })),
    );
    for (const [index, level] of levels.entries())
      expect(errors(ended)[index]?.message).toContain(`add members to ${NAMES[level]} (403)`);
  });

  it.each(SPREAD)('with memberships refused (403), 498 to remove and nobody to add %s', async (_, levels) => {
    const { tenant, run, ids, members } = waiting(levels, 498);
    for (const level of levels) for (const id of tenant.atRisk(level)) tenant.dismiss(id);
    tenant.permissions = allBut(WRITE_MEMBERS);
    const ended = await run();
    for (const level of RISK_LEVELS) expect(tenant.members(ids[level])).toEqual([...members[level]].sort());
    expect(ended.requests).toBeLessThanOrEqual(DOZEN);
    expect(new Set(ended.troubles)).toEqual(new Set(['leave-refused']));
    expect(new Set(errors(ended).map((line) => line['level']))).toEqual(new Set(levels));
  });

  it.each(SPREAD)('with 498 to add to pinned groups that are synced (400) %s', async (_, levels) => {
    const { tenant, run, env, ids } = waiting(levels, 498);
    const pins = RISK_LEVELS.map((level) => {
      if (!levels.includes(level)) return `${level}=${ids[level]}`;
      const synced = tenant.addGroup({ displayName: `synced ${level}`, onPremisesSyncEnabled: true });
      tenant.allowWritesTo(synced);
      return `${level}=${synced}`;
    });
    env['GROUP_IDS'] = pins.join(',');
    const ended = await run();
    expect(ended.requests).toBeLessThanOrEqual(DOZEN);
    expect(ended.troubles).toEqual(levels.map(() => 'join-rejected'));
  });

  it.each(SPREAD)(
    'with 498 to add and to remove in pinned groups that are synced (400) %s',
    async (_, levels) => {
      const { tenant, run, env } = scene({ env: { MAX_REMOVALS: 1_000 } });
      const pins = RISK_LEVELS.map((level) => {
        const busy = levels.includes(level);
        const members = Array.from({ length: busy ? 498 / levels.length : 0 }, () => tenant.addUser());
        const synced = tenant.addGroup({
          displayName: `synced ${level}`,
          onPremisesSyncEnabled: busy,
          members,
        });
        tenant.allowWritesTo(synced);
        if (busy) addRisky(tenant, level, 498 / levels.length);
        return `${level}=${synced}`;
      });
      env['GROUP_IDS'] = pins.join(',');
      const ended = await run();
      expect(ended.ok).toBe(false);
      expect(ended.requests).toBeLessThanOrEqual(DOZEN);
    },
  );

  it('with no group to be created (403) and 498 waiting', async () => {
    const { tenant, run } = scene({ permissions: allBut(CREATE) });
    for (const level of RISK_LEVELS) addRisky(tenant, level, 170);
    const ended = await run();
    expect(ended.requests).toBeLessThanOrEqual(DOZEN);
    expect(ended.troubles).toHaveLength(3);
  });

  it('with the sign-in refused', async () => {
    const { run, env } = waiting(RISK_LEVELS, 498);
    env['AZURE_AD_CLIENT_SECRET'] = 'wrong';
    expect((await run()).requests).toBe(1);
  });

  it('with Graph refusing every token (401)', async () => {
    const { tenant, run } = waiting(RISK_LEVELS, 498);
    tenant.fault({ on: /^(?!POST \/token)/, give: faults.status(401) });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.requests).toBeLessThanOrEqual(DOZEN);
    expect(writes(tenant)).toEqual([]);
  });
});
