/** What is read out of a policy's expression, in each way that Cloudflare's pages and API write one. */
import { expect, test } from 'vitest';
import { GROUP_ID, GROUP_NAME, LIST as LIST_FIELD, matches } from './expression';

const GROUP = '8b254349-b4be-4eb4-a3a4-3325f22731c0';
const LIST = '61ff8ee9-256a-4fb9-a654-e246e499d52f';
const NAME = 'IdentityProtection-RiskyUser-RiskLevel-high';
const subject = { [GROUP_ID]: GROUP, [GROUP_NAME]: NAME, [LIST_FIELD]: LIST };

test.each([
  ['yes', ''],
  ['yes', `any(identity.groups[*].id in {"another" "${GROUP}"})`],
  ['yes', `any(identity.groups.id[*] in {"${GROUP.toUpperCase()}"})`],
  ['yes', `identity.groups.id == "${GROUP}"`],
  ['yes', `any(identity.groups.name[*] in {"${NAME}"})`],
  ['yes', `identity.groups.name == "\\"${NAME}\\""`],
  ['yes', `identity.email in $${LIST}`],
  ['yes', `(identity.email in $${LIST.replaceAll('-', '')}) or identity.email == "a@b.example"`],
  ['perhaps', `identity.email in $${LIST} and identity.name == "or"`],
  ['perhaps', `not(identity.name == "x") or identity.email in $${LIST}`],
  ['perhaps', `any(identity.groups[*].id in {"${GROUP}"}) xor something`],
  ['no', 'any(identity.groups[*].id in {"another"})'],
  ['no', `identity.groups.id != "${GROUP}"`],
  ['no', `identity.name == "${GROUP}"`],
  ['no', `identity.email == "${LIST}"`],
] as const)('%s: %s', (verdict, expression) => {
  expect(matches(expression, subject)).toBe(verdict);
});
