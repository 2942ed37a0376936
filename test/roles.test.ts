/** Which permissions the preview calls missing, and which too many. */
import { expect, test } from 'vitest';
import { compareRoles, neededRoles, rolesOfToken } from './roles';

const RISK = 'IdentityRiskyUser.Read.All';
const MEMBERS = 'GroupMember.ReadWrite.All';
const FIND = 'GroupMember.Read.All';

const pinned = { pinned: true, creating: false, provisioning: false };
const found = { pinned: false, creating: false, provisioning: false };
const created = { pinned: false, creating: true, provisioning: false };
const provisioned = { pinned: true, creating: false, provisioning: true };

function compare(granted: readonly string[], configuration: typeof pinned) {
  const { met, missing, beyondNeed } = compareRoles(granted, neededRoles(configuration));
  for (const { by } of met) expect(granted).toContain(by);
  return { missing: missing.map(({ narrow }) => narrow[0]), beyondNeed };
}

test.each([
  ['pinned groups', pinned, [RISK, MEMBERS]],
  ['found groups', found, [RISK, MEMBERS, FIND]],
  ['groups to create', created, [RISK, MEMBERS, FIND, 'Group.Create']],
  ['on-demand provisioning', provisioned, [RISK, MEMBERS, 'Synchronization.ReadWrite.All']],
])('%s need these and no others', (_, configuration, roles) => {
  expect(compare(roles, configuration)).toEqual({ missing: [], beyondNeed: [] });
  expect(compare([], configuration)).toEqual({ missing: roles, beyondNeed: [] });
});

test('what the configuration has no use for is beyond need', () => {
  expect(compare([RISK, MEMBERS, FIND, 'Group.Create'], pinned)).toEqual({
    missing: [],
    beyondNeed: [
      { role: FIND, instead: [] },
      { role: 'Group.Create', instead: [] },
    ],
  });
});

test('a wide permission meets the needs, and is named with what to grant instead', () => {
  expect(compare([RISK, 'Directory.ReadWrite.All'], created)).toEqual({
    missing: [],
    beyondNeed: [{ role: 'Directory.ReadWrite.All', instead: [MEMBERS, FIND, 'Group.Create'] }],
  });
  expect(compare([RISK, MEMBERS, 'Directory.ReadWrite.All'], pinned)).toEqual({
    missing: [],
    beyondNeed: [{ role: 'Directory.ReadWrite.All', instead: [] }],
  });
});

test('a narrower permission that suffices is neither missing nor too much', () => {
  expect(compare([RISK, MEMBERS, 'Group.ReadBasic.All'], found)).toEqual({ missing: [], beyondNeed: [] });
});

const jwt = (payload: string) => `header.${btoa(payload).replaceAll('=', '').replaceAll('+', '-')}.signature`;

test('the roles of a token are those of its payload', () => {
  expect(rolesOfToken(jwt(JSON.stringify({ roles: [RISK, MEMBERS], note: '>>>???' })))).toEqual([
    RISK,
    MEMBERS,
  ]);
});

test('a token that names no roles grants none', () => {
  expect(rolesOfToken(jwt('{}'))).toEqual([]);
});

test.each(['', 'opaque', 'a.b.c', jwt('no JSON'), jwt('null'), jwt('{"roles":1}')])(
  'a token that cannot be read tells nothing: %s',
  (token) => {
    expect(rolesOfToken(token)).toBeUndefined();
  },
);
