/** The bundle that is deployed, in the Workers runtime, from the first run to a failing one. */
import { readFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { BUNDLE, type Bundle, type RunResult, settingsFor, startBundle } from '../bundle';
import { MINUTE_MILLISECONDS, skippingClock } from '../skipping-clock';
import { GROUP_NAMES } from '../tenant/names';
import { createTenant, type Tenant } from '../tenant/tenant';

const MOST_BYTES = 100 * 1024;

interface Stage {
  tenant: Tenant;
  /** The next minute's run; the tenant notes only its requests. */
  nextMinute(): Promise<RunResult>;
}

const open: { bundle: Bundle; tenant: Tenant }[] = [];

afterEach(async () => {
  for (const { bundle, tenant } of open.splice(0)) {
    await bundle.dispose();
    expect(tenant.violations).toEqual([]);
  }
});

async function stage(settings: Record<string, string> = {}): Promise<Stage> {
  const clock = skippingClock();
  const tenant = createTenant({ clock });
  const bundle = await startBundle({ env: { ...settingsFor(tenant), ...settings }, fetch: tenant.fetch });
  open.push({ bundle, tenant });
  return {
    tenant,
    nextMinute: () => {
      clock.skip(MINUTE_MILLISECONDS);
      tenant.forgetRequests();
      return bundle.run();
    },
  };
}

const messages = ({ lines }: RunResult) =>
  lines.map(({ level, text }) => [level, readMessage(text)] as const);

function readMessage(text: string): string {
  const { message }: { message: string } = JSON.parse(text);
  return message;
}

const writes = ({ requests }: Tenant) =>
  requests.filter(({ method, path }) => method !== 'GET' && path !== '/token').length;

test('from no groups to groups in step, run by run', async () => {
  const { tenant, nextMinute } = await stage();
  const high = Array.from({ length: 23 }, () => tenant.addUser({ level: 'high' }));
  const [, low = ''] = [tenant.addUser({ level: 'medium' }), tenant.addUser({ level: 'low' })];
  tenant.addUser();

  const first = await nextMinute();
  expect(first).toMatchObject({ outcome: 'ok', noRetry: true, exceptions: [] });
  for (const level of ['high', 'medium', 'low'] as const)
    expect(tenant.members(GROUP_NAMES[level])).toEqual(tenant.atRisk(level));
  expect(tenant.groups()).toHaveLength(3);
  const told = messages(first);
  expect(told.map(([level]) => level)).toEqual(['warn', 'warn', 'warn', 'log', 'log', 'log', 'log']);
  expect(told[3]).toEqual(['log', `Added 23 users to ${GROUP_NAMES.high}.`]);
  expect(told[6]).toEqual(['log', 'In step again: 25 added, 0 removed. At risk: 23 high, 1 medium, 1 low.']);

  const quiet = await nextMinute();
  expect(messages(quiet)).toEqual([['log', 'In step, nothing to do. At risk: 23 high, 1 medium, 1 low.']]);
  expect(writes(tenant)).toBe(0);
  expect(tenant.requests).toHaveLength(5);

  tenant.setRisk(low, 'high');
  tenant.dismiss(high[0] ?? '');
  const changed = await nextMinute();
  expect(changed.outcome).toBe('ok');
  for (const level of ['high', 'medium', 'low'] as const)
    expect(tenant.members(GROUP_NAMES[level])).toEqual(tenant.atRisk(level));
  expect(messages(changed)).toEqual([
    ['log', `Added 1 user to ${GROUP_NAMES.high}.`],
    ['log', `Removed 1 user from ${GROUP_NAMES.high}: no longer at risk.`],
    ['log', `Removed 1 user from ${GROUP_NAMES.low}: now at risk at another level.`],
    ['log', 'In step again: 1 added, 2 removed. At risk: 23 high, 1 medium, 0 low.'],
  ]);
});

test('a failing run ends as an exception, is not retried, and leaves the groups as they were', async () => {
  const { tenant, nextMinute } = await stage();
  const user = tenant.addUser({ level: 'high' });
  await nextMinute();
  tenant.dismiss(user);
  tenant.licensed = false;

  const result = await nextMinute();
  expect(result).toMatchObject({ outcome: 'exception', noRetry: true });
  expect(messages(result).map(([level]) => level)).toEqual(['error']);
  expect(messages(result)[0]?.[1]).toContain('Entra ID P2');
  expect(result.exceptions.map(({ message }) => message)).toEqual([
    'risky-users-refused: the error lines above say what to do',
  ]);
  expect(tenant.members(GROUP_NAMES.high)).toEqual([user]);
});

test('without its settings it sends nothing and says what is missing', async () => {
  const { tenant, nextMinute } = await stage({
    AZURE_AD_TENANT_ID: '<TENANT-ID>',
    AZURE_AD_CLIENT_SECRET: '',
  });
  const result = await nextMinute();
  expect(result).toMatchObject({ outcome: 'exception', noRetry: true });
  expect(messages(result)[0]?.[1]).toMatch(
    /AZURE_AD_TENANT_ID is not set.*AZURE_AD_CLIENT_SECRET is not set/,
  );
  expect(tenant.requests).toEqual([]);
});

test('the bundle is small and imports nothing but node:crypto', async () => {
  const code = await readFile(BUNDLE, 'utf8');
  expect(Buffer.byteLength(code)).toBeLessThan(MOST_BYTES);
  const imported = [...code.matchAll(/^import [^;]*?"([^"]+)";/gm)].map(([, name]) => name);
  expect(imported).toEqual(['node:crypto']);
  expect(code).not.toMatch(/\b(require|import)\(/);
});
