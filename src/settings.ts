/** What each setting may be, and the sentence for whoever gets it wrong. */
import * as v from 'valibot';
import { RISK_LEVELS, type UserId } from './plan';

const DEFAULT_MAX_REMOVALS = 50;
const DEADLINE_SECONDS = { default: 50, least: 5, most: 840, mostEveryMinute: 55 } as const;
const EVERY_MINUTE = '* * * * *';
const EVERY_MINUTE_SPELT = [EVERY_MINUTE, '*/1 * * * *'];

export interface Cloud {
  loginOrigin: string;
  graphOrigin: string;
}

/** Hosts of learn.microsoft.com/graph/deployments. China is missing: it has no riskyUsers (learn: riskyuser-list). */
const CLOUDS: ReadonlyMap<string, Cloud> = new Map([
  [
    'global',
    { loginOrigin: 'https://login.microsoftonline.com', graphOrigin: 'https://graph.microsoft.com' },
  ],
  ['usgov', { loginOrigin: 'https://login.microsoftonline.us', graphOrigin: 'https://graph.microsoft.us' }],
  ['dod', { loginOrigin: 'https://login.microsoftonline.us', graphOrigin: 'https://dod-graph.microsoft.us' }],
]);

const OBJECT_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;
function objectId(fault: string) {
  return v.pipe(v.string(), v.toLowerCase(), v.regex(OBJECT_ID, fault));
}

function wholeNumber(least: number, most: number, fault: string) {
  const fits = (number: number) => number >= least && number <= most;
  return v.pipe(v.string(), v.regex(/^\d{1,9}$/, fault), v.transform(Number), v.check(fits, fault));
}

/** An unset required setting is the empty string, so that its own sentence tells what to do. */
function required(remedy: string) {
  return v.pipe(v.string(), v.regex(/./, `is not set. ${remedy}`));
}

const GROUP_IDS_FAULT =
  'must name a different group for each of the three levels by its object id: high=ID,medium=ID,low=ID. Leave it empty to find the groups by name.';

const pinnedId = v.optional(objectId(GROUP_IDS_FAULT), '');

const groupIds = v.pipe(
  v.string(),
  v.toLowerCase(),
  v.transform((text) => text.split(',').map((pair) => pair.split('=').map((word) => word.trim()))),
  v.check((pairs) => pairs.length === 3 && pairs.every((pair) => pair.length === 2), GROUP_IDS_FAULT),
  v.transform((pairs): unknown => Object.fromEntries(pairs)),
  v.object({ high: pinnedId, medium: pinnedId, low: pinnedId }),
  v.check((ids) => new Set(Object.values(ids)).size === RISK_LEVELS.length, GROUP_IDS_FAULT),
);

const EXEMPT_FAULT =
  'must be object ids of users, separated by commas. Entra admin center > Users > the user > Object ID.';

const exemptUserIds = v.pipe(
  v.string(),
  v.transform((text) =>
    text
      .split(',')
      .map((id) => id.trim())
      .filter((id) => id !== ''),
  ),
  v.array(objectId(EXEMPT_FAULT)),
  v.transform((ids): ReadonlySet<UserId> => new Set(ids)),
);

/** The settings of a run that `cron` started, given as text where they are set. A fault is the end of a sentence that begins with the name. */
export function settingsSchema(cron: string) {
  const everyMinute = EVERY_MINUTE_SPELT.includes(cron);
  const most = everyMinute ? DEADLINE_SECONDS.mostEveryMinute : DEADLINE_SECONDS.most;
  const deadlineFault =
    `must be a whole number of seconds from ${DEADLINE_SECONDS.least} to ${most}` +
    (everyMinute
      ? `; more (up to ${DEADLINE_SECONDS.most}) needs a cron slower than "${EVERY_MINUTE}".`
      : '.');
  return v.object({
    AZURE_AD_TENANT_ID: v.optional(
      v.pipe(
        required('Set it to the Tenant ID of the Entra admin center > Overview.'),
        v.toLowerCase(),
        v.check(
          (id) => OBJECT_ID.test(id) || DOMAIN.test(id),
          'must be the directory (tenant) id or a verified domain of the tenant.',
        ),
      ),
      '',
    ),
    AZURE_AD_CLIENT_ID: v.optional(
      v.pipe(
        required('Set it to the Application (client) ID of the app registration.'),
        v.toLowerCase(),
        v.regex(
          OBJECT_ID,
          'must be the Application (client) ID of the app registration, such as 00000000-0000-0000-0000-000000000000.',
        ),
      ),
      '',
    ),
    AZURE_AD_CLIENT_SECRET: v.optional(v.string()),
    AZURE_AD_CLIENT_CERTIFICATE: v.optional(v.string()),
    AZURE_AD_CLIENT_PRIVATE_KEY: v.optional(v.string()),
    AZURE_AD_CLOUD: v.optional(
      v.pipe(
        v.string(),
        v.toLowerCase(),
        v.check((name) => name !== 'china', 'cannot be china: Microsoft does not offer riskyUsers there.'),
        v.transform((name) => CLOUDS.get(name)),
        v.check((cloud) => cloud !== undefined, 'must be global, usgov or dod.'),
        // It has just been checked to be one.
        v.transform((cloud) => cloud as Cloud),
      ),
      'global',
    ),
    GROUP_IDS: v.optional(groupIds),
    DRY_RUN: v.optional(
      v.pipe(
        v.string(),
        v.toLowerCase(),
        v.regex(/^(true|false)$/, 'must be true or false.'),
        v.transform((word) => word === 'true'),
      ),
      'false',
    ),
    MAX_REMOVALS: v.optional(
      wholeNumber(
        0,
        999_999_999,
        'must be a whole number, 0 or more: how many users may leave isolation in one run.',
      ),
      String(DEFAULT_MAX_REMOVALS),
    ),
    EXEMPT_USER_IDS: v.optional(exemptUserIds, ''),
    DEADLINE_SECONDS: v.optional(
      wholeNumber(DEADLINE_SECONDS.least, most, deadlineFault),
      String(DEADLINE_SECONDS.default),
    ),
    SCIM_SERVICE_PRINCIPAL_ID: v.optional(
      objectId(
        'must be the Object ID of the enterprise application that provisions to Cloudflare. Leave it empty to do without on-demand provisioning.',
      ),
    ),
    HEARTBEAT_URL: v.optional(
      v.pipe(
        v.string(),
        v.check(isHttps, 'must be a whole https address. Leave it empty to send no heartbeat.'),
      ),
    ),
  });
}

/** All there are. */
export const SETTING_NAMES = Object.keys(settingsSchema(EVERY_MINUTE).entries);

function isHttps(text: string): boolean {
  return URL.canParse(text) && new URL(text).protocol === 'https:';
}
