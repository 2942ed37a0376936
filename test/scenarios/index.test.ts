/** The handler as the runtime calls it. */
import { createScheduledController } from 'cloudflare:test';
import { afterEach, expect, it, vi } from 'vitest';
import worker from '../../src/index';
import { worldIo } from '../../src/io';
import { settingsFor } from '../tenant/both';
import { realClock } from '../tenant/clock';
import { createTenant } from '../tenant/tenant';
import { addGroups, addRisky } from './scene';

afterEach(() => vi.restoreAllMocks());

const controller = () => createScheduledController({ scheduledTime: new Date(), cron: '* * * * *' });

it('awaits its run, logs to the console, and asks for no retry', async () => {
  const tenant = createTenant({ clock: realClock });
  const { ids } = addGroups(tenant);
  addRisky(tenant, 'high', 2);
  vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => tenant.fetch(String(input), init));
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const one = controller();
  const noRetry = vi.spyOn(one, 'noRetry');
  await worker.scheduled(one, settingsFor(tenant));
  expect(tenant.members(ids.high)).toEqual(tenant.atRisk('high'));
  expect(tenant.violations).toEqual([]);
  expect(log.mock.calls.at(-1)?.[0]).toMatch(/^\{"message":"In sync again: 2 added, 0 removed/);
  expect(noRetry).toHaveBeenCalledOnce();
});

it('rejects when the run failed, and sends nothing without settings', async () => {
  const fetch = vi.spyOn(globalThis, 'fetch');
  const error = vi.spyOn(console, 'error').mockImplementation(() => {});
  const one = controller();
  const noRetry = vi.spyOn(one, 'noRetry');
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
  const passed = worldIo.now() - start;
  expect([passed >= 15, passed < 5_000, worldIo.random() < 1]).toEqual([true, true, true]);
});
