/** Which application permissions a configuration needs, beside those that the access token tells of. */

export interface Configuration {
  /** Whether the groups are pinned by GROUP_IDS. */
  pinned: boolean;
  /** Whether a group is to be created. */
  creating: boolean;
  /** Whether SCIM_SERVICE_PRINCIPAL_ID turns on-demand provisioning on. */
  provisioning: boolean;
}

export interface Need {
  /** Permissions of which one suffices; the first is the one to grant. */
  narrow: readonly [string, ...string[]];
  /** What would do as well, and allow far more. */
  wide: readonly string[];
  purpose: string;
}

export interface Comparison {
  /** `by`: the granted permission that meets it. */
  met: readonly (Need & { by: string })[];
  missing: readonly Need[];
  /** `instead`: what to grant before this is taken away. */
  beyondNeed: readonly { role: string; instead: readonly string[] }[];
}

/** learn.microsoft.com/graph/permissions-reference and the permissions table of each call. */
const READ_RISK: Need = {
  narrow: ['IdentityRiskyUser.Read.All'],
  wide: ['IdentityRiskyUser.ReadWrite.All'],
  purpose: 'read the risky users',
};
const WRITE_MEMBERS: Need = {
  narrow: ['GroupMember.ReadWrite.All'],
  wide: ['Group.ReadWrite.All', 'Directory.ReadWrite.All'],
  purpose: 'read, add and remove members',
};
const FIND_GROUPS: Need = {
  narrow: ['GroupMember.Read.All', 'Group.ReadBasic.All'],
  wide: ['Group.Read.All', 'Group.ReadWrite.All', 'Directory.Read.All', 'Directory.ReadWrite.All'],
  purpose: 'find the groups by name (not needed with GROUP_IDS)',
};
const CREATE_GROUPS: Need = {
  narrow: ['Group.Create'],
  wide: ['Group.ReadWrite.All', 'Directory.ReadWrite.All'],
  purpose: 'create the groups (not needed if they exist)',
};
const PROVISION: Need = {
  narrow: ['Synchronization.ReadWrite.All', 'Application.ReadWrite.OwnedBy'],
  wide: ['Application.ReadWrite.All', 'Directory.ReadWrite.All'],
  purpose: 'provision on demand (not needed without SCIM_SERVICE_PRINCIPAL_ID)',
};

export function neededRoles({ pinned, creating, provisioning }: Configuration): Need[] {
  return [
    READ_RISK,
    WRITE_MEMBERS,
    ...(pinned ? [] : [FIND_GROUPS]),
    ...(creating && !pinned ? [CREATE_GROUPS] : []),
    ...(provisioning ? [PROVISION] : []),
  ];
}

export function compareRoles(granted: readonly string[], needs: readonly Need[]): Comparison {
  const isGranted = (role: string) => granted.includes(role);
  const hasNarrow = ({ narrow }: Need) => narrow.some(isGranted);
  const metBy = (need: Need) => [...need.narrow, ...need.wide].find(isGranted);
  const narrow = new Set(needs.flatMap((need) => need.narrow));
  return {
    met: needs.flatMap((need) => {
      const by = metBy(need);
      return by === undefined ? [] : [{ ...need, by }];
    }),
    missing: needs.filter((need) => metBy(need) === undefined),
    beyondNeed: [...new Set(granted)]
      .filter((role) => !narrow.has(role))
      .map((role) => ({
        role,
        instead: needs
          .filter((need) => !hasNarrow(need) && need.wide.includes(role))
          .map((need) => need.narrow[0]),
      })),
  };
}

/** Of an application's access token: none named means none granted. Undefined if it cannot be read as a JWT. */
export function rolesOfToken(token: string): string[] | undefined {
  const [, payload = ''] = token.split('.');
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    if (typeof claims !== 'object' || claims === null) return undefined;
    const roles: unknown = 'roles' in claims ? claims.roles : [];
    return Array.isArray(roles) ? roles.map(String) : undefined;
  } catch {
    return undefined;
  }
}
