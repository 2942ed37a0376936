/** The settings: every one, whatever can be wrong with it, and what copying did to it. */
import { describe, expect, it } from 'vitest';
import { type CertificateCache, daysUntilRenewal } from '../../src/config/certificate';
import { type Config, readConfig } from '../../src/config/config';
import { SETTING_NAMES } from '../../src/config/schema';
import { SettingsError } from '../../src/errors';
import { EVERY_MINUTE, QUARTER_HOURLY } from '../scenarios/scene';
import * as pem from '../tenant/certificate';

const A = 'aaaaaaaa-0000-4000-8000-00000000000a';
const B = 'bbbbbbbb-0000-4000-8000-00000000000b';
const C = 'cccccccc-0000-4000-8000-00000000000c';
const PINS = `high=${A},medium=${B},low=${C}`;
const ACCOUNT = '0123456789abcdef0123456789abcdef';
const NOW = '2026-05-04T03:00:00Z';

const TENANT = 'AZURE_AD_TENANT_ID';
const CLIENT = 'AZURE_AD_CLIENT_ID';
const SECRET = 'AZURE_AD_CLIENT_SECRET';
const CERTIFICATE = 'AZURE_AD_CLIENT_CERTIFICATE';
const KEY = 'AZURE_AD_CLIENT_PRIVATE_KEY';
const ACCOUNT_ID = 'CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID';
const API_TOKEN = 'CLOUDFLARE_ZERO_TRUST_API_TOKEN';

const LISTS = { DESTINATIONS: 'groups,lists', [ACCOUNT_ID]: ACCOUNT, [API_TOKEN]: 'a_token-1' };

type Env = Record<string, unknown>;
type When = { cron?: string; now?: string; cache?: CertificateCache };

/** Settings that are right, with those in place of theirs. */
const read = (env: Env, { cron = EVERY_MINUTE, now = NOW, cache = {} }: When = {}): Promise<Config> =>
  readConfig({ [TENANT]: A, [CLIENT]: B, [SECRET]: 'a~secret', ...env }, cron, Date.parse(now), cache);

async function problemsOf(env: Env, when: When = {}): Promise<readonly string[]> {
  const error = await read(env, when).catch((thrown: unknown) => thrown);
  if (!(error instanceof SettingsError)) throw new Error(`no SettingsError: ${error}`);
  expect(error.message).toBe(error.problems.join(' '));
  return error.problems;
}

/** The one problem that there is: it begins with the setting's name, and never repeats what may be secret. */
async function problemOf(name: string, value: unknown, others: Env = {}, when: When = {}): Promise<string> {
  const [problem = '', ...more] = await problemsOf({ ...others, [name]: value }, when);
  expect(more).toEqual([]);
  expect(problem.split(' ')[0]).toBe(name);
  return problem.slice(name.length + 1);
}

