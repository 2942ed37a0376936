/** Whatever is doubtful, nobody is removed for it; what answers leave in doubt is in kinds.test.ts. */
import { expect, it } from 'vitest';
import { RISK_LEVELS } from '../../src/plan';
import * as faults from '../tenant/faults';
import { errorInside } from '../tenant/list-faults';
import { addRisky, moving, NAMES, ON, scene } from './scene';

it.each([
  ['is refused', faults.status(403)],
  ['has an error in it', errorInside('none')],
  ['never answers', faults.hang()],
])('I3 no removal on doubt: a second reading that %s lets nobody be released and fails the run', async (_, give) => {
  const { tenant, run, stale, members } = await moving();
  tenant.fault({ on: ON.riskyUsers, after: 1, give });
  const ended = await run();
  expect(ended).toMatchObject({ ok: false, events: ['second-reading-failed'] });
  for (const level of RISK_LEVELS) expect(members()[level]).toEqual([...tenant.atRisk(level), stale[level]].sort());
  expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
});

it('I3 no removal on doubt: users whose level is none of ours stay where they are, and one warning counts them', async () => {
  const { tenant, run, members } = scene();
  const [hidden = '', missing = '', other = ''] = addRisky(tenant, 'high', 3);
  await run();
  const outside = tenant.addUser();
  tenant.setRisk(hidden, 'hidden');
  tenant.setRisk(missing, undefined);
  tenant.setRisk(outside, 'unknownFutureValue');
  const ended = await run();
  expect(ended.ok).toBe(true);
  expect(members()).toEqual({ high: [hidden, missing, other].sort(), medium: [], low: [] });
  const ids = expect.arrayContaining([hidden, missing, outside]);
  expect(ended.told).toMatchObject([{ event: 'in-doubt', severity: 'warn', ids }]);
  expect(ended.told[0]?.message).toContain('3 users');
});

it('I4 never uncovered: what was read of a group that then is gone is no knowledge any more', async () => {
  const { runInSync, tenant, run, ids, mover } = await moving();
  // In both groups, and read so in this run.
  tenant.addMember(ids.high, mover);
  tenant.before(({ path }) => {
    if (path === '/$batch' && tenant.groups().some(({ id }) => id === ids.high)) tenant.deleteGroup(ids.high);
  });
  expect((await run()).events).toEqual(['group-gone']);
  expect(tenant.members(NAMES.low)).toContain(mover);
  expect(tenant.members(NAMES.medium)).toEqual(tenant.atRisk('medium'));
  // The next run makes another one, and then they move.
  await runInSync();
});
