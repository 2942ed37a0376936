/** Which permissions each kind of set-up needs: without any one of them the log names it, and with all of them it works. */
import { describe, expect, it } from 'vitest';
import { RISK_LEVELS } from '../../src/plan';
import { addGroups, addRisky, type Scene, scene } from './scene';

const RISK = 'IdentityRiskyUser.Read.All';
const MEMBERS = 'GroupMember.ReadWrite.All';
const FIND = 'GroupMember.Read.All';
const CREATE = 'Group.Create';
const PROVISION = 'Synchronization.ReadWrite.All';

interface Kind {
  needs: readonly string[];
  destinations?: 'lists' | 'groups,lists';
  prepare?(here: Scene): unknown;
}

/** Groups with somebody to be released, and pinned if that is wanted. */
function found({ tenant }: Scene) {
  return addGroups(tenant, { low: [tenant.addUser()] }).pin;
}
const pinned = (here: Scene) => Object.assign(here.env, { GROUP_IDS: found(here) });

const KINDS: Record<string, Kind> = {
  'groups found by name': { needs: [RISK, MEMBERS, FIND], prepare: found },
  'pinned groups': { needs: [RISK, MEMBERS, FIND], prepare: pinned },
  'groups to be made': { needs: [RISK, MEMBERS, FIND, CREATE] },
  'on-demand provisioning': {
    needs: [RISK, MEMBERS, FIND, PROVISION],
    prepare: (here) => {
      const { servicePrincipalId } = here.tenant.addProvisioning();
      Object.assign(pinned(here), { SCIM_SERVICE_PRINCIPAL_ID: servicePrincipalId });
    },
  },
  'lists alone': { needs: [RISK], destinations: 'lists' },
  both: { needs: [RISK, MEMBERS, FIND], destinations: 'groups,lists', prepare: pinned },
};

describe.each(Object.entries(KINDS))('%s', (_, { needs, destinations, prepare }) => {
  const without = (all: readonly string[], missing: string) => all.filter((permission) => permission !== missing);

  it.each(needs)('without %s fails, naming it, and (K4) consent to it counts in the next run', async (missing) => {
    const permissions = without(needs, missing);
    const here = scene({ permissions, ...(destinations && { destinations }) });
    for (const level of RISK_LEVELS) addRisky(here.tenant, level, 1);
    prepare?.(here);
    const ended = await here.run();
    // On-demand provisioning is a help, which never fails a run.
    expect(ended.ok).toBe(missing === PROVISION);
    expect(ended.lines.some(({ event, message }) => event !== undefined && message.includes(missing))).toBe(true);
    const others = without([RISK, MEMBERS, FIND, CREATE, PROVISION], missing);
    expect(others.filter((permission) => ended.text.includes(permission))).toEqual([]);
    here.tenant.permissions = needs;
    await here.runInSync();
  });
});
