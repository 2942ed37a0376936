/** The settings: whatever is wrong with them is said at once, with the remedy, before anything is sent. */
import { describe, expect, it } from 'vitest';
import { RunFailed, SettingsError } from '../src/errors';
import {
  addGroups,
  addRisky,
  type Ended,
  EVERY_MINUTE,
  NAMES,
  QUARTER_HOURLY,
  type RunOptions,
  scene,
  writes,
} from './harness';
import { CERTIFICATE_PEM, PRIVATE_KEY_PEM } from './tenant/certificate';
import * as faults from './tenant/faults';

const A = 'aaaaaaaa-0000-4000-8000-00000000000a';
const B = 'bbbbbbbb-0000-4000-8000-00000000000b';
const C = 'cccccccc-0000-4000-8000-00000000000c';

type Env = Record<string, unknown>;

/** A run with these settings, which has to stop before its first request; gives what it found wrong. */
async function refused(env: Env, options: RunOptions = {}): Promise<{ ended: Ended; faults: string[] }> {
  const { tenant, run } = scene({ env });
  addRisky(tenant, 'high', 1);
  const ended = await run(options);
  expect(tenant.requests).toEqual([]);
  expect(tenant.groups()).toEqual([]);
  expect(ended.lines).toMatchObject([{ severity: 'error', trouble: 'settings' }]);
  expect(ended.error).toBeInstanceOf(RunFailed);
  const cause = ended.error instanceof RunFailed ? ended.error.cause : undefined;
  if (!(cause instanceof SettingsError)) throw new Error('the cause is no SettingsError');
  for (const fault of cause.faults) expect(ended.lines[0]?.message).toContain(fault);
  return { ended, faults: [...cause.faults] };
}

/** A run with these settings, which has to end well and put the one user at risk into his group. */
async function accepted(env: Env, options: RunOptions = {}): Promise<Ended> {
  const domains = ['contoso.example', 'contoso.onmicrosoft.example', 'x.contoso.example'];
  const { tenant, run, expectInStep } = scene({ env, domains });
  addRisky(tenant, 'high', 1);
  const ended = await run(options);
  expect(ended.text).not.toContain('settings');
  expect(ended.ok).toBe(true);
  expectInStep();
  return ended;
}

