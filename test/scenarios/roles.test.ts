/** Which permissions each kind of set-up needs: with all of them it works, without any one of them the log names it. */
import { describe, expect, it } from 'vitest';
import { addGroups, addRisky, type Scene, scene } from './scene';

const RISK = 'IdentityRiskyUser.Read.All';
const MEMBERS = 'GroupMember.ReadWrite.All';
const FIND = 'GroupMember.Read.All';
const CREATE = 'Group.Create';
const PROVISION = 'Synchronization.ReadWrite.All';

interface Kind {
  needs: readonly string[];
  /** What the log says of a run that has them all. */
  events: readonly string[];
  destinations?: 'lists' | 'groups,lists';
  prepare?(here: Scene): unknown;
}

/** Groups with somebody to be released, and pinned if that is wanted. */
function found({ tenant }: Scene) {
  return addGroups(tenant, { low: [tenant.addUser()] }).pin;
}
const pinned = (here: Scene) => Object.assign(here.env, { GROUP_IDS: found(here) });
const without = (all: readonly string[], one: string) => all.filter((permission) => permission !== one);
const lists = Array(3).fill('list-created');

const KINDS: Record<string, Kind> = {
  'groups found by name': { needs: [RISK, MEMBERS, FIND], events: [], prepare: found },
  'pinned groups': { needs: [RISK, MEMBERS, FIND], events: [], prepare: pinned },
  'groups to be made': { needs: [RISK, MEMBERS, FIND, CREATE], events: Array(3).fill('group-created') },
  'on-demand provisioning': {
    ...{ needs: [RISK, MEMBERS, FIND, PROVISION], events: [] },
    prepare: (here) => {
      const { servicePrincipalId } = here.tenant.addProvisioning();
      Object.assign(pinned(here), { SCIM_SERVICE_PRINCIPAL_ID: servicePrincipalId });
    },
  },
  'lists alone': { needs: [RISK], destinations: 'lists', events: lists },
  both: { needs: [RISK, MEMBERS, FIND], destinations: 'groups,lists', events: lists, prepare: pinned },
};

/** One user at risk at each level, and a run with these permissions. */
async function runWith({ destinations, prepare }: Kind, permissions: readonly string[]) {
  const here = scene({ permissions, ...(destinations && { destinations }) });
  for (const level of ['high', 'medium', 'low'] as const) addRisky(here.tenant, level, 1);
  prepare?.(here);
  return { ...here, ended: await here.run() };
}

describe.each(Object.entries(KINDS))('%s', (_, kind) => {
  it('works with these permissions and no others', async () => {
    const { ended, expectInSync, run } = await runWith(kind, kind.needs);
    expect([ended.ok, ended.events]).toEqual([true, kind.events]);
    expectInSync();
    expect((await run()).events).toEqual([]);
  });

  it.each(kind.needs)('does not without %s, which the log names', async (missing) => {
    const { ended } = await runWith(kind, without(kind.needs, missing));
    // On-demand provisioning is a help, which never fails a run.
    expect(ended.ok).toBe(missing === PROVISION);
    expect(ended.lines.some(({ event, message }) => event !== undefined && message.includes(missing))).toBe(true);
    const others = without([RISK, MEMBERS, FIND, CREATE, PROVISION], missing);
    expect(others.filter((permission) => ended.text.includes(permission))).toEqual([]);
  });
});
