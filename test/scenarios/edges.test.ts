/** Where two rules meet: refusals at a limit, a pin that nothing is known of, one destination's load on the other. */
import { expect, it } from 'vitest';
import * as faults from '../tenant/faults';
import { addresses, listScene } from './list-scene';
import { addRisky, busy, seeded, settled } from './scene';

it.each([1_000, 900])('I6: on Enterprise one refused address keeps nobody out of a list of %i', async (had) => {
  const { tenant, cloudflare, run } = listScene({ cloudflare: { entriesPerList: 5_000 } });
  addRisky(tenant, 'high', had);
  await run();
  const last = tenant.user(addRisky(tenant, 'high', 300).at(-1) ?? '');
  cloudflare.refusedValues.add(last?.userPrincipalName?.toLowerCase() ?? '');
  const random = seeded(2);
  for (let minute = 0; minute < 4; minute += 1) await run({ random });
  expect(addresses(cloudflare, 'high')).toHaveLength(had + 299);
});

it('I6: twenty refused users do not keep the same others out', async () => {
  const { tenant, run, members } = await settled();
  for (const id of addRisky(tenant, 'high', 30).slice(0, 20))
    tenant.fault({ on: faults.changesOf(id), give: faults.status(403) });
  const random = seeded(1);
  for (let minute = 0; minute < 3; minute += 1) await run({ random });
  expect(members().high).toHaveLength(10);
});

it.each(['POST', 'DELETE'])(
  'I11: no run is well after a %s told as done and never done, and it names them',
  async (verb) => {
    const { tenant, run, stale, fresh } = await busy();
    const user = verb === 'POST' ? fresh.low : stale.low;
    const on = (one: faults.FaultTarget) => one.method === verb && faults.changesOf(user)(one);
    tenant.fault({ on, give: faults.ignored() });
    await run();
    for (const ended of [await run(), await run(), await run()])
      expect([ended.ok, ended.told.at(-1)]).toMatchObject([false, { severity: 'error', ids: [user] }]);
  },
);

it('the last request of a run has ended when the run has, though the sign-in was refused', async () => {
  const { tenant, cloudflare, run } = listScene({ cloudflare: { latencyMs: 3_000 } });
  tenant.secretExpired = true;
  await run();
  expect(cloudflare.requests.filter(({ endedAt }) => endedAt === undefined)).toEqual([]);
});
