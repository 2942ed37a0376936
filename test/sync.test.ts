/** The main job: the groups hold who is at risk, and nothing else is touched. */
import { describe, expect, it } from 'vitest';
import { addGroups, addRisky, NAMES, scene, writes } from './harness';

describe('I1 converges', () => {
  it('creates the three groups and fills them', async () => {
    const { tenant, run, expectInStep } = scene();
    for (const level of ['high', 'medium', 'low'] as const) addRisky(tenant, level, 3);
    tenant.addUser();
    const ended = await run();
    expect(ended.ok).toBe(true);
    expectInStep();
    for (const level of ['high', 'medium', 'low'] as const) {
      expect(tenant.groupsNamed(NAMES[level])).toMatchObject([
        { securityEnabled: true, mailEnabled: false, mailNickname: NAMES[level] },
      ]);
    }
  });

  it('follows everyone whose risk changes', async () => {
    const { tenant, run, expectInStep } = scene();
    const [rising = '', dismissed = '', safe = '', remediated = '', falling = ''] = addRisky(
      tenant,
      'medium',
      5,
    );
    await run();
    tenant.confirmCompromised(rising);
    tenant.dismiss(dismissed);
    tenant.confirmSafe(safe);
    tenant.remediate(remediated);
    tenant.setRisk(falling, 'low');
    addRisky(tenant, 'low', 2);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expectInStep();
    expect(tenant.members(NAMES.high)).toEqual([rising]);
  });

  it('reads pages on both sides, small and empty ones too', async () => {
    const { tenant, run, expectInStep } = scene();
    addRisky(tenant, 'high', 30);
    tenant.pageSizes = { riskyUsers: 7, members: 4, groups: 1, emptyPages: true };
    expect((await run()).ok).toBe(true);
    expectInStep();
    for (const id of tenant.atRisk('high').slice(0, 12)) tenant.dismiss(id);
    expect((await run()).ok).toBe(true);
    expectInStep();
    tenant.forgetRequests();
    expect((await run()).ok).toBe(true);
    expect(writes(tenant)).toEqual([]);
  });

  it('finds groups that an administrator made, and pinned ones by id alone', async () => {
    const { tenant, run, members, env } = scene({
      permissions: ['IdentityRiskyUser.Read.All', 'GroupMember.ReadWrite.All'],
    });
    const ids = { high: '', medium: '', low: '' };
    for (const level of ['high', 'medium', 'low'] as const) {
      ids[level] = tenant.addGroup({ displayName: `pinned ${level}` });
      tenant.allowWritesTo(ids[level]);
    }
    env['GROUP_IDS'] = `high=${ids.high}, medium=${ids.medium.toUpperCase()}, low=${ids.low}`;
    const [user = ''] = addRisky(tenant, 'medium', 1);
    expect((await run()).ok).toBe(true);
    expect(tenant.members(ids.medium)).toEqual([user]);
    expect(members()).toEqual({ high: undefined, medium: undefined, low: undefined });
    expect(tenant.requests.filter(({ path }) => path === '/groups')).toEqual([]);
  });

  it('heals what others changed in the groups', async () => {
    const { tenant, run, expectInStep } = scene();
    const [user = ''] = addRisky(tenant, 'high', 1);
    await run();
    tenant.removeMember(NAMES.high, user);
    tenant.addMember(NAMES.low, tenant.addUser());
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it('leaves out deleted users, settled states and the level none, and lets the level decide otherwise', async () => {
    const { tenant, run } = scene();
    tenant.rejectRiskFilter = true;
    const [deleted = '', unknownState = '', noState = '', confirmed = ''] = addRisky(tenant, 'high', 4);
    tenant.deleteUser(deleted);
    tenant.setRisk(unknownState, 'high', 'unknownFutureValue');
    tenant.setRisk(noState, 'high', null);
    tenant.confirmCompromised(confirmed);
    for (const state of ['none', 'confirmedSafe', 'remediated', 'dismissed']) {
      tenant.setRisk(tenant.addUser(), 'high', state);
    }
    tenant.setRisk(tenant.addUser(), 'none', 'atRisk');
    const ended = await run();
    expect(ended.troubles).toContain('filter-refused');
    expect(tenant.members(NAMES.high)).toEqual([unknownState, noState, confirmed].sort());
  });

  it('compares ids in lower case', async () => {
    const { tenant, run, expectInStep } = scene();
    const id = tenant.addUser({ id: 'AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE', level: 'high' });
    await run();
    tenant.fault({
      on: /riskyUsers/,
      give: (await import('./tenant/faults')).rewrite((body) =>
        JSON.parse(JSON.stringify(body).replaceAll(id, id.toUpperCase())),
      ),
    });
    tenant.forgetRequests();
    expect((await run()).ok).toBe(true);
    expect(writes(tenant)).toEqual([]);
    expectInStep();
  });
});

describe('I2 idempotent', () => {
  it('sends reads only when nothing has changed', async () => {
    const { tenant, run, coldRun, expectInStep } = scene();
    for (const level of ['high', 'medium', 'low'] as const) addRisky(tenant, level, 25);
    await run();
    tenant.forgetRequests();
    expect((await run()).ok).toBe(true);
    expect((await coldRun()).ok).toBe(true);
    expect(writes(tenant)).toEqual([]);
    expectInStep();
  });

  it('only tries again the users who could not be added', async () => {
    const { tenant, run } = scene();
    addRisky(tenant, 'high', 3);
    const [gone = ''] = addRisky(tenant, 'high', 1);
    tenant.deleteUser(gone, { riskEntry: 'stale' });
    await run();
    tenant.forgetRequests();
    const ended = await run();
    expect(ended.ok).toBe(true);
    const bodies = tenant.requests
      .filter(({ method, path }) => method !== 'GET' && path !== '/token')
      .map(({ body }) => body);
    expect(bodies.length).toBeGreaterThan(0);
    for (const body of bodies)
      expect(JSON.stringify(body).match(/directoryObjects\/[^"]+/g)).toEqual([`directoryObjects/${gone}`]);
  });
});

describe('I4 never uncovered', () => {
  it('holds after every request while people move', async () => {
    const { tenant, run, expectInStep } = scene();
    const people = addRisky(tenant, 'low', 45);
    await run();
    for (const id of people.slice(0, 30)) tenant.setRisk(id, 'high');
    for (const id of people.slice(30, 40)) tenant.setRisk(id, 'medium');
    const uncovered: string[] = [];
    tenant.after(({ method, path }) => {
      const covered = new Set(Object.values(NAMES).flatMap((name) => tenant.members(name)));
      for (const id of people) if (!covered.has(id)) uncovered.push(`${id} after ${method} ${path}`);
    });
    await run();
    expect(uncovered).toEqual([]);
    expectInStep();
  });

  it('sends every join of every level before any leave, high first', async () => {
    const { tenant, run } = scene();
    const people = addRisky(tenant, 'low', 3);
    const [toHigh = '', toMedium = '', departing = ''] = people;
    await run();
    tenant.setRisk(toHigh, 'high');
    tenant.setRisk(toMedium, 'medium');
    tenant.dismiss(departing);
    addRisky(tenant, 'low', 1);
    tenant.forgetRequests();
    await run();
    const order = writes(tenant).map((write) => {
      const level = (['high', 'medium', 'low'] as const).find(
        (one) => write === `PATCH /groups/${tenant.groupsNamed(NAMES[one])[0]?.id}`,
      );
      return level ?? write;
    });
    expect(order).toEqual(['high', 'medium', 'low', 'POST /$batch']);
  });
});

describe('I5 blast radius', () => {
  it('writes to the three groups only, and leaves members alone that are not users', async () => {
    const { tenant, run } = scene();
    const { ids } = addGroups(tenant, { high: [tenant.addUser()] });
    const other = tenant.addGroup({ displayName: 'Finance', members: [tenant.addUser({ level: 'high' })] });
    const before = tenant.members(other);
    const kept = (['group', 'device', 'servicePrincipal'] as const).map((kind) =>
      tenant.addOtherMember(ids.high, kind),
    );
    await run();
    expect(tenant.otherMembers(ids.high)).toEqual(kept.sort());
    expect(tenant.members(ids.high)).toEqual(tenant.atRisk('high'));
    expect(tenant.members(other)).toEqual(before);
    expect(tenant.groups()).toHaveLength(5);
  });

  it('deletes nothing but memberships, by /$ref', async () => {
    const { tenant, run } = scene();
    addRisky(tenant, 'high', 41);
    await run();
    const groups = tenant.groups();
    const users = tenant.users();
    for (const id of tenant.atRisk('high')) tenant.dismiss(id);
    tenant.forgetRequests();
    await run();
    const deletes = tenant.requests
      .flatMap(({ batch }) => batch ?? [])
      .filter(({ method }) => method === 'DELETE');
    expect(deletes).toHaveLength(41);
    for (const { path } of deletes)
      expect(path).toMatch(/^\/groups\/[0-9a-f-]{36}\/members\/[0-9a-f-]{36}\/\$ref$/);
    expect(tenant.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
    expect(tenant.groups()).toEqual(groups);
    expect(tenant.users()).toEqual(users);
  });
});

describe('I6 poison isolation', () => {
  it('adds everyone else when some can not be added, and names those', async () => {
    const { tenant, run } = scene();
    const people = addRisky(tenant, 'high', 60);
    const gone = [people[3] ?? '', people[27] ?? '', people[59] ?? ''];
    for (const id of gone) tenant.deleteUser(id, { riskEntry: 'stale' });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(tenant.members(NAMES.high)).toEqual(people.filter((id) => !gone.includes(id)).sort());
    const warning = ended.lines.find(({ trouble }) => trouble === 'users-gone');
    expect(warning).toMatchObject({ severity: 'warn', ids: gone });
  });

  it('takes "already a member" and "not a member" for no failure', async () => {
    const { tenant, run, expectInStep } = scene();
    const [early = '', late = ''] = addRisky(tenant, 'high', 2);
    await run();
    const [added = ''] = addRisky(tenant, 'high', 1);
    tenant.dismiss(early);
    tenant.before(({ method }) => {
      // Somebody else is faster between the reading and the writing.
      if (method === 'PATCH' && !tenant.members(NAMES.high).includes(added))
        tenant.addMember(NAMES.high, added);
      if (method === 'POST' && tenant.members(NAMES.high).includes(early))
        tenant.removeMember(NAMES.high, early);
    });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual([]);
    expectInStep();
    expect(tenant.members(NAMES.high)).toContain(late);
  });

  it('adds one by one where a tenant refuses twenty at once', async () => {
    const { tenant, run, expectInStep } = scene();
    tenant.bulkAddForbidden = true;
    addRisky(tenant, 'high', 25);
    addRisky(tenant, 'low', 25);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expectInStep();
    expect(tenant.requests.filter(({ method }) => method === 'PATCH')).toHaveLength(1);
  });
});

describe('I10 silent about people', () => {
  it('logs object ids, and no name, address, token or secret', async () => {
    const { tenant, run, env } = scene({ env: { HEARTBEAT_URL: 'https://beat.example/secret-path' } });
    addRisky(tenant, 'high', 3);
    let ended = await run({
      fetch: (url, init) =>
        url.startsWith('https://beat') ? Promise.reject(new Error(url)) : tenant.fetch(url, init),
    });
    const texts = [ended.text, String(ended.error)];
    tenant.permissions = [];
    tenant.revokeTokens();
    ended = await run();
    texts.push(ended.text, String(ended.error));
    env['AZURE_AD_CLIENT_SECRET'] = 'wrong-secret';
    ended = await run({ memory: {} });
    texts.push(ended.text, String(ended.error));
    const text = texts.join('\n');
    expect(text).toContain(tenant.atRisk('high')[0]);
    expect(text).not.toMatch(/secret-path|wrong-secret|eyJ|Bearer/);
    expect(text).not.toContain(tenant.ids.clientSecret);
    for (const { displayName, mail } of tenant.users()) {
      expect(text).not.toContain(displayName);
      expect(text).not.toContain(mail);
    }
    const asked = tenant.requests.map(({ url }) => url).join('\n');
    expect(asked).not.toMatch(/userDisplayName|userPrincipalName|displayName,mail/);
  });
});