describe('One problem is one sentence with the name and the remedy', () => {
  const THREE = 'must name a different group for each of the three levels by its object id: high=ID,medium=ID,low=ID.';
  const NUMBER = 'must be a whole number, 0 or more';
  const table: Record<string, readonly [remedy: string, ...values: unknown[]][]> = {
    [TENANT]: [
      ['is not set. Set it to the Tenant ID', undefined, null, ' \n', '<TENANT-ID>', '\ufeff'],
      ['must be the directory (tenant) id or a verified domain', 'Contoso', 42, '../x.example', 'x.example/y', `${A}0`],
    ],
    [CLIENT]: [
      ['is not set. Set it to the Application (client) ID', undefined, '<CLIENT-ID>'],
      ['must be the Application (client) ID', 'risky-users', A.slice(0, -1), `<${A}>`],
    ],
    [SECRET]: [
      [`is not set. To set it, run: npx wrangler secret put ${SECRET}`, undefined, '', '\r\n', '<SECRET>'],
      ['looks like the Secret ID. Set the Value', C, C.toUpperCase(), ` ${C}\n`],
    ],
    AZURE_AD_CLOUD: [['must be global, usgov or dod. Microsoft does not offer riskyUsers in China.', 'china', '<dod>']],
    DESTINATIONS: [
      ['must be groups, lists, or groups,lists.', '<lists>', 'both', 'groups;lists', 'lists,lists', ',', 1],
    ],
    GROUP_IDS: [
      [THREE, `high=${A},medium=${A.toUpperCase()},low=${C}`, `high=${A},medium=${B}`, `${PINS},none=${A}`],
      [THREE, `high=${A},high=${B},low=${C}`, `high=${A},medium=${B},lowest=${C}`, `high=${A},medium=${B},low`],
      [THREE, `${PINS}=x`, `high=${A},medium=${B},low=Everyone`, `${A},${B},${C}`],
    ],
    DRY_RUN: [['must be true or false.', 'yes', 'untrue', 'falsehood', 1, '<true>']],
    MAX_REMOVALS: [[NUMBER, '-1', -1, 'many', 2.5, '1e3', '10000000000', true, '5 users', '<0>']],
    EXEMPT_USER_IDS: [['must be object ids of users, separated by', 'alice@x.example', `${A},bob`, `${A};${B}`]],
    DEADLINE_SECONDS: [
      ['must be a whole number of seconds from 5 to 840.', 4, 841, '-50', '50s', 49.5],
      ['from 5 to 55; more (up to 840) needs a cron slower than "* * * * *".', 56, '840'],
    ],
    SCIM_SERVICE_PRINCIPAL_ID: [['must be the Object ID of the enterprise application', 'Cloudflare', `${A},${B}`]],
    [ACCOUNT_ID]: [
      ['is not set, and DESTINATIONS has lists. Set it in wrangler.toml to the Account ID', undefined],
      ['must be the Account ID of Cloudflare, 32 hexadecimal digits.', 'contoso', `${ACCOUNT}0`, `/${ACCOUNT}`],
    ],
    [API_TOKEN]: [
      ['is not set, and DESTINATIONS has lists. Make one (Account > Zero Trust > Edit)', '<TOKEN>'],
      ['must be an API token of Cloudflare alone, without blanks or the word Bearer.', 'Bearer a_token-1'],
    ],
    HEARTBEAT_URL: [['must be a whole https address.', 'http://beat.example/x', 'beat.example/x', 'https://']],
  };
  const rows = Object.entries(table).flatMap(([name, kinds]) =>
    kinds.flatMap(([remedy, ...values]) => values.map((value) => [name, value, remedy] as const)),
  );

  it.each(rows)('%s = %j %s', async (name, value, remedy) => {
    const problem = await problemOf(name, value, LISTS);
    expect(problem).toContain(remedy);
    expect(problem).toMatch(/[.\w]$/);
    if (/alice|beat\./.test(String(value))) expect(problem).not.toContain(String(value));
  });

  it('a deadline that is too long for its cron, and a value that is no text', async () => {
    const every = ['55 */1', '55 0-59', '55\t0-59/01', '55 0,20,21', '55 0/1'];
    for (const row of [...every, '115 */2', '235 */7', '175 5-50/3', '595 0,50', '835 x,0-50/14']) {
      const [most, cron] = [Number.parseInt(row, 10), `${row.replace(/\d+/, '')} 8-18 * * 2-6`];
      expect(await problemOf('DEADLINE_SECONDS', most + 1, {}, { cron })).toContain(`from 5 to ${most};`);
      expect((await read({ DEADLINE_SECONDS: most }, { cron })).DEADLINE_SECONDS).toBe(most);
    }
    expect((await read({ DEADLINE_SECONDS: 840 }, { cron: QUARTER_HOURLY })).DEADLINE_SECONDS).toBe(840);
    for (const [name, value] of Object.entries({ [SECRET]: Object.create(null), EXEMPT_USER_IDS: [A, B] }))
      for (const problem of await problemsOf({ [name]: value })) expect(problem).toContain(`${name} must be text`);
  });

  it('several problems are in one error, each said once', async () => {
    const problems = await problemsOf({
      ...{ [TENANT]: '<TENANT-ID>', [CLIENT]: 'me', AZURE_AD_CLOUD: 'china', DESTINATIONS: 'x' },
      ...{ GROUP_IDS: 'x', DRY_RUN: 'x', MAX_REMOVALS: 'x', EXEMPT_USER_IDS: 'x,y,z', DEADLINE_SECONDS: 'x' },
      ...{ SCIM_SERVICE_PRINCIPAL_ID: 'x', HEARTBEAT_URL: 'x', [ACCOUNT_ID]: 'x', [API_TOKEN]: 'x y', DRYRUN: 'x' },
      ...{ [CERTIFICATE]: 'x', [KEY]: 'x' },
    });
    const ofLists = await problemsOf({ DESTINATIONS: 'lists', DRY_RUN: 'x', DEADLINE_SECONDS: 56 });
    const namesIn = (some: readonly string[]) => some.map((problem) => problem.split(' ')[0]);
    expect(namesIn(ofLists)).toEqual(['DRY_RUN', 'DEADLINE_SECONDS', ACCOUNT_ID, API_TOKEN]);
    const names = SETTING_NAMES.filter((name) => name !== SECRET);
    expect(namesIn(problems).sort()).toEqual([...names, 'DRYRUN'].sort());
  });
});

