/** The handler as the runtime calls it. */
import { createScheduledController } from 'cloudflare:test';
import { afterEach, expect, it, vi } from 'vitest';
import worker from '../src/index';
import { worldIo } from '../src/io';
import { addGroups, addRisky } from './harness';
import { realClock } from './tenant/clock';
import { createTenant } from './tenant/tenant';

afterEach(() => vi.restoreAllMocks());

function controller() {
  const one = createScheduledController({ scheduledTime: new Date(), cron: '* * * * *' });
  return { one, noRetry: vi.spyOn(one, 'noRetry') };
}

it('awaits its run, logs to the console, and asks for no retry', async () => {
  const tenant = createTenant({ clock: realClock });
  const { ids } = addGroups(tenant);
  addRisky(tenant, 'high', 2);
  vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => tenant.fetch(String(input), init));
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const { one, noRetry } = controller();
  const { tenantId, clientId, clientSecret } = tenant.ids;
  await worker.scheduled(one, {
    AZURE_AD_TENANT_ID: tenantId,
    AZURE_AD_CLIENT_ID: clientId,
    AZURE_AD_CLIENT_SECRET: clientSecret,
  });
  expect(tenant.members(ids.high)).toEqual(tenant.atRisk('high'));
  expect(tenant.violations).toEqual([]);
  expect(log.mock.calls.at(-1)?.[0]).toMatch(/^\{"message":"In step again: 2 added, 0 removed/);
  expect(noRetry).toHaveBeenCalledOnce();
});

it('rejects when the run failed, and sends nothing without settings', async () => {
  const fetch = vi.spyOn(globalThis, 'fetch');
  const error = vi.spyOn(console, 'error').mockImplementation(() => {});
  const { one, noRetry } = controller();
  await expect(worker.scheduled(one, {})).rejects.toThrow('settings');
  expect(error.mock.calls[0]?.[0]).toContain('AZURE_AD_TENANT_ID is not set');
  expect(fetch).not.toHaveBeenCalled();
  expect(noRetry).toHaveBeenCalledOnce();
});

it('sleeps for as long as it is told, or until it is told to stop', async () => {
  const start = Date.now();
  const stop = new AbortController();
  const long = worldIo.sleep(60_000, stop.signal);
  await worldIo.sleep(20);
  stop.abort();
  await long;
  await worldIo.sleep(60_000, AbortSignal.abort());
  expect(Date.now() - start).toBeGreaterThanOrEqual(15);
  expect(Date.now() - start).toBeLessThan(5_000);
  expect(worldIo.random()).toBeLessThan(1);
  expect(worldIo.now()).toBeGreaterThanOrEqual(start);
});
