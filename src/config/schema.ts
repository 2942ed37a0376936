/** What each setting may be, and the sentence for whoever gets it wrong. */
import * as v from 'valibot';
import { OBJECT_ID, RISK_LEVELS, type RiskLevel, type UserId } from '../plan';

const DEFAULT_MAX_REMOVALS = '50';
/** Two runs at once could undo what the other has just done. */
export const DEADLINE_SECONDS = { default: '50', least: 5, most: 840, beforeNextRun: 5 } as const;

/** Hosts of learn.microsoft.com/graph/deployments. China is missing: it has no riskyUsers (learn: riskyuser-list). */
const CLOUDS = {
  global: { loginOrigin: 'https://login.microsoftonline.com', graphOrigin: 'https://graph.microsoft.com' },
  usgov: { loginOrigin: 'https://login.microsoftonline.us', graphOrigin: 'https://graph.microsoft.us' },
  dod: { loginOrigin: 'https://login.microsoftonline.us', graphOrigin: 'https://dod-graph.microsoft.us' },
} as const;

export const DESTINATIONS = ['groups', 'lists'] as const;
export type DestinationName = (typeof DESTINATIONS)[number];

/** Ends of sentences that begin with the setting's name. */
const PROBLEMS = {
  noTenant: 'is not set. Set it to the Tenant ID of the Entra admin center > Overview.',
  noClient: 'is not set. Set it to the Application (client) ID of the app registration.',
  tenant: 'must be the directory (tenant) id or a verified domain of the tenant.',
  client: 'must be the Application (client) ID of the app registration, such as 00000000-0000-0000-0000-000000000000.',
  secretId: 'looks like the Secret ID. Set the Value of the client secret; it is shown only when the secret is made.',
  cloud: 'must be global, usgov or dod. Microsoft does not offer riskyUsers in China.',
  destinations: 'must be groups, lists, or groups,lists.',
  groupIds:
    'must name a different group for each of the three levels by its object id: high=ID,medium=ID,low=ID. Leave it empty to find the groups by name.',
  account: 'must be the Account ID of Cloudflare, 32 hexadecimal digits.',
  token: 'must be an API token of Cloudflare alone, without blanks or the word Bearer.',
  boolean: 'must be true or false.',
  maxRemovals: 'must be a whole number, 0 or more: how many users may be released in one run.',
  exempt: 'must be object ids of users, separated by commas. Entra admin center > Users > the user > Object ID.',
  deadline: `must be a whole number of seconds from ${DEADLINE_SECONDS.least} to ${DEADLINE_SECONDS.most}.`,
  application:
    'must be the Object ID of the enterprise application that provisions to Cloudflare. Leave it empty to do without on-demand provisioning.',
  heartbeat: 'must be a whole https address. Leave it empty to send no heartbeat.',
} as const;

/** What editors, pipes and web pages leave around a text: blanks, line ends, byte order marks, invisible characters. */
const AROUND = /^[\s\p{Cf}]+|[\s\p{Cf}]+$/gu;
const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;
const TENANT = new RegExp(`${OBJECT_ID.source}|${DOMAIN.source}`);

/** The text without what copying adds around it. */
export function clean(text: string): string {
  return text.replace(AROUND, '');
}

const isNoId = (text: string) => !OBJECT_ID.test(text.toLowerCase());
const isHttps = (text: string) => URL.canParse(text) && text.toLowerCase().startsWith('https:');
const isTrue = (text: string) => text === 'true';
const areDistinct = (names: DestinationName[]) => names.length > 0 && new Set(names).size === names.length;
const toWords = (text: string) => text.split(',').map(clean).filter(Boolean);
const toSet = <Item>(items: Item[]): ReadonlySet<Item> => new Set(items);
const toCloud = (name: keyof typeof CLOUDS) => CLOUDS[name];
const toPairs = (text: string) => text.split(',').map((pair) => pair.split('=').map(clean));
const arePairs = (all: string[][]) => all.length === 3 && all.every((pair) => pair.length === 2);
const toObject = (all: string[][]): unknown => Object.fromEntries(all);
const areApart = (ids: Record<RiskLevel, string>) => new Set(Object.values(ids)).size === RISK_LEVELS.length;

