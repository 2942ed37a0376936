/** The log, the heartbeat and the verdict: all that people ever see of a run. */
import { describe, expect, it } from 'vitest';
import { RunFailed } from '../src/errors';
import { RISK_LEVELS, type RiskLevel } from '../src/plan';
import { addGroups, addRisky, type Ended, NAMES, type RunOptions, scene } from './harness';
import * as faults from './tenant/faults';

/** developers.cloudflare.com/workers/platform/limits: what is kept of the log of one run. */
const LOG_BYTES = 256 * 1_024;
const IDS_PER_LINE = 100;

const bytes = ({ text }: Ended) => new TextEncoder().encode(text).length;
const severities = ({ lines }: Ended) => lines.map(({ severity }) => severity);

/** The lists of ids that the lines hold. */
function idLists({ lines }: Ended): string[][] {
  return lines.flatMap((line) =>
    ['ids', 'added', 'removed'].flatMap((field) => {
      const value = line[field];
      return Array.isArray(value) ? [value.map(String)] : [];
    }),
  );
}

describe('Log: its lines', () => {
  it('are JSON, one for each event, the sentence first', async () => {
    const { tenant, run } = scene();
    for (const level of RISK_LEVELS) addRisky(tenant, level, 2);
    tenant.setRisk(tenant.addUser(), 'hidden');
    const first = await run();
    tenant.dismiss(tenant.atRisk('high')[0] ?? '');
    tenant.setRisk(tenant.atRisk('low')[0] ?? '', 'medium');
    tenant.addGroup({ displayName: NAMES.low });
    tenant.fault({ on: /members\/.*\$ref/, give: faults.status(403) });
    const second = await run();
    for (const ended of [first, second]) {
      const texts = ended.text.split('\n');
      expect(texts).toHaveLength(ended.lines.length);
      for (const text of texts) expect(text).toMatch(/^\{"message":"[A-Z0-9][^"]*[.]"[,}]/);
    }
  });

  it('are a single one when there is nothing to do', async () => {
    const { tenant, run } = scene();
    for (const level of RISK_LEVELS) addRisky(tenant, level, 2);
    await run();
    const { lines } = await run();
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      severity: 'log',
      message: 'In step, nothing to do. At risk: 2 high, 2 medium, 2 low.',
      added: 0,
      removed: 0,
      requests: 5,
      milliseconds: 0,
    });
  });

  it('tell who was added and removed, from where, and why', async () => {
    const { tenant, run } = scene();
    const { ids } = addGroups(tenant);
    const [moving = '', departing = ''] = addRisky(tenant, 'low', 2);
    const first = await run();
    expect(first.lines[0]).toMatchObject({
      severity: 'log',
      message: `Added 2 users to ${NAMES.low}.`,
      level: 'low',
      added: [moving, departing],
    });
    tenant.setRisk(moving, 'high');
    tenant.dismiss(departing);
    const { lines } = await run();
    expect(lines).toMatchObject([
      { severity: 'log', message: `Added 1 user to ${NAMES.high}.`, level: 'high', added: [moving] },
      {
        severity: 'log',
        message: `Removed 1 user from ${NAMES.low}: no longer at risk.`,
        level: 'low',
        removed: [departing],
      },
      {
        severity: 'log',
        message: `Removed 1 user from ${NAMES.low}: now at risk at another level.`,
        level: 'low',
        removed: [moving],
      },
      {
        severity: 'log',
        message: 'In step again: 1 added, 2 removed. At risk: 1 high, 0 medium, 0 low.',
        added: 1,
        removed: 2,
        GROUP_IDS: `high=${ids.high},medium=${ids.medium},low=${ids.low}`,
      },
    ]);
  });

  it('are warnings for what needs a look and errors for what failed', async () => {
    const { tenant, run } = scene();
    expect((await run()).lines.map(({ severity, trouble }) => [severity, trouble])).toEqual([
      ...RISK_LEVELS.map(() => ['warn', 'group-created']),
      ['log', undefined],
    ]);
    tenant.setRisk(tenant.addUser(), 'hidden');
    expect(severities(await run())).toEqual(['warn', 'log']);
    tenant.fault({ on: /members/, times: 1, give: faults.status(403) });
    expect(severities(await run()).sort()).toEqual(['error', 'log', 'warn']);
    tenant.fault({ on: /riskyUsers/, give: faults.status(403) });
    expect(severities(await run())).toEqual(['error']);
  });

  it('say of every created group that it must be assigned to the SCIM application', async () => {
    const { tenant, run } = scene();
    const { lines } = await run();
    for (const [index, level] of RISK_LEVELS.entries()) {
      const id = tenant.groupsNamed(NAMES[level])[0]?.id;
      expect(lines[index]).toMatchObject({ severity: 'warn', level, id });
      expect(lines[index]?.message).toContain(`${NAMES[level]} (${id})`);
      expect(lines[index]?.message).toContain('Assign it to the SCIM application of Cloudflare');
    }
  });

  it('name the group, the level and the number of whatever is in trouble', async () => {
    const { tenant, run, clock } = scene();
    const { ids } = addGroups(tenant, { low: [tenant.addUser()] });
    tenant.deleteGroup(ids.medium);
    await clock.advance(900_000);
    tenant.deleteUser(addRisky(tenant, 'low', 1)[0] ?? '', { riskEntry: 'stale' });
    addRisky(tenant, 'high', 1);
    tenant.fault({ on: /^POST \/groups$/, give: faults.status(500) });
    tenant.fault({ on: /riskyUsers/, after: 1, give: faults.status(404) });
    tenant.before(({ method }) => {
      if (method === 'PATCH' && tenant.groupsNamed(NAMES.high).length > 0) tenant.deleteGroup(ids.high);
    });
    const { lines } = await run();
    const line = (trouble: string) => lines.find((one) => one.trouble === trouble);
    expect(line('group-create-failed')).toMatchObject({ level: 'medium', status: 500 });
    expect(line('group-create-failed')?.message).toContain(
      `${NAMES.medium} was not created, or it is not clear whether it was (Graph answered 500 `,
    );
    expect(line('group-gone')).toMatchObject({ level: 'high' });
    expect(line('group-gone')?.message).toContain(NAMES.high);
    expect(line('group-gone')).not.toHaveProperty('ids');
    expect(line('users-gone')).toMatchObject({ level: 'low' });
    expect(line('users-gone')?.message).toContain(`1 user could not be added to ${NAMES.low}`);
    expect(line('second-reading-failed')).toMatchObject({ status: 404 });
    expect(line('second-reading-failed')?.message).toMatch(
      /^1 user would leave isolation, but .* failed \(Graph answered 404 /,
    );
  });

  it('tell of a run that only removes', async () => {
    const { tenant, run } = scene();
    addGroups(tenant, { low: [tenant.addUser()] });
    expect((await run()).lines.at(-1)?.message).toMatch(/^In step again: 0 added, 1 removed\./);
  });

  it('are summed up in what Cron Events shows: every key once', async () => {
    const { tenant, run } = scene();
    for (const level of RISK_LEVELS)
      tenant.addGroup({ displayName: NAMES[level], mailEnabled: level !== 'low' });
    addRisky(tenant, 'low', 1);
    tenant.fault({ on: /^(PATCH|POST .*\/members)/, give: faults.status(418) });
    const { error } = await run();
    expect(String(error)).toBe('RunFailed: group-unfit, join-failed: the error lines above say what to do');
  });

  it('do not say that all is in step when it is not', async () => {
    const { tenant, run } = scene();
    tenant.addGroup({ displayName: NAMES.high, groupTypes: ['DynamicMembership'] });
    addRisky(tenant, 'low', 1);
    const { lines, text } = await run();
    expect(lines.at(-1)?.message).toMatch(/^Not all is in step: 1 added, 0 removed\./);
    expect(text).not.toContain('In step');
  });
});