describe('Settings: one fault is one sentence with the name and the remedy', () => {
  const TENANT = 'AZURE_AD_TENANT_ID';
  const CLIENT = 'AZURE_AD_CLIENT_ID';
  const SECRET = 'AZURE_AD_CLIENT_SECRET';
  const CLOUD = 'AZURE_AD_CLOUD';
  const GROUPS = 'GROUP_IDS';
  const EXEMPT = 'EXEMPT_USER_IDS';
  const REMOVALS = 'MAX_REMOVALS';
  const DEADLINE = 'DEADLINE_SECONDS';
  const SCIM = 'SCIM_SERVICE_PRINCIPAL_ID';
  const HEARTBEAT = 'HEARTBEAT_URL';
  const threeGroups = 'high=ID,medium=ID,low=ID';
  const cases: [what: string, name: string, value: unknown, remedy: string][] = [
    ['a missing tenant', TENANT, undefined, 'is not set. Set it to the Tenant ID'],
    ['a tenant that is null', TENANT, null, 'is not set. Set it to the Tenant ID'],
    ['an empty tenant', TENANT, '', 'is not set. Set it to the Tenant ID'],
    ['a tenant of blanks', TENANT, ' \n', 'is not set. Set it to the Tenant ID'],
    ['the placeholder of the tenant', TENANT, '<TENANT-ID>', 'is not set. Set it to the Tenant ID'],
    ['a tenant by its display name', TENANT, 'Contoso', 'directory (tenant) id or a verified domain'],
    ['the tenant "common"', TENANT, 'common', 'directory (tenant) id or a verified domain'],
    ['a tenant that leads elsewhere', TENANT, '../x.example', 'directory (tenant) id or a verified domain'],
    ['a tenant with a path', TENANT, 'contoso.example/x', 'directory (tenant) id or a verified domain'],
    ['a tenant of numbers', TENANT, 42, 'directory (tenant) id or a verified domain'],
    ['a domain with a numeric end', TENANT, '10.0.0.1', 'directory (tenant) id or a verified domain'],
    ['a missing application', CLIENT, undefined, 'is not set. Set it to the Application (client) ID'],
    ['the placeholder of the application', CLIENT, '<CLIENT-ID>', 'is not set. Set it to the Application'],
    ['an application by name', CLIENT, 'risky-users', 'must be the Application (client) ID'],
    ['an application id cut short', CLIENT, A.slice(0, -1), 'must be the Application (client) ID'],
    ['an application id in braces', CLIENT, `{${A}}`, 'must be the Application (client) ID'],
    [
      'a missing secret',
      SECRET,
      undefined,
      'is not set. Run: npx wrangler secret put AZURE_AD_CLIENT_SECRET',
    ],
    ['an empty secret', SECRET, '', 'is not set. Run: npx wrangler secret put AZURE_AD_CLIENT_SECRET'],
    ['a secret of a line end only', SECRET, '\r\n', 'is not set. Run: npx wrangler secret put'],
    ['the placeholder of the secret', SECRET, '<SECRET>', 'is not set. Run: npx wrangler secret put'],
    ['an unknown cloud', CLOUD, 'germany', 'must be global, usgov or dod.'],
    ['the cloud of China', CLOUD, 'china', 'Microsoft does not offer riskyUsers there'],
    ['the cloud of China in capitals', CLOUD, 'China', 'Microsoft does not offer riskyUsers there'],
    ['two levels pinned to one id', GROUPS, `high=${A},medium=${A},low=${C}`, threeGroups],
    [
      'two levels pinned to one id in another case',
      GROUPS,
      `high=${A},medium=${A.toUpperCase()},low=${C}`,
      threeGroups,
    ],
    ['a level missing', GROUPS, `high=${A},medium=${B}`, threeGroups],
    ['an extra level', GROUPS, `high=${A},medium=${B},low=${C},none=${A.replace('a', 'd')}`, threeGroups],
    ['a level of another name', GROUPS, `high=${A},medium=${B},lowest=${C}`, threeGroups],
    ['a level named twice', GROUPS, `high=${A},high=${B},low=${C}`, threeGroups],
    ['a level without id', GROUPS, `high=${A},medium=${B},low=`, threeGroups],
    ['a level without equals sign', GROUPS, `high=${A},medium=${B},low`, threeGroups],
    ['a level with two equals signs', GROUPS, `high=${A},medium=${B},low=${C}=x`, threeGroups],
    ['a group by its name', GROUPS, `high=${A},medium=${B},low=Everyone`, threeGroups],
    ['ids alone', GROUPS, `${A},${B},${C}`, threeGroups],
    ['a table instead of groups', GROUPS, { high: A, medium: B, low: C }, threeGroups],
    ['an unknown word for a dry run', 'DRY_RUN', 'yes', 'must be true or false.'],
    ['a word that ends in true', 'DRY_RUN', 'untrue', 'must be true or false.'],
    ['a word that begins with false', 'DRY_RUN', 'falsehood', 'must be true or false.'],
    ['a number for a dry run', 'DRY_RUN', 1, 'must be true or false.'],
    ['a negative limit', REMOVALS, '-1', 'must be a whole number, 0 or more'],
    ['a negative limit as a number', REMOVALS, -1, 'must be a whole number, 0 or more'],
    ['a limit that is not a number', REMOVALS, 'many', 'must be a whole number, 0 or more'],
    ['a limit that is not a whole number', REMOVALS, 2.5, 'must be a whole number, 0 or more'],
    ['a limit in another notation', REMOVALS, '1e3', 'must be a whole number, 0 or more'],
    ['a limit beyond all measure', REMOVALS, '10000000000', 'must be a whole number, 0 or more'],
    ['a boolean for a limit', REMOVALS, true, 'must be a whole number, 0 or more'],
    ['an exempt user by address', EXEMPT, 'alice@contoso.example', 'must be object ids of users'],
    ['one of the exempt being no id', EXEMPT, `${A},bob`, 'must be object ids of users'],
    ['exempt users parted by semicolons', EXEMPT, `${A};${B}`, 'must be object ids of users'],
    ['a deadline too short', DEADLINE, 4, 'from 5 to 55'],
    ['a deadline too long for every minute', DEADLINE, 56, 'more (up to 840) needs a cron slower than'],
    ['a negative deadline', DEADLINE, '-50', 'from 5 to 55'],
    ['a deadline that is not a number', DEADLINE, '50s', 'must be a whole number of seconds'],
    ['a SCIM application by name', SCIM, 'Cloudflare', 'must be the Object ID of the enterprise application'],
    ['a heartbeat over http', HEARTBEAT, 'http://beat.example/x', 'must be a whole https address'],
    ['a heartbeat without a scheme', HEARTBEAT, 'beat.example/x', 'must be a whole https address'],
    ['a heartbeat that is no address', HEARTBEAT, 'https://', 'must be a whole https address'],
  ];

  it.each(cases)('%s', async (_, name, value, remedy) => {
    const { ended, faults } = await refused({ [name]: value });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(new RegExp(`^${name} `));
    expect(faults[0]).toContain(remedy);
    // What was set may be a secret, or somebody's address.
    if (typeof value === 'string' && /beat|alice/.test(value)) expect(ended.text).not.toContain(value);
  });

  it.each(['* * * * *', '*/1 * * * *'])('a deadline too long for the cron %s', async (cron) => {
    const { faults } = await refused({ DEADLINE_SECONDS: '56' }, { cron });
    expect(faults).toEqual([expect.stringContaining('from 5 to 55')]);
  });

  it('a deadline too long even for a slow cron', async () => {
    const { faults } = await refused({ DEADLINE_SECONDS: '841' }, { cron: QUARTER_HOURLY });
    expect(faults).toEqual(['DEADLINE_SECONDS must be a whole number of seconds from 5 to 840.']);
  });

  it('one half of the certificate, even beside a secret', async () => {
    const half = await refused({ AZURE_AD_CLIENT_CERTIFICATE: CERTIFICATE_PEM });
    expect(half.faults).toEqual([
      'AZURE_AD_CLIENT_PRIVATE_KEY is not set, but the other half of the pair is. Run: npx wrangler secret put AZURE_AD_CLIENT_PRIVATE_KEY < key.pem',
    ]);
    const other = await refused({ AZURE_AD_CLIENT_PRIVATE_KEY: PRIVATE_KEY_PEM });
    expect(other.faults).toEqual([
      'AZURE_AD_CLIENT_CERTIFICATE is not set, but the other half of the pair is. Run: npx wrangler secret put AZURE_AD_CLIENT_CERTIFICATE < certificate.pem',
    ]);
    expect(other.ended.text).not.toContain(PRIVATE_KEY_PEM.slice(30, 60));
  });
});