const lowerCase = v.pipe(v.string(), v.toLowerCase());
const such = (isSuch: (text: string) => boolean, problem: string) => v.pipe(v.string(), v.check(isSuch, problem));
/** A text in any case that must match. */
const word = (shape: RegExp, problem: string) => v.pipe(lowerCase, v.regex(shape, problem));
const objectId = (problem: string) => word(OBJECT_ID, problem);
/** An unset required setting is the empty string, so that its own sentence tells what to do. */
const required = (unset: string, shape: RegExp, problem: string) =>
  v.optional(v.pipe(v.string(), v.regex(/./, unset), word(shape, problem)), '');

function wholeNumber(least: number, most: number, problem: string) {
  const fits = (number: number) => number >= least && number <= most;
  return v.pipe(v.string(), v.regex(/^\d{1,9}$/, problem), v.transform(Number), v.check(fits, problem));
}

const { least, most } = DEADLINE_SECONDS;
const pinnedId = v.optional(objectId(PROBLEMS.groupIds), '');
const parted = v.pipe(lowerCase, v.transform(toPairs), v.check(arePairs, PROBLEMS.groupIds), v.transform(toObject));
const byLevel = v.object({ high: pinnedId, medium: pinnedId, low: pinnedId });
const pins = v.pipe(parted, byLevel, v.check(areApart, PROBLEMS.groupIds));
const names = v.pipe(lowerCase, v.transform(toWords), v.array(v.picklist(DESTINATIONS, PROBLEMS.destinations)));
const destinations = v.pipe(names, v.check(areDistinct, PROBLEMS.destinations), v.transform(toSet<DestinationName>));
const users = v.pipe(lowerCase, v.transform(toWords), v.array(objectId(PROBLEMS.exempt)), v.transform(toSet<UserId>));
const cloud = v.pipe(lowerCase, v.picklist(['global', 'usgov', 'dod'], PROBLEMS.cloud), v.transform(toCloud));

/** The settings as text, where they are set. */
export const Settings = v.object({
  AZURE_AD_TENANT_ID: required(PROBLEMS.noTenant, TENANT, PROBLEMS.tenant),
  AZURE_AD_CLIENT_ID: required(PROBLEMS.noClient, OBJECT_ID, PROBLEMS.client),
  AZURE_AD_CLIENT_SECRET: v.optional(such(isNoId, PROBLEMS.secretId)),
  AZURE_AD_CLIENT_CERTIFICATE: v.optional(v.string()),
  AZURE_AD_CLIENT_PRIVATE_KEY: v.optional(v.string()),
  AZURE_AD_CLOUD: v.optional(cloud, 'global'),
  DESTINATIONS: v.optional(destinations, 'groups'),
  GROUP_IDS: v.optional(pins),
  CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID: v.optional(word(/^[0-9a-f]{32}$/, PROBLEMS.account)),
  CLOUDFLARE_ZERO_TRUST_API_TOKEN: v.optional(v.pipe(v.string(), v.regex(/^[\x21-\x7e]+$/, PROBLEMS.token))),
  DRY_RUN: v.optional(v.pipe(word(/^(true|false)$/, PROBLEMS.boolean), v.transform(isTrue)), 'false'),
  MAX_REMOVALS: v.optional(wholeNumber(0, 999_999_999, PROBLEMS.maxRemovals), DEFAULT_MAX_REMOVALS),
  EXEMPT_USER_IDS: v.optional(users, ''),
  DEADLINE_SECONDS: v.optional(wholeNumber(least, most, PROBLEMS.deadline), DEADLINE_SECONDS.default),
  SCIM_SERVICE_PRINCIPAL_ID: v.optional(objectId(PROBLEMS.application)),
  HEARTBEAT_URL: v.optional(such(isHttps, PROBLEMS.heartbeat)),
});

/** All there are, and those that mean something with one destination only. */
export const SETTING_NAMES: readonly string[] = Object.keys(Settings.entries);
export const SETTINGS_OF: Readonly<Record<DestinationName, readonly string[]>> = {
  groups: ['GROUP_IDS', 'SCIM_SERVICE_PRINCIPAL_ID'],
  lists: ['CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID', 'CLOUDFLARE_ZERO_TRUST_API_TOKEN'],
};