describe('Log: the GROUP_IDS line', () => {
  it('stands at the end when groups are created, when they are found, and helps as it is', async () => {
    const { tenant, run, coldRun, env } = scene();
    const created = (await run()).lines.at(-1)?.['GROUP_IDS'];
    const id = (level: RiskLevel) => tenant.groupsNamed(NAMES[level])[0]?.id;
    expect(created).toBe(`high=${id('high')},medium=${id('medium')},low=${id('low')}`);
    expect((await coldRun()).lines.at(-1)?.['GROUP_IDS']).toBe(created);
    env['GROUP_IDS'] = created;
    addRisky(tenant, 'high', 1);
    const pinned = await coldRun();
    expect(pinned.ok).toBe(true);
    expect(tenant.members(NAMES.high)).toHaveLength(1);
    expect(pinned.text).not.toContain('GROUP_IDS');
  });

  it('is left out as long as a group is missing', async () => {
    const { tenant, run } = scene();
    tenant.addGroup({ displayName: NAMES.high, groupTypes: ['DynamicMembership'] });
    expect((await run()).lines.at(-1)).not.toHaveProperty('GROUP_IDS');
  });
});

describe('Log: its size', () => {
  it('names at most a hundred ids a line, and everyone once', async () => {
    const { tenant, run } = scene();
    const people = addRisky(tenant, 'high', 250);
    const lists = idLists(await run());
    expect(lists.map(({ length }) => length)).toEqual([IDS_PER_LINE, IDS_PER_LINE, 50]);
    expect(lists.flat()).toEqual(people);
  });

  it('keeps within 256 KB for 10,000 joins, says what it leaves out, and keeps its last line', async () => {
    const { tenant, run, expectInStep } = scene();
    addRisky(tenant, 'high', 10_000);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expectInStep();
    expect(bytes(ended)).toBeLessThanOrEqual(LOG_BYTES);
    expect(Math.max(...idLists(ended).map(({ length }) => length))).toBe(IDS_PER_LINE);
    const named = idLists(ended).flat().length;
    const left = ended.lines.find((line) => 'idsNotShown' in line);
    const why = 'the log of a run has its limit';
    expect(left).toMatchObject({ severity: 'log', idsNotShown: 10_000 - named, why });
    expect(named).toBeGreaterThan(3_000);
    expect(ended.lines.at(-1)?.message).toMatch(/^In step again: 10000 added/);
  });

  it('keeps within 256 KB for 10,000 moves, each an addition and a removal', async () => {
    const { tenant, run, expectInStep } = scene();
    const people = Array.from({ length: 5_000 }, () => tenant.addUser());
    addGroups(tenant, { low: people });
    for (const id of people) tenant.setRisk(id, 'high');
    const ended = await run();
    expect(ended.ok).toBe(true);
    expectInStep();
    expect(bytes(ended)).toBeLessThanOrEqual(LOG_BYTES);
    expect(ended.lines.at(-1)).toMatchObject({ added: 5_000, removed: 5_000 });
  });

  it('keeps within 256 KB when nobody of 10,000 is known to Entra any more', async () => {
    const { tenant, run } = scene();
    for (const id of addRisky(tenant, 'high', 10_000)) tenant.deleteUser(id, { riskEntry: 'stale' });
    const ended = await run();
    expect(bytes(ended)).toBeLessThanOrEqual(LOG_BYTES);
    expect(ended.troubles[0]).toBe('group-created');
    expect(ended.troubles).toContain('users-gone');
    expect(Math.max(...idLists(ended).map(({ length }) => length))).toBe(IDS_PER_LINE);
  });
});