describe('K8: a variable that is no setting', () => {
  const MEANT = [
    ...['DRYRUN=DRY_RUN', 'Dry-Run=DRY_RUN', 'MAX_REMOVAL=MAX_REMOVALS', 'GROUPS_IDS=GROUP_IDS', `TENANT_ID=${TENANT}`],
    ...[`AZURE_AD_SECRET=${SECRET}`, 'EXEMPT_USERS=EXEMPT_USER_IDS', `CLOUDFLARE_API_TOKEN=${API_TOKEN}`],
    ...[`CLOUDFLARE_ACCOUNT_ID=${ACCOUNT_ID}`, `AZURE_AD_CLIENT_KEY=${KEY}`, `AZURE_AD_CLIENTID=${CLIENT}`],
    ...['DYR_RUN=DRY_RUN', 'DRY_RIN=DRY_RUN', 'GRUOP_IDS=GROUP_IDS', 'HEARTBAET_URL=HEARTBEAT_URL'],
  ];
  it.each(MEANT.map((pair) => pair.split('=')))('%s: did you mean %s?', async (name = '', meant = '') => {
    const says = `is no setting of this Worker. Did you mean ${meant}? If not, remove it from wrangler.toml, or run: `;
    for (const value of ['true', false, 1, '', ['x']])
      expect(await problemOf(name, value)).toBe(`${says}npx wrangler secret delete ${name}`);
  });

  it.each(['LOG_LEVEL', 'X', 'NODE_ENV', 'SENTRY_DSN'])('%s is like none of them, and no binding', async (name) => {
    expect(await problemOf(name, 'x')).toMatch(/^is no setting of this Worker\. Remove it from wrangler\.toml/);
    for (const value of [{ get: () => 'x' }, () => {}, undefined, null]) await read({ [name]: value });
  });
});