describe('Settings: several faults', () => {
  it('are all in one error, each by its name', async () => {
    const { ended, faults } = await refused({
      AZURE_AD_TENANT_ID: '<TENANT-ID>',
      AZURE_AD_CLIENT_ID: 'me',
      AZURE_AD_CLIENT_SECRET: '',
      AZURE_AD_CLOUD: 'china',
      GROUP_IDS: `high=${A}`,
      DRY_RUN: 'maybe',
      MAX_REMOVALS: -5,
      EXEMPT_USER_IDS: 'alice,bob,carol',
      DEADLINE_SECONDS: 4,
      SCIM_SERVICE_PRINCIPAL_ID: 'scim',
      HEARTBEAT_URL: 'ftp://beat.example',
    });
    expect(faults.map((fault) => fault.split(' ')[0]).sort()).toEqual([
      'AZURE_AD_CLIENT_ID',
      'AZURE_AD_CLIENT_SECRET',
      'AZURE_AD_CLOUD',
      'AZURE_AD_TENANT_ID',
      'DEADLINE_SECONDS',
      'DRY_RUN',
      'EXEMPT_USER_IDS',
      'GROUP_IDS',
      'HEARTBEAT_URL',
      'MAX_REMOVALS',
      'SCIM_SERVICE_PRINCIPAL_ID',
    ]);
    expect(ended.lines).toHaveLength(1);
  });

  it('of a certificate stand beside the others', async () => {
    const { faults } = await refused({
      AZURE_AD_CLIENT_CERTIFICATE: 'no certificate',
      AZURE_AD_CLIENT_PRIVATE_KEY: 'no key',
      MAX_REMOVALS: 'x',
    });
    expect(faults.map((fault) => fault.split(' ')[0])).toEqual([
      'MAX_REMOVALS',
      'AZURE_AD_CLIENT_CERTIFICATE',
      'AZURE_AD_CLIENT_PRIVATE_KEY',
    ]);
  });

  it('mended, the next run of the same isolate goes on', async () => {
    const { tenant, run, env, expectInStep } = scene({ env: { MAX_REMOVALS: 'x' } });
    addRisky(tenant, 'low', 1);
    expect((await run()).ok).toBe(false);
    env['MAX_REMOVALS'] = '5';
    expect((await run()).ok).toBe(true);
    expectInStep();
  });
});