describe('I10 silent about people: nothing that a server says reaches the log', () => {
  const gossip = {
    headers: { 'request-id': 'alice example, 1 main street' },
    error: { code: 'Denied for Alice Example', message: 'alice.example@contoso.example may not do that.' },
  };
  const places: Record<string, RegExp> = {
    'the sign-in': /^POST \/token/,
    'the risky users': /^GET \/identityProtection/,
    'the lookup': /^GET \/groups\?/,
    'the members': /^GET \/groups\/.*members/,
    'creating a group': /^POST \/groups\??$/,
    'twenty joins': /^PATCH/,
    'single joins': /^(PATCH|POST \/groups\/.*ref)/,
    'a batch': /^(PATCH|POST \/\$batch)/,
    leaving: /^DELETE/,
  };
  const cases = Object.entries(places).flatMap(([place, on]) =>
    [400, 401, 403, 404, 418, 500].map((code) => [place, code, on] as const),
  );

  it.each(cases)('%s answered %i', async (_, code, on) => {
    const { tenant, run } = scene();
    const departing = tenant.addUser({ name: 'Alice Example' });
    addGroups(tenant, { high: [departing] });
    tenant.deleteGroup(NAMES.low);
    tenant.confirmCompromised(tenant.addUser({ name: 'Alice Example' }));
    addRisky(tenant, 'high', 2);
    const fault = tenant.fault({ on, give: faults.status(code, gossip) });
    const ended = await run();
    expect(fault.hits()).toBeGreaterThan(0);
    const thrown = ended.error instanceof Error ? `${ended.error.stack} ${ended.error.message}` : '';
    expect(`${ended.text} ${thrown}`).not.toMatch(/alice|contoso|main street/i);
  });

  it('but a code and a request id that are plain', async () => {
    const { tenant, run } = scene();
    tenant.fault({
      on: /riskyUsers/,
      give: faults.status(418, { error: { code: 'Teapot_Short.Stout-1', message: 'x' } }),
    });
    const { lines } = await run();
    expect(lines).toMatchObject([{ severity: 'error', status: 418, code: 'Teapot_Short.Stout-1' }]);
    expect(lines[0]?.['requestId']).toMatch(/^[\w-]{36}$/);
  });

  it('nor a code that is not', async () => {
    const { tenant, run } = scene();
    tenant.fault({ on: /riskyUsers/, give: faults.status(418, gossip) });
    const { lines } = await run();
    expect(lines[0]?.message).toContain('could not be read (Graph answered 418), so');
  });

  it('nor what an error of the Worker itself says', async () => {
    const { tenant, run } = scene();
    const memory = {
      get token(): never {
        throw new TypeError('alice.example@contoso.example');
      },
    };
    const ended = await run({ memory });
    expect(ended.troubles).toEqual(['unexpected']);
    expect(ended.lines[0]?.message).toContain('TypeError');
    expect(`${ended.text} ${ended.error}`).not.toContain('alice');
    expect(tenant.requests).toEqual([]);
  });
});

