/** A chain that is whole, from the settings files to the policy, for the preview to examine and for tests to break. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { run } from '../../src/run';
import { createAdminDesk, runningJob } from '../tenant/admin-desk';
import { realClock } from '../tenant/clock';
import { createCloudflareDesk } from '../tenant/cloudflare/admin-desk';
import { CLOUDFLARE_HOST, createCloudflare } from '../tenant/cloudflare/cloudflare';
import type { Fetch } from '../tenant/front-door';
import { GROUP_NAMES } from '../tenant/names';
import { createTenant } from '../tenant/tenant';
import { WRANGLER_TOML } from '../tools/bundle';
import type { inWorkerd } from '../tools/preview/dry-run';

export const DAY_MS = 86_400_000;
export const OF_ENTRA = 'e4a0c2f1-76b5-4c8f-9a55-2a1f4d3c9b70';
const OF_GROUPS = ['GroupMember.ReadWrite.All', 'GroupMember.Read.All'];

export type ChainWorld = ReturnType<typeof chainWorld>;

/** `destination`: the one that is kept. Everything may be changed before the preview is started. */
export function chainWorld(destination: 'groups' | 'lists') {
  const permissions = ['IdentityRiskyUser.Read.All', ...(destination === 'groups' ? OF_GROUPS : [])];
  const tenant = createTenant({ clock: realClock, identityProtectionMs: 990, permissions });
  tenant.pageSizes = { members: 7 };
  const cloudflare = createCloudflare({ clock: realClock });
  const desk = createAdminDesk(tenant);
  const zeroTrust = createCloudflareDesk(cloudflare);
  const user = tenant.addUser({ level: 'high' });
  const scim = tenant.addProvisioning().servicePrincipalId;
  const { tenantId, clientId, clientSecret } = tenant.ids;
  const vars: Record<string, unknown> = { AZURE_AD_TENANT_ID: tenantId, AZURE_AD_CLIENT_ID: clientId };
  const secrets: Record<string, string> = { AZURE_AD_CLIENT_SECRET: clientSecret };
  const add = (name: string) =>
    destination === 'groups' ? tenant.addGroup({ displayName: name }) : cloudflare.addList({ name });
  const ids = { high: add(GROUP_NAMES.high), medium: add(GROUP_NAMES.medium), low: add(GROUP_NAMES.low) };
  const all = Object.values(ids);
  const pins = (changed: Partial<typeof ids> = {}) => {
    const pairs = Object.entries({ ...ids, ...changed });
    vars['GROUP_IDS'] = pairs.map((pair) => pair.join('=')).join();
  };
  const keeps = (DESTINATIONS: string) => {
    Object.assign(vars, { DESTINATIONS, CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID: cloudflare.accountId });
    secrets['CLOUDFLARE_ZERO_TRUST_API_TOKEN'] = cloudflare.token;
  };
  const identity = `any(identity.groups[*].id in {${all.map((id) => `"${id}"`).join(' ')}})`;
  const policy = {
    ...{ id: 'b3c1e1a4-0f4a-4c53-8a94-6a0f7f1f2d31', action: 'isolate', enabled: true, precedence: 2 },
    ...{ filters: ['http'], traffic: 'http.request.host matches ".*"', device_posture: '', identity },
  };
  const scim_config = { enabled: true, identity_update_behavior: 'automatic' };
  const provider = { id: OF_ENTRA, type: 'azureAD', config: { directory_id: tenantId }, scim_config };
  const endDateTime = new Date(Date.now() + 200 * DAY_MS).toISOString();
  const credential = { keyId: '0d7b9d0c-6a57-4b2c-9f0e-4f1a6f4e7a11', hint: clientSecret.slice(0, 3), endDateTime };
  const job = runningJob(Date.now());
  if (destination === 'groups') {
    pins();
    desk.applications.set(scim, { groups: new Set(all), jobs: [job] });
    for (const id of all) zeroTrust.scimGroups.add(id);
  } else {
    keeps('lists');
    policy.identity = all.map((id) => `identity.email in $${id}`).join(' or ');
  }
  desk.credentials.passwordCredentials.push(credential);
  // More than a page.
  for (let n = 0; n < 30; n += 1) zeroTrust.addresses.push(`somebody.${n}@contoso.example`);
  zeroTrust.addresses.push(...tenant.users().map(({ mail }) => String(mail).toLowerCase()));
  zeroTrust.providers.push(provider);
  zeroTrust.rules.push(policy);
  const ofCloudflare = { CLOUDFLARE_API_TOKEN: zeroTrust.token, CLOUDFLARE_ACCOUNT_ID: cloudflare.accountId };
  const variables: Record<string, string> = { ENTRA_ADMIN_TOKEN: desk.token, ...ofCloudflare };
  const fetch: Fetch = (input, init) =>
    (new URL(String(input)).host === CLOUDFLARE_HOST ? zeroTrust : desk).fetch(input, init);
  const files: { encoding: BufferEncoding; crons: string } = { encoding: 'utf8', crons: 'crons = ["* * * * *"]' };
  return {
    ...{ tenant, cloudflare, desk, zeroTrust, user, scim, job, provider, credential, policy, vars, secrets, files },
    ...{ variables, fetch, ids, pins, keeps },
  };
}

/** The Worker in this process: to start a workerd for each broken link would take most of the time. */
export const runHere: typeof inWorkerd = async (env, cron, fetch) => {
  const lines: { level: string; text: string }[] = [];
  const to = (level: string) => (text: string) => void lines.push({ level, text });
  const io = { ...realClock, fetch, random: Math.random };
  await run(env, cron, io, { log: to('log'), warn: to('warn'), error: to('error') }, {}).catch(() => {});
  return lines;
};

/** The settings files, as someone who follows the README has them, in a folder of their own. */
export function writeFiles({ vars, secrets, files }: ChainWorld) {
  const folder = mkdtempSync(join(tmpdir(), 'preview-'));
  const own = readFileSync(WRANGLER_TOML, 'utf8').replace(/crons = .*/, files.crons);
  const [top = ''] = own.split('[vars]');
  const table = Object.entries(vars).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`);
  writeFileSync(join(folder, WRANGLER_TOML), `${top}[vars]\n${table.join('')}`);
  const lines = Object.entries(secrets).map(([name, value]) => `${name}="${value}"\n`);
  if (lines.length > 0) writeFileSync(join(folder, '.dev.vars'), lines.join(''), files);
  symlinkSync(resolve('dist'), join(folder, 'dist'));
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}