describe('Settings: what is taken', () => {
  it.each([
    ['a tenant by verified domain', { AZURE_AD_TENANT_ID: 'contoso.example' }],
    ['a verified domain in capitals', { AZURE_AD_TENANT_ID: 'Contoso.Example' }],
    ['a domain of three parts', { AZURE_AD_TENANT_ID: 'contoso.onmicrosoft.example' }],
    ['a domain with a short part', { AZURE_AD_TENANT_ID: 'x.contoso.example' }],
    [
      'optional settings that are empty',
      { GROUP_IDS: '', MAX_REMOVALS: ' ', HEARTBEAT_URL: '', DRY_RUN: '' },
    ],
    ['optional settings that are placeholders', { GROUP_IDS: '<GROUP-IDS>', EXEMPT_USER_IDS: '<IDS>' }],
    ['words in capitals', { AZURE_AD_CLOUD: 'GLOBAL', DRY_RUN: 'FALSE' }],
    ['spaces around words and numbers', { AZURE_AD_CLOUD: ' global ', MAX_REMOVALS: ' 7 ' }],
    ['DRY_RUN = false, as TOML has it', { DRY_RUN: false }],
    ['the longest deadline of every minute', { DEADLINE_SECONDS: '55' }],
    ['the shortest deadline', { DEADLINE_SECONDS: 5 }],
    ['variables that are no settings', { SOME_BINDING: { get: () => 'x' } }],
  ])('%s', async (_, env) => {
    await accepted(env);
  });

  it('spaces around the ids', async () => {
    const { tenant, run, env, expectInStep } = scene();
    env['AZURE_AD_TENANT_ID'] = `  ${tenant.ids.tenantId}\n`;
    env['AZURE_AD_CLIENT_ID'] = ` ${tenant.ids.clientId.toUpperCase()} `;
    const { ids } = addGroups(tenant);
    env['GROUP_IDS'] = ` high = ${ids.high} , medium=${ids.medium},\tlow= ${ids.low.toUpperCase()} `;
    const [exempt = '', user = ''] = addRisky(tenant, 'high', 2);
    env['EXEMPT_USER_IDS'] = `\n ${exempt} ,, `;
    expect((await run()).ok).toBe(true);
    expect(tenant.members(NAMES.high)).toEqual([user]);
    tenant.dismiss(exempt);
    expectInStep();
  });

  it.each([
    ['characters that a form must escape', 'a+b&c=d%e/f~g hü'],
    ['a percent sign that is no escape', '100%'],
    ['an escape that is meant as it stands', 'a%2Bb'],
    ['spaces at both ends', ' a b '],
    ['quotes, a backslash and angle brackets', `"a'\\b<c>`],
    ['signs beyond the first plane', 'clé-鍵-🔑'],
    ['the looks of a placeholder at its beginning', '<a>b'],
    ['the looks of a placeholder at its end', 'a<b>'],
    ['a line end in its middle', 'a\nb'],
  ])('a secret with %s', async (_, clientSecret) => {
    const { tenant, run, expectInStep } = scene({ clientSecret });
    addRisky(tenant, 'high', 1);
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it.each(['\n', '\r\n', '\n\n'])('a secret with the line end %j that a pipe left', async (lineEnd) => {
    const { tenant, run, env, expectInStep } = scene({ clientSecret: 'a+b&c ' });
    env['AZURE_AD_CLIENT_SECRET'] = `a+b&c ${lineEnd}`;
    addRisky(tenant, 'high', 1);
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it('MAX_REMOVALS = 2 and DRY_RUN = true, as TOML has them', async () => {
    const { tenant, run, env } = scene({ env: { MAX_REMOVALS: 2 } });
    const people = addRisky(tenant, 'high', 3);
    await run();
    for (const id of people) tenant.dismiss(id);
    expect((await run()).text).toContain('MAX_REMOVALS=2');
    expect(tenant.members(NAMES.high)).toEqual([...people].sort());
    tenant.confirmCompromised(people[0] ?? '');
    env['DRY_RUN'] = true;
    tenant.forgetRequests();
    expect((await run()).ok).toBe(true);
    expect(writes(tenant)).toEqual([]);
    env['DRY_RUN'] = false;
    expect((await run()).ok).toBe(true);
    expect(tenant.members(NAMES.high)).toEqual([people[0]]);
  });

  it('a deadline over 55 seconds with a slower cron only', async () => {
    const { tenant, run, expectInStep } = scene({ env: { DEADLINE_SECONDS: 840 } });
    addRisky(tenant, 'high', 1);
    tenant.fault({ on: /riskyUsers/, times: 1, give: faults.throttled('700') });
    expect((await run({ cron: EVERY_MINUTE })).troubles).toEqual(['settings']);
    const ended = await run({ cron: QUARTER_HOURLY });
    expect(ended.ok).toBe(true);
    expect(ended.milliseconds).toBeGreaterThanOrEqual(700_000);
    expectInStep();
  });
});
