/** The levers in an administrator's hand: what they hold back, what they let go on, and what they say. */
import { expect, it } from 'vitest';
import { RISK_LEVELS } from '../../src/plan';
import * as faults from '../tenant/faults';
import { addRisky, busy, moving, NAMES, ON, scene, settled, writes } from './scene';

it('I9 dry run: names each group it would make and everyone it would add, and sends reads and the sign-in only', async () => {
  // A heartbeat would be a request to a host that the tenant does not know.
  const { tenant, run } = scene({ env: { DRY_RUN: 'true', HEARTBEAT_URL: 'https://beat.example/x' } });
  addRisky(tenant, 'high', 3);
  addRisky(tenant, 'low', 1);
  expect((await run()).lines.map(({ message }) => message)).toEqual([
    ...RISK_LEVELS.map((level) => `Dry run: would create ${NAMES[level]}.`),
    `Dry run: would add 3 users to ${NAMES.high}.`,
    `Dry run: would add 1 user to ${NAMES.low}.`,
    'Dry run: nothing was written. At risk: 3 high, 0 medium, 1 low.',
  ]);
  expect([tenant.groups(), writes(tenant)]).toEqual([[], []]);
});

it('MAX_REMOVALS counts users, not removals, and (I3) of them only those whom the second reading confirms, if the first was empty', async () => {
  const { tenant, runInSync, env, ids, fresh, stale } = await busy();
  env['MAX_REMOVALS'] = '3';
  for (const id of [ids.medium, ids.low]) tenant.addMember(id, stale.high);
  for (const level of RISK_LEVELS) tenant.addMember(ids[level], fresh[level]);
  tenant.fault({ on: ON.riskyUsers, times: 1, give: faults.json({ value: [] }) });
  expect((await runInSync()).told).toMatchObject([{ event: 'readings-differ', message: expect.stringMatching(/^3 /) }]);
});

it.each([0, 1])('MAX_REMOVALS=%i holds whoever would be released, and nobody who is added or moves', async (limit) => {
  const { run, env } = await moving();
  env['MAX_REMOVALS'] = limit;
  const { ok, lines } = await run();
  expect([ok, lines.at(-1)]).toMatchObject([limit === 0, { added: 4, removed: 1 }]);
});

it.each([0, 1])('MAX_REMOVALS=%i says nothing while there is nobody to release', async (limit) => {
  const { tenant, runInSync, env } = await settled();
  env['MAX_REMOVALS'] = limit;
  addRisky(tenant, 'low', 2);
  expect((await runInSync()).events).toEqual([]);
});