describe('What is taken', () => {
  it('unset, empty or a placeholder, the defaults', async () => {
    const defaults: Config = {
      ...{ [TENANT]: A, [CLIENT]: B, [SECRET]: 'a~secret', credential: { kind: 'secret', secret: 'a~secret' } },
      AZURE_AD_CLOUD: { loginOrigin: 'https://login.microsoftonline.com', graphOrigin: 'https://graph.microsoft.com' },
      ...{ DESTINATIONS: new Set(['groups']), DRY_RUN: false, MAX_REMOVALS: 50, EXEMPT_USER_IDS: new Set() },
      ...{ DEADLINE_SECONDS: 50, unused: [] },
    };
    const optional = SETTING_NAMES.filter((name) => ![TENANT, CLIENT, SECRET].includes(name));
    for (const value of [undefined, null, '', ' \n', '<VALUE>'])
      expect(await read(Object.fromEntries(optional.map((name) => [name, value])))).toEqual(defaults);
  });

  const US_LOGIN = 'https://login.microsoftonline.us';
  const DOD_GRAPH = 'https://dod-graph.microsoft.us';
  const pinned = { GROUP_IDS: { high: A, medium: B, low: C } };
  it.each<[Env, Partial<Config>]>([
    [{ [TENANT]: 'X.Contoso.Example' }, { [TENANT]: 'x.contoso.example' }],
    [{ [CLIENT]: C.toUpperCase() }, { [CLIENT]: C }],
    [{ AZURE_AD_CLOUD: 'DoD' }, { AZURE_AD_CLOUD: { loginOrigin: US_LOGIN, graphOrigin: DOD_GRAPH } }],
    [{ GROUP_IDS: ` high = ${A} , Medium=${B.toUpperCase()},\tlow= ${C} ` }, pinned],
    [{ GROUP_IDS: `low=${C},medium=${B},high=${A}` }, pinned],
    [{ DRY_RUN: true }, { DRY_RUN: true }],
    [{ DEADLINE_SECONDS: 55 }, { DEADLINE_SECONDS: 55 }],
    [{ MAX_REMOVALS: 0 }, { MAX_REMOVALS: 0 }],
    [{ MAX_REMOVALS: ' 999999999 ' }, { MAX_REMOVALS: 999_999_999 }],
    [{ EXEMPT_USER_IDS: `\n ${A} ,,\u200b${B.toUpperCase()}` }, { EXEMPT_USER_IDS: new Set([A, B]) }],
    [{ [SECRET]: '', [CERTIFICATE]: pem.CERTIFICATE_PEM, [KEY]: pem.PRIVATE_KEY_PEM }, {}],
  ])('%j', async (env, expected) => {
    expect(await read(env)).toMatchObject(expected);
  });

  it.each([
    ['lists', ['lists'], ['GROUP_IDS', 'SCIM_SERVICE_PRINCIPAL_ID']],
    ['groups', ['groups'], [ACCOUNT_ID, API_TOKEN]],
    [' Lists, groups ', ['lists', 'groups'], []],
  ])('DESTINATIONS = %j, what belongs to others unused', async (value, names, unused) => {
    const ofGroups = { GROUP_IDS: PINS, SCIM_SERVICE_PRINCIPAL_ID: C };
    const ofLists = { [ACCOUNT_ID]: ACCOUNT.toUpperCase(), [API_TOKEN]: 'a_token-1' };
    const config = await read({ DESTINATIONS: value, ...ofGroups, ...ofLists });
    expect(config).toMatchObject({ DESTINATIONS: new Set(names), unused });
    expect(config).toMatchObject({ [ACCOUNT_ID]: ACCOUNT, [API_TOKEN]: 'a_token-1' });
  });

  it.each(['a+b&c=d%e/f~g h\u00fc', '<a>b', 'b<a>', 'a\nb', 'a\\nb'])('the secret %j as it stands', async (secret) => {
    expect((await read({ [SECRET]: secret })).credential).toEqual({ kind: 'secret', secret });
  });
});

// The marks and embeddings are what dialogs of Windows put before what is copied out of them.
const AROUND = [
  ...['  \t', '\r\n\r\n', '\u00a0\u202f', '\ufeff\r\n', '\u200b\u2060', '\u200c\u200d', '\u200e', '\u202a\u202c'],
  ...['\u00ad', '\ufeff \u200b\r\n \u00a0\n\u200b'],
];
const texts: Env = {
  ...{ ...LISTS, [TENANT]: A, [CLIENT]: B, [SECRET]: 'a~secret', AZURE_AD_CLOUD: 'usgov', GROUP_IDS: PINS },
  ...{ DRY_RUN: 'true', MAX_REMOVALS: '7', EXEMPT_USER_IDS: `${A},${B}`, DEADLINE_SECONDS: '30' },
  ...{ SCIM_SERVICE_PRINCIPAL_ID: C, HEARTBEAT_URL: 'https://beat.example/x' },
};

it.each(AROUND)('K6: what copying adds around a text is taken away, whatever the text is: %j', async (dirt) => {
  const dirty = (text: string) => dirt + text + dirt;
  const dirtied = Object.entries(texts).map(([name, text]) => [name, dirty(String(text))]);
  expect(await read(Object.fromEntries(dirtied))).toEqual(await read(texts));
  const pair = { [CERTIFICATE]: dirty(pem.CERTIFICATE_PEM), [KEY]: dirty(pem.PRIVATE_KEY_PEM) };
  expect((await read(pair)).credential).toMatchObject({ kind: 'certificate' });
  expect(await problemOf(SECRET, dirty(''))).toContain('is not set.');
});

const whole = pem.PRIVATE_KEY_PEM + pem.CERTIFICATE_PEM;
const chain = pem.CERTIFICATE_PEM + pem.CERTIFICATE_4096_PEM;

