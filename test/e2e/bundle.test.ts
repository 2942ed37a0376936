/** The bundle that is deployed, in the Workers runtime: a first run, a quiet one, a failing one, and what it is made of. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { settingsFor } from '../tenant/both';
import { GROUP_NAMES } from '../tenant/names';
import { createTenant } from '../tenant/tenant';
import { BUNDLE, MINUTE_MS, skippingClock, startBundle } from '../tools/bundle';

const MOST_BYTES = 99_700;

test('from no groups to groups in sync, to a run that fails, is not retried, and leaves them as they were', async () => {
  const clock = skippingClock();
  const tenant = createTenant({ clock });
  const bundle = await startBundle(settingsFor(tenant), tenant.fetch);
  async function nextMinute() {
    clock.skippedMs += MINUTE_MS;
    tenant.forgetRequests();
    const { lines, ...ended } = await bundle.run();
    return { ...ended, told: lines.map(({ level, text }) => `${level}: ${JSON.parse(text).message}`) };
  }
  const high = Array.from({ length: 23 }, () => tenant.addUser({ level: 'high' })).sort();
  tenant.addUser({ level: 'low' });

  const first = await nextMinute();
  expect(first).toMatchObject({ outcome: 'ok', noRetry: true, exceptions: [] });
  expect(tenant.members(GROUP_NAMES.high)).toEqual(high);
  expect(first.told.map((line) => line.replace(/:.*/, ''))).toEqual(['warn', 'warn', 'warn', 'log', 'log', 'log']);
  expect(first.told.at(-1)).toBe('log: In sync again: 24 added, 0 removed. At risk: 23 high, 0 medium, 1 low.');

  const quiet = await nextMinute();
  expect(quiet.told).toEqual(['log: In sync, nothing to do. At risk: 23 high, 0 medium, 1 low.']);
  expect(tenant.requests.map(({ method }) => method)).toEqual(Array(5).fill('GET'));

  tenant.licensed = false;
  const failed = await nextMinute().finally(() => bundle.dispose());
  const message = expect.stringMatching(/^risky-users-unread: /);
  expect(failed).toMatchObject({ outcome: 'exception', noRetry: true, exceptions: [{ message }] });
  expect(failed.told).toEqual([expect.stringMatching(/^error: .*Entra ID P2/)]);
  expect(tenant.members(GROUP_NAMES.high)).toEqual(high);
  expect(tenant.violations).toEqual([]);
});

test('the bundle is small, and all that it loads is node:crypto, when a certificate is to be read', async () => {
  const code = await readFile(BUNDLE, 'utf8');
  const loads = [...code.matchAll(/^import\b.*|\b(require|import)\(.*?\)/gm)].map(([text]) => text);
  expect(loads).toEqual(['import("node:crypto")']);
  expect(Buffer.byteLength(code)).toBeLessThan(MOST_BYTES);
});