describe('A fault of the Worker itself', () => {
  it('is not taken for a group that was created', async () => {
    const { tenant, run } = scene();
    let posted = false;
    tenant.before(({ method, path }) => {
      if (method === 'POST' && path === '/groups') posted = true;
    });
    const ended = await run({
      random: () => {
        if (posted) throw new TypeError('no chance');
        return 0.5;
      },
    });
    expect(ended.troubles).toEqual(['unexpected']);
    expect(String(ended.error)).toBe('RunFailed: unexpected: the error lines above say what to do');
  });
});

describe('Heartbeat', () => {
  const ADDRESS = 'https://beat.example/ping/5ecret-t0ken?rid=5ecret';

  /** A run with a heartbeat that is answered so. */
  async function beating(
    answer: () => Promise<Response>,
    prepare: (here: ReturnType<typeof scene>) => void = () => {},
    options: RunOptions = {},
  ) {
    const here = scene({ env: { HEARTBEAT_URL: ADDRESS } });
    addRisky(here.tenant, 'high', 1);
    prepare(here);
    const beats: { url: string; init: RequestInit; membersThen: number | undefined }[] = [];
    const ended = await here.run({
      ...options,
      fetch: (url, init) => {
        if (!url.startsWith('https://beat.example')) return here.tenant.fetch(url, init);
        beats.push({ url, init, membersThen: here.members().high?.length });
        return answer();
      },
    });
    expect(`${ended.text} ${ended.error}`).not.toMatch(/5ecret|beat\.example/);
    return { ...here, ended, beats };
  }
  const fine = async () => new Response('OK');

  it('is one GET after a good run, with nothing of the tenant in it', async () => {
    const { beats, ended } = await beating(fine);
    expect(ended.ok).toBe(true);
    expect(beats).toMatchObject([
      { url: ADDRESS, init: { method: 'GET', redirect: 'manual' }, membersThen: 1 },
    ]);
    expect(beats[0]?.init.body).toBeUndefined();
    expect(beats[0]?.init.headers).toBeUndefined();
    expect(ended.troubles).not.toContain('heartbeat-failed');
  });

  it.each<[string, Parameters<typeof beating>[1]]>([
    ['failed', ({ tenant }) => tenant.fault({ on: /riskyUsers/, give: faults.status(403) })],
    ['was refused the sign-in', ({ env }) => Object.assign(env, { AZURE_AD_CLIENT_SECRET: 'wrong' })],
    ['had bad settings', ({ env }) => Object.assign(env, { MAX_REMOVALS: 'x' })],
    ['failed at one level', ({ tenant }) => tenant.addGroup({ displayName: NAMES.low, mailEnabled: true })],
    ['ran out of time', ({ tenant }) => tenant.fault({ on: /riskyUsers/, give: faults.hang() })],
    ['was dry', ({ env }) => Object.assign(env, { DRY_RUN: 'true' })],
  ])('is not sent after a run that %s', async (_, prepare) => {
    const { beats } = await beating(fine, prepare);
    expect(beats).toEqual([]);
  });

  it('is sent though something needed a look', async () => {
    const { beats, ended } = await beating(fine, ({ tenant }) => tenant.setRisk(tenant.addUser(), 'hidden'));
    expect(ended.troubles).toContain('in-doubt');
    expect(beats).toHaveLength(1);
  });

  it.each<[string, () => Promise<Response>, string]>([
    ['breaks', () => Promise.reject(new Error(`could not reach ${ADDRESS}`)), 'no answer'],
    ['is answered 500', async () => new Response('no', { status: 500 }), 'status 500'],
    ['is answered 404', async () => new Response(null, { status: 404 }), 'status 404'],
    [
      'is redirected',
      async () => new Response(null, { status: 302, headers: { location: 'https://x.example' } }),
      'status 302',
    ],
    ['hangs', () => new Promise(() => {}), 'no answer in time'],
  ])('that %s is a warning, and no failed run', async (_, answer, reason) => {
    const { beats, ended, expectInStep } = await beating(answer);
    expect(ended.ok).toBe(true);
    expectInStep();
    expect(beats).toHaveLength(1);
    expect(ended.lines).toContainEqual(
      expect.objectContaining({
        severity: 'warn',
        trouble: 'heartbeat-failed',
        message: expect.stringContaining(`(${reason})`),
      }),
    );
    expect(ended.milliseconds).toBeLessThanOrEqual(5_000);
  });

  it('has time of its own, though the run waits for new groups until its end', async () => {
    const here = scene({ latencyMs: 20, env: { HEARTBEAT_URL: ADDRESS, DEADLINE_SECONDS: '40' } });
    here.tenant.fault({ on: /^GET \/groups\?/, after: 1, give: faults.hang() });
    let taken = 0;
    const ended = await here.run({
      fetch: async (url, init) => {
        if (url !== ADDRESS) return here.tenant.fetch(url, init);
        await here.clock.sleep(2_000, init.signal ?? undefined);
        if (init.signal?.aborted) throw new Error('aborted');
        taken += 1;
        return fine();
      },
    });
    expect(ended.troubles).not.toContain('heartbeat-failed');
    expect([ended.ok, taken]).toEqual([true, 1]);
    expect(ended.milliseconds).toBeLessThanOrEqual(40_000);
  });

  it('that hangs is given up', async () => {
    const { beats } = await beating(() => new Promise(() => {}));
    expect(beats[0]?.init.signal?.aborted).toBe(true);
  });

  it('is not waited for when its answer has a body that never ends', async () => {
    const { ended } = await beating(async () => new Response(new ReadableStream()));
    expect(ended.ok).toBe(true);
    expect(ended.milliseconds).toBeLessThanOrEqual(5_000);
  });

  it('that hangs does not carry the run past its deadline', async () => {
    const { ended } = await beating(
      () => new Promise(() => {}),
      ({ tenant, env }) => {
        env['DEADLINE_SECONDS'] = '5';
        tenant.fault({ on: /^PATCH/, times: 1, give: faults.throttled('3') });
      },
    );
    expect(ended.ok).toBe(true);
    expect(ended.milliseconds).toBeGreaterThan(3_000);
    expect(ended.milliseconds).toBeLessThanOrEqual(5_000);
  });
});