async function credentialOf(certificate: string, key: string) {
  const { credential } = await read({ [CERTIFICATE]: certificate, [KEY]: key, [SECRET]: 'of no matter' });
  if (credential.kind !== 'certificate') throw new Error('no certificate');
  return credential;
}

const ENDS = [
  ...['\n', '\r\n', '\r', '', '\n\n', ' ', '\u00a0', '\n    ', '\u200b\n'],
  ...['\\n', '\\r\\n', '\\n\n', '\\\\r\\\\n', '\\\n'],
];
const others: Record<string, (text: string) => string> = {
  'blanks and marks at the ends': (text) => text.replaceAll('\n', '  \u200b\u200e\n'),
  'no-break spaces throughout': (text) => text.replaceAll(' ', '\u00a0'),
  quotes: (text) => `"${text}"`,
  'words before and after': (text) => `Bag Attributes\n  friendlyName: risky\nsubject=CN = x\n${text}\nend`,
};
const ways = ENDS.map((end) => [JSON.stringify(end), (text: string) => text.replaceAll('\n', end)] as const);
const became = [...ways, ...Object.entries(others)];
it.each(became)('K6: a pair is taken whatever its line ends became: %s', async (_, change) => {
  const { thumbprint, key } = await credentialOf(pem.CERTIFICATE_PEM, pem.PRIVATE_KEY_PEM);
  expect([thumbprint.length, key.extractable]).toEqual([43, false]);
  expect(await credentialOf(change(pem.CERTIFICATE_PEM), pem.PRIVATE_KEY_PEM)).toMatchObject({ thumbprint });
  expect(await credentialOf(pem.CERTIFICATE_PEM, change(pem.PRIVATE_KEY_PEM))).toMatchObject({ thumbprint });
  expect(await credentialOf(change(chain), change(whole))).toMatchObject({ thumbprint });
});

describe('Certificate and key that cannot be used', () => {
  const NEW_PAIR = 'Make a new pair: openssl req -x509 -newkey rsa:2048 -noenc';
  const CONVERT = 'Convert it: openssl pkcs8 -topk8 -nocrypt -in key.pem -out key-pkcs8.pem';
  const NOT_THAT = `does not belong to ${CERTIFICATE}.`;
  const EC_KEY = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg\n-----END EC PRIVATE KEY-----\n';
  const OLD = pem.PRIVATE_KEY_PKCS1_PEM.replace('KEY-----\n', 'KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,00\n\n');
  const CHAIN = pem.CERTIFICATE_4096_PEM + pem.CERTIFICATE_PEM;
  const REQUEST = pem.CERTIFICATE_PEM.replaceAll('CERTIFICATE', 'CERTIFICATE REQUEST');
  /** Of a curve that there is not. */
  const odd = (_: string, text: string) => `\n${btoa(atob(text).replace('=\x03\x01\x07', '=\x03\x01w'))}\n`;
  const ODD = pem.EC_CERTIFICATE_PEM.replace(/\n([^-]+)/, odd);
  const cut = (text: string) => text.replace(/\n[^\n]+\n[^\n]+\n-----END/, '\n-----END');
  const noEnd = (text: string) => text.slice(0, text.indexOf('-----END'));

  it.each<[string, string, string, string, string]>([
    ['PKCS#1', KEY, pem.PRIVATE_KEY_PKCS1_PEM, 'is PKCS#1', CONVERT],
    ['encrypted', KEY, pem.ENCRYPTED_PRIVATE_KEY_PEM, 'is encrypted, and the Worker has no passphrase', CONVERT],
    ['encrypted in the old way', KEY, OLD, 'is encrypted', CONVERT],
    ['of another pair', KEY, pem.OTHER_PRIVATE_KEY_PEM, NOT_THAT, NEW_PAIR],
    ['cut short', KEY, cut(pem.PRIVATE_KEY_PEM), 'is not a whole RSA key', NEW_PAIR],
    ['without its last line', KEY, noEnd(pem.PRIVATE_KEY_PEM), 'is not a whole PEM private key', NEW_PAIR],
    ['of another kind', KEY, EC_KEY, 'is not a whole PEM private key', NEW_PAIR],
    ['a certificate', KEY, pem.CERTIFICATE_PEM, 'holds a certificate, not a private key', NEW_PAIR],
    ['a key', CERTIFICATE, pem.PRIVATE_KEY_PEM, 'holds a private key, not a certificate', NEW_PAIR],
    ['a request', CERTIFICATE, REQUEST, 'is not a whole PEM certificate', NEW_PAIR],
    ['of an odd key', CERTIFICATE, ODD, 'is not a whole PEM certificate ("BEGIN CERTIFICATE") of an RSA key', NEW_PAIR],
    ['cut short', CERTIFICATE, cut(pem.CERTIFICATE_PEM), 'is not a whole PEM certificate', NEW_PAIR],
  ])('%s: %s', async (_, name, value, fault, remedy) => {
    const pair = { [CERTIFICATE]: pem.CERTIFICATE_PEM, [KEY]: pem.PRIVATE_KEY_PEM };
    const problem = await problemOf(name, value, pair);
    expect(problem.startsWith(fault)).toBe(true);
    expect(problem).toContain(remedy);
    expect(problem).not.toMatch(/MII[A-Za-z0-9+/]{5}/);
  });

  it.each([
    ['of two pairs', CHAIN, pem.PRIVATE_KEY_PEM, `${KEY} ${NOT_THAT} Set both from one pair`],
    ['of another kind', pem.EC_CERTIFICATE_PEM, pem.PRIVATE_KEY_PEM, `${KEY} ${NOT_THAT} Set both from one pair`],
    ['exchanged', pem.PRIVATE_KEY_PKCS1_PEM, pem.CERTIFICATE_PEM, 'are exchanged: the first holds the private key'],
  ])('%s, they are said to be just that', async (_, first, second, says) => {
    for (const end of ['\n', '', '\\n']) {
      const pair = { [CERTIFICATE]: first.replaceAll('\n', end), [KEY]: second.replaceAll('\n', end) };
      expect(await problemsOf(pair)).toEqual([expect.stringContaining(says)]);
    }
  });

  it.each([
    [CERTIFICATE, KEY, 'key.pem'],
    [KEY, CERTIFICATE, 'certificate.pem'],
  ])('%s without the other, though a secret is set', async (name, missing, file) => {
    const half = `${missing} is not set, but the other half of the pair is. To set it, run: npx wrangler secret put`;
    expect(await problemsOf({ [name]: 'x' })).toEqual([`${half} ${missing} < ${file}`]);
  });
});

