/** The levers in an administrator's hand: what they hold back, what they let go on, and what they say. */
import { describe, expect, it } from 'vitest';
import { RISK_LEVELS } from '../../src/plan';
import * as faults from '../tenant/faults';
import { addRisky, busy, type Line, moving, NAMES, ON, scene, settled, writes } from './scene';

/** Whom the log names as added and removed, or as those who would be. */
const plan = (lines: readonly Line[]) =>
  lines.flatMap(({ level, added, removed }) => (level && (added || removed) ? [{ level, added, removed }] : []));

describe('I9 dry run', () => {
  it('names each group it would make and everyone it would add, and sends reads and the sign-in only', async () => {
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

  it.each([50, 1, 0])('reports the plan that a real run then carries out, with MAX_REMOVALS=%i', async (limit) => {
    const { tenant, stale, fresh, ids, env, run, members } = await moving();
    const [exempt = '', hidden = ''] = [stale.medium, ...addRisky(tenant, 'medium', 25)];
    for (const id of [hidden, tenant.addUser()]) tenant.setRisk(id, 'hidden');
    tenant.addMember(ids.high, fresh.low);
    const before = members();
    Object.assign(env, { EXEMPT_USER_IDS: exempt, MAX_REMOVALS: limit, DRY_RUN: 'true' });
    const dry = await run({ cache: {} });
    expect(members()).toEqual(before);
    env['DRY_RUN'] = 'false';
    const real = await run({ cache: {} });
    expect([dry.ok, plan(dry.lines)]).toEqual([limit !== 1, plan(real.lines)]);
    // The brake holds the two who would be released, and none who move.
    expect(real.lines.at(-1)).toMatchObject({ added: 28, removed: limit === 50 ? 4 : 2 });
  });
});

it('MAX_REMOVALS counts users, not removals, and (I3) of them only those whom the second reading confirms, if the first was empty', async () => {
  const { tenant, runInSync, env, ids, fresh, stale } = await busy();
  env['MAX_REMOVALS'] = '3';
  for (const id of [ids.medium, ids.low]) tenant.addMember(id, stale.high);
  for (const level of RISK_LEVELS) tenant.addMember(ids[level], fresh[level]);
  tenant.fault({ on: ON.riskyUsers, times: 1, give: faults.json({ value: [] }) });
  expect((await runInSync()).told).toMatchObject([{ event: 'readings-differ', message: expect.stringMatching(/^3 /) }]);
});

it.each([0, 1])('MAX_REMOVALS=%i says nothing while there is nobody to release', async (limit) => {
  const { tenant, runInSync, env } = await settled();
  env['MAX_REMOVALS'] = limit;
  addRisky(tenant, 'low', 2);
  expect((await runInSync()).events).toEqual([]);
});
