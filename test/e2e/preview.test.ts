/** The preview against the stand-in tenant: what it says of good settings, and of each fault that it is there to find. */
import { expect, test } from 'vitest';
import { settingsFor } from '../bundle';
import { preview } from '../dry-run';
import { realClock } from '../tenant/clock';
import { GROUP_NAMES } from '../tenant/names';
import { createTenant, type Tenant } from '../tenant/tenant';

const PINNED_ROLES = ['IdentityRiskyUser.Read.All', 'GroupMember.ReadWrite.All'];
const FOUND_ROLES = [...PINNED_ROLES, 'GroupMember.Read.All'];

function tenantWith(permissions: readonly string[]): Tenant {
  const tenant = createTenant({ clock: realClock, permissions });
  tenant.addUser({ level: 'high' });
  return tenant;
}

function addGroups(tenant: Tenant): Record<string, string> {
  const ids = (['high', 'medium', 'low'] as const).map(
    (level) => `${level}=${tenant.addGroup({ displayName: GROUP_NAMES[level] })}`,
  );
  return { GROUP_IDS: ids.join(',') };
}

/** Nothing was written, whatever the outcome. */
async function previewOf(tenant: Tenant, settings: Record<string, string> = {}) {
  const groups = tenant.groups();
  const { good, text } = await preview({ env: { ...settingsFor(tenant), ...settings }, fetch: tenant.fetch });
  expect(tenant.groups()).toEqual(groups);
  expect(tenant.requests.filter(({ method, path }) => method !== 'GET' && path !== '/token')).toEqual([]);
  expect(tenant.violations).toEqual([]);
  expect(text).not.toContain('eyJ');
  expect(text).not.toContain(tenant.ids.clientSecret);
  return { good, text };
}

test('a good tenant: what would be done, and that all is ready', async () => {
  const tenant = tenantWith([...FOUND_ROLES, 'Group.Create']);
  const { good, text } = await previewOf(tenant);
  expect(text).toContain(`Dry run: would create the group ${GROUP_NAMES.low}.`);
  expect(text).toContain(`Dry run: would add 1 user to ${GROUP_NAMES.high}.`);
  expect(text).toContain(`  ${tenant.atRisk('high')[0]}`);
  expect(text).toMatch(/\bready to deploy\.$/i);
  expect(text).not.toMatch(/MISSING|beyond need/);
  expect(good).toBe(true);
});

test('DRY_RUN is forced whatever the settings say', async () => {
  const tenant = tenantWith([...FOUND_ROLES, 'Group.Create']);
  expect((await previewOf(tenant, { DRY_RUN: 'false' })).text).toContain('Dry run: nothing was written.');
});

test('a missing permission to read is the error of the Worker', async () => {
  const { good, text } = await previewOf(tenantWith(FOUND_ROLES.slice(1)));
  expect(text).toMatch(/^ERROR: Graph refuses the risky users.*IdentityRiskyUser\.Read\.All/m);
  expect(good).toBe(false);
});

test('a missing permission to write, which a dry run does not meet, is told by the token', async () => {
  const tenant = tenantWith(FOUND_ROLES.filter((role) => role !== 'GroupMember.ReadWrite.All'));
  addGroups(tenant);
  const { good, text } = await previewOf(tenant);
  expect(text).toContain('MISSING  GroupMember.ReadWrite.All: to read, add and remove members');
  expect(text).toContain('Not ready to deploy');
  expect(good).toBe(false);
});

test('a permission beyond need is named, and no obstacle', async () => {
  const tenant = tenantWith([...FOUND_ROLES, 'Directory.ReadWrite.All']);
  const { good, text } = await previewOf(tenant, addGroups(tenant));
  expect(text).toMatch(
    /Granted beyond need:\n {2}GroupMember\.Read\.All: take it away\n {2}Directory\.ReadWrite\.All: take it away/,
  );
  expect(good).toBe(true);
});

test('a wrong secret is named by its setting', async () => {
  const { good, text } = await previewOf(tenantWith(FOUND_ROLES), { AZURE_AD_CLIENT_SECRET: 'not it' });
  expect(text).toMatch(/^ERROR: .*AADSTS7000215.*AZURE_AD_CLIENT_SECRET is wrong/m);
  expect(text).not.toContain('permissions');
  expect(good).toBe(false);
});

test('with nothing set every setting is named, and nothing is sent', async () => {
  const tenant = tenantWith(FOUND_ROLES);
  const { good, text } = await previewOf(tenant, {
    AZURE_AD_TENANT_ID: '<TENANT-ID>',
    AZURE_AD_CLIENT_ID: '<CLIENT-ID>',
    AZURE_AD_CLIENT_SECRET: '',
  });
  expect(text).toMatch(/AZURE_AD_TENANT_ID.*AZURE_AD_CLIENT_ID.*AZURE_AD_CLIENT_SECRET/);
  expect(tenant.requests).toEqual([]);
  expect(good).toBe(false);
});

test('a token that cannot be read is no obstacle', async () => {
  const tenant = tenantWith([...FOUND_ROLES, 'Group.Create']);
  let token = '';
  const { good, text } = await preview({
    env: settingsFor(tenant),
    fetch: async (input, init) => {
      const headers = new Headers(init?.headers);
      if (headers.has('authorization')) headers.set('authorization', `Bearer ${token}`);
      const response = await tenant.fetch(input, { ...init, headers });
      if (!String(input).endsWith('/token')) return response;
      const answer = await response.json<{ access_token: string }>();
      token = answer.access_token;
      return Response.json({ ...answer, access_token: 'opaque' });
    },
  });
  expect(text).toContain('The access token does not tell its roles');
  expect(text).toContain('As far as can be seen, ready to deploy.');
  expect(good).toBe(true);
});

test('a host that cannot be reached is named with the reason', async () => {
  const tenant = tenantWith(FOUND_ROLES);
  const { good, text } = await preview({
    env: { ...settingsFor(tenant), DEADLINE_SECONDS: '5' },
    fetch: () => Promise.reject(new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND') })),
  });
  expect(text).toContain('login.microsoftonline.com was not reached: getaddrinfo ENOTFOUND');
  expect(good).toBe(false);
});