describe('The life of a certificate', () => {
  const pair = { [CERTIFICATE]: pem.SHORT_CERTIFICATE_PEM, [KEY]: pem.PRIVATE_KEY_PEM };
  const daysAt = async (now: string, cache: CertificateCache = {}) => {
    const { credential } = await read(pair, { now, cache });
    return credential.kind === 'certificate' ? daysUntilRenewal(credential, Date.parse(now)) : 'none';
  };

  it.each([
    ['2026-04-01T00:00:00Z', undefined],
    ['2026-04-30T00:00:00Z', undefined],
    ['2026-04-30T00:00:01Z', 13],
    ['2026-05-13T23:59:59Z', 0],
  ])('at %s: %s whole days of the last fourteen are left', async (now, days) => {
    expect(await daysAt(now)).toBe(days);
  });

  it.each([
    ['2026-03-31T23:59:59Z', 'is not valid before 2026-04-01. Make a new pair'],
    ['2026-05-14T00:00:00Z', 'expired on 2026-05-14. Make a new pair'],
  ])('at %s: %s', async (now, fault) => {
    expect((await problemsOf(pair, { now })).join()).toContain(`${CERTIFICATE} ${fault}`);
  });

  it('ends also for an isolate that remembers it, which reads it once, until the pair is another', async () => {
    const cache: CertificateCache = {};
    expect(await daysAt('2026-05-13T00:00:00Z', cache)).toBe(1);
    const remembered = cache.certificate?.credential;
    expect(await daysAt('2026-05-13T12:00:00Z', cache)).toBe(0);
    expect(cache.certificate?.credential).toBe(remembered);
    expect(await problemsOf(pair, { now: '2026-05-14T00:00:00Z', cache })).toHaveLength(1);
    await read({ [CERTIFICATE]: pem.CERTIFICATE_PEM, [KEY]: pem.PRIVATE_KEY_PEM }, { cache });
    expect(cache.certificate?.credential).not.toBe(remembered);
  });
});