describe('I11 honest: the run fails exactly when something that should be in step is not', () => {
  type Happening = (here: ReturnType<typeof scene>, people: string[]) => unknown;
  /** Three at high risk are in their group when it happens. */
  async function after(happen: Happening) {
    const here = scene();
    addGroups(here.tenant);
    const people = addRisky(here.tenant, 'high', 3);
    expect((await here.run()).ok).toBe(true);
    happen(here, people);
    const ended = await here.run();
    return { ...here, ended };
  }

  it.each<[string, Happening]>([
    ['nothing', () => {}],
    ['a user deleted while he is at risk', ({ tenant }, [id = '']) => tenant.deleteUser(id)],
    [
      'a user deleted who could still be listed',
      ({ tenant }) => tenant.deleteUser(addRisky(tenant, 'low', 1)[0] ?? '', { riskEntry: 'stale' }),
    ],
    ['a user at a hidden level', ({ tenant }, [id = '']) => tenant.setRisk(id, 'hidden')],
    ['an impostor group', ({ tenant }) => tenant.addGroup({ displayName: NAMES.high })],
    [
      'departures that are not wanted',
      ({ tenant, env }, [id = '']) => {
        env['MAX_REMOVALS'] = '0';
        tenant.dismiss(id);
      },
    ],
    ['a filter that is refused', ({ tenant }) => Object.assign(tenant, { rejectRiskFilter: true })],
    [
      'trouble that passes',
      ({ tenant }) => {
        addRisky(tenant, 'low', 3);
        tenant.fault({ on: /./, times: 3, give: faults.status(503) });
      },
    ],
  ])('it does not for %s', async (_, happen) => {
    const { ended } = await after(happen);
    expect(ended.error).toBeUndefined();
    expect(severities(ended)).not.toContain('error');
  });

  it.each<[string, Happening, string]>([
    [
      'a refused sign-in',
      ({ tenant }) => {
        tenant.secretExpired = true;
        tenant.revokeTokens();
      },
      'sign-in',
    ],
    ['unread risky users', ({ tenant }) => Object.assign(tenant, { licensed: false }), 'risky-users-refused'],
    [
      'a lookup that fails',
      ({ tenant }) => tenant.fault({ on: /^GET \/groups\?/, give: faults.html() }),
      'lookup-failed',
    ],
    [
      'an unfit group',
      ({ tenant }) => {
        tenant.deleteGroup(NAMES.low);
        tenant.addGroup({ displayName: NAMES.low, mailEnabled: true });
      },
      'group-unfit',
    ],
    [
      'a group that is not created',
      ({ tenant }) => {
        tenant.deleteGroup(NAMES.low);
        tenant.fault({ on: /^POST \/groups/, give: faults.status(504) });
      },
      'group-create-failed',
    ],
    [
      'a join that fails',
      ({ tenant }) => {
        addRisky(tenant, 'low', 1);
        tenant.fault({ on: /^(PATCH|POST .*\/members)/, give: faults.status(418) });
      },
      'join-failed',
    ],
    [
      'a leave that fails',
      ({ tenant }, [id = '']) => {
        tenant.dismiss(id);
        tenant.fault({ on: /^DELETE/, give: faults.status(418) });
      },
      'leave-failed',
    ],
    [
      'a second reading that fails',
      ({ tenant }, [id = '']) => {
        tenant.dismiss(id);
        tenant.fault({ on: /riskyUsers/, after: 1, give: faults.status(403) });
      },
      'second-reading-failed',
    ],
  ])('it does for %s', async (_, happen, trouble) => {
    const { ended } = await after(happen);
    expect(ended.troubles).toEqual([trouble]);
    expect(ended.error).toBeInstanceOf(RunFailed);
    expect(String(ended.error)).toContain(trouble);
    expect(severities(ended)).toContain('error');
  });
});
