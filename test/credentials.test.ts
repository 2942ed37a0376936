/** Certificate credentials, the clouds, and the token: asked for seldom, and never where it does not belong. */
import { describe, expect, it } from 'vitest';
import { RISK_LEVELS } from '../src/plan';
import type { Memory } from '../src/run';
import { addGroups, addRisky, type Ended, NAMES, scene } from './harness';
import {
  CERTIFICATE_4096_PEM,
  CERTIFICATE_PEM,
  EC_CERTIFICATE_PEM,
  ENCRYPTED_PRIVATE_KEY_PEM,
  OTHER_PRIVATE_KEY_PEM,
  PRIVATE_KEY_4096_PEM,
  PRIVATE_KEY_PEM,
  PRIVATE_KEY_PKCS1_PEM,
  SHORT_CERTIFICATE_PEM,
} from './tenant/certificate';
import { fakeClock } from './tenant/clock';
import { type Cloud, HOSTS } from './tenant/clouds';
import * as faults from './tenant/faults';
import type { Tenant } from './tenant/tenant';

const CERTIFICATE = 'AZURE_AD_CLIENT_CERTIFICATE';
const KEY = 'AZURE_AD_CLIENT_PRIVATE_KEY';
/** developers.cloudflare.com/workers/platform/limits: the size of one secret. */
const SECRET_BYTES = 5 * 1_024;

const written = (pem: string) => pem.replaceAll('\n', '\\n');
const tokenRequests = ({ requests }: Tenant) => requests.filter(({ path }) => path === '/token');

interface Pair {
  certificate?: string;
  key?: string;
  /** The one that is registered with the application. */
  registered?: string;
  start?: string;
  env?: Record<string, unknown>;
}

/** A tenant that knows the application by its certificate only, with one user at risk. */
function certified({
  certificate = CERTIFICATE_PEM,
  key = PRIVATE_KEY_PEM,
  registered = CERTIFICATE_PEM,
  start,
  env = {},
}: Pair = {}) {
  const here = scene({
    certificate: { pem: registered },
    ...(start === undefined ? {} : { clock: fakeClock(start) }),
    env: { AZURE_AD_CLIENT_SECRET: '', [CERTIFICATE]: certificate, [KEY]: key, ...env },
  });
  addRisky(here.tenant, 'high', 1);
  return here;
}

async function expectSignedIn(pair: Pair): Promise<Ended> {
  const { run, tenant, expectInStep } = certified(pair);
  const ended = await run();
  expect(ended.text).not.toContain('AZURE_AD');
  expect(ended.ok).toBe(true);
  expectInStep();
  const [sent] = tokenRequests(tenant);
  expect(String(sent?.body)).toContain('client_assertion=');
  expect(String(sent?.body)).not.toContain('client_secret');
  return ended;
}

describe('Certificate: the tenant takes the assertion', () => {
  it.each<[string, Pair]>([
    ['of the pair as openssl writes it', {}],
    ['with line ends written \\n', { certificate: written(CERTIFICATE_PEM), key: written(PRIVATE_KEY_PEM) }],
    [
      'with line ends of Windows',
      {
        certificate: CERTIFICATE_PEM.replaceAll('\n', '\r\n'),
        key: PRIVATE_KEY_PEM.replaceAll('\n', '\r\n'),
      },
    ],
    [
      'with line ends of Windows written \\r\\n',
      {
        certificate: CERTIFICATE_PEM.replaceAll('\n', '\\r\\n'),
        key: PRIVATE_KEY_PEM.replaceAll('\n', '\\r\\n'),
      },
    ],
    ['with blanks around', { certificate: `\n ${CERTIFICATE_PEM} \n`, key: `\n ${PRIVATE_KEY_PEM} \n` }],
    ['of the first certificate of a chain', { certificate: CERTIFICATE_PEM + CERTIFICATE_4096_PEM }],
    [
      'of a certificate with words before it',
      { certificate: `Bag Attributes\n  friendlyName: risky\nsubject=CN = risky-users\n${CERTIFICATE_PEM}` },
    ],
    [
      'of one file with key and certificate, set as both',
      { certificate: PRIVATE_KEY_PEM + CERTIFICATE_PEM, key: PRIVATE_KEY_PEM + CERTIFICATE_PEM },
    ],
    [
      'of a key of 4096 bits',
      {
        certificate: CERTIFICATE_4096_PEM,
        key: PRIVATE_KEY_4096_PEM,
        registered: CERTIFICATE_4096_PEM,
      },
    ],
    ['with the tenant by verified domain', { env: { AZURE_AD_TENANT_ID: 'Contoso.example' } }],
  ])('%s', async (_, pair) => {
    await expectSignedIn(pair);
  });

  it('and a pair of 4096 bits fits into secrets, with written line ends as well', () => {
    for (const pem of [CERTIFICATE_4096_PEM, PRIVATE_KEY_4096_PEM]) {
      expect(new TextEncoder().encode(written(pem)).length).toBeLessThan(SECRET_BYTES);
    }
  });

  it('and not the secret, where both are set', async () => {
    const { tenant, run, env, expectInStep } = certified();
    env['AZURE_AD_CLIENT_SECRET'] = tenant.ids.clientSecret;
    expect((await run()).ok).toBe(true);
    expectInStep();
    expect(String(tokenRequests(tenant)[0]?.body)).not.toContain('client_secret');
    env['AZURE_AD_CLIENT_SECRET'] = 'wrong, and of no matter';
    expect((await run({ memory: {} })).ok).toBe(true);
  });

  it('but not that of a certificate which is not registered: the setting is named', async () => {
    const { run } = certified({ registered: CERTIFICATE_4096_PEM });
    const ended = await run();
    expect(ended.troubles).toEqual(['sign-in']);
    expect(ended.text).toContain('AADSTS700027');
    expect(ended.text).toContain(`${CERTIFICATE} is not one of the certificates of the app registration`);
  });

  it('anew each time: no assertion is used twice', async () => {
    const { tenant, run, coldRun } = certified();
    expect((await run()).ok).toBe(true);
    tenant.revokeTokens();
    expect((await run()).ok).toBe(true);
    expect((await coldRun()).ok).toBe(true);
    const bodies = tokenRequests(tenant).map(({ body }) => body);
    expect(bodies).toHaveLength(3);
    expect(new Set(bodies).size).toBe(3);
  });
});

describe('Certificate: what can not be used is said before anything is sent', () => {
  const NEW_PAIR = 'openssl req -x509 -newkey rsa:2048 -noenc';
  const CONVERT = 'openssl pkcs8 -topk8 -nocrypt -in key.pem -out key-pkcs8.pem';
  const EC_KEY = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg\n-----END EC PRIVATE KEY-----\n';
  const OLD_ENCRYPTED = PRIVATE_KEY_PKCS1_PEM.replace(
    'KEY-----\n',
    'KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n',
  );
  const cut = (pem: string) => pem.replace(/\n[^\n]+\n[^\n]+\n-----END/, '\n-----END');

  it.each<[string, Pair, string, string, string]>([
    ['a key in PKCS#1', { key: PRIVATE_KEY_PKCS1_PEM }, KEY, 'is PKCS#1', CONVERT],
    ['an encrypted key', { key: ENCRYPTED_PRIVATE_KEY_PEM }, KEY, 'is encrypted', CONVERT],
    ['a key encrypted in the old way', { key: OLD_ENCRYPTED }, KEY, 'is encrypted', CONVERT],
    [
      'a key of another pair',
      { key: OTHER_PRIVATE_KEY_PEM },
      KEY,
      `does not belong to ${CERTIFICATE}`,
      NEW_PAIR,
    ],
    [
      'a key of another size',
      { key: PRIVATE_KEY_4096_PEM },
      KEY,
      `does not belong to ${CERTIFICATE}`,
      NEW_PAIR,
    ],
    ['a key that is cut short', { key: cut(PRIVATE_KEY_PEM) }, KEY, 'is not a whole RSA key', NEW_PAIR],
    ['a key of another kind', { key: EC_KEY }, KEY, 'is not a PEM private key', NEW_PAIR],
    ['a key that is a certificate', { key: CERTIFICATE_PEM }, KEY, 'is not a PEM private key', NEW_PAIR],
    [
      'a certificate that is a key',
      { certificate: PRIVATE_KEY_PEM },
      CERTIFICATE,
      'is not a PEM certificate',
      NEW_PAIR,
    ],
    [
      'a certificate that is cut short',
      { certificate: cut(CERTIFICATE_PEM) },
      CERTIFICATE,
      'is not a PEM certificate',
      NEW_PAIR,
    ],
    [
      'a certificate of another kind of key',
      { certificate: EC_CERTIFICATE_PEM },
      KEY,
      `does not belong to ${CERTIFICATE}`,
      NEW_PAIR,
    ],
    [
      'a chain that begins with the certificate of somebody else',
      { certificate: CERTIFICATE_4096_PEM + CERTIFICATE_PEM },
      KEY,
      `does not belong to ${CERTIFICATE}`,
      NEW_PAIR,
    ],
    [
      'a certificate on the day of its end',
      { certificate: SHORT_CERTIFICATE_PEM, start: '2026-05-14T00:00:00Z' },
      CERTIFICATE,
      'expired on 2026-05-14. Make',
      NEW_PAIR,
    ],
    [
      'a certificate long expired',
      { certificate: SHORT_CERTIFICATE_PEM, start: '2027-01-01T00:00:00Z' },
      CERTIFICATE,
      'expired on 2026-05-14',
      NEW_PAIR,
    ],
    [
      'a certificate that is not valid yet',
      { certificate: SHORT_CERTIFICATE_PEM, start: '2026-03-31T23:58:00Z' },
      CERTIFICATE,
      'is not valid before 2026-04-01',
      NEW_PAIR,
    ],
  ])('%s', async (_, pair, setting, fault, command) => {
    const { tenant, run } = certified(pair);
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.lines).toMatchObject([{ severity: 'error', trouble: 'settings' }]);
    expect(ended.lines[0]?.message).toContain(`${setting} ${fault}`);
    expect(ended.lines[0]?.message).toContain(command);
    // Of the two, only the one that is at fault is said to be.
    expect(ended.text.match(/AZURE_AD_CLIENT_\w+ /g)).toHaveLength(1);
    expect(tenant.requests).toEqual([]);
    expect(ended.text).not.toMatch(/MII[A-Za-z0-9+/]{5}/);
  });

  it.each([
    [CERTIFICATE, KEY, 'key.pem'],
    [KEY, CERTIFICATE, 'certificate.pem'],
  ])('%s without the other, though a secret is set', async (_, missing, file) => {
    const { tenant, run, env } = certified();
    env['AZURE_AD_CLIENT_SECRET'] = tenant.ids.clientSecret;
    delete env[missing];
    const ended = await run();
    expect(ended.troubles).toEqual(['settings']);
    expect(ended.text).toContain(`${missing} is not set`);
    expect(ended.text).toContain(`npx wrangler secret put ${missing} < ${file}`);
    expect(tenant.requests).toEqual([]);
  });
});

describe('Certificate: its last two weeks', () => {
  const short = (start: string) =>
    certified({ certificate: SHORT_CERTIFICATE_PEM, registered: SHORT_CERTIFICATE_PEM, start });

  it.each([
    ['2026-04-30T00:00:01Z', 13],
    ['2026-05-04T03:00:00Z', 9],
    ['2026-05-13T23:50:00Z', 0],
  ])('bring a warning a run, with the command: at %s', async (start, days) => {
    const { run, expectInStep } = short(start);
    for (let runs = 0; runs < 2; runs += 1) {
      const ended = await run();
      expect(ended.ok).toBe(true);
      const warnings = ended.lines.filter(({ trouble }) => trouble === 'certificate-expires');
      expect(warnings).toMatchObject([{ severity: 'warn' }]);
      expect(warnings[0]?.message).toContain(`${CERTIFICATE} expires in less than ${days + 1} days`);
      expect(warnings[0]?.message).toContain('openssl req -x509 -newkey rsa:2048 -noenc');
    }
    expectInStep();
  });

  it.each(['2026-04-01T00:00:00Z', '2026-04-29T23:59:00Z'])('are not yet come at %s', async (start) => {
    const { run } = short(start);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).not.toContain('certificate-expires');
  });

  it('end also for an isolate that has read the certificate before', async () => {
    const { run } = short('2026-05-13T23:58:00Z');
    expect((await run()).ok).toBe(true);
    const ended = await run();
    expect(ended.troubles).toEqual(['settings']);
    expect(ended.text).toContain('expired on 2026-05-14');
  });

  it('do not concern who signs in with a secret', async () => {
    const { run } = scene({ clock: fakeClock('2026-05-13T00:00:00Z') });
    expect((await run()).troubles).not.toContain('certificate-expires');
  });
});

describe('Certificate: what a warm isolate remembers', () => {
  it('is the key, read once per isolate and not once per run', async () => {
    const { run } = certified();
    const memory: Memory = {};
    await run({ memory });
    const first = memory.certificate;
    expect(first?.credential.key.type).toBe('private');
    await run({ memory });
    expect(memory.certificate).toBe(first);
    expect(memory.certificate?.credential.key).toBe(first?.credential.key);
    const other: Memory = {};
    await run({ memory: other });
    expect(other.certificate?.credential.key).not.toBe(first?.credential.key);
  });

  it('is a key that can not be taken out again', async () => {
    const { run } = certified();
    const memory: Memory = {};
    await run({ memory });
    expect(memory.certificate?.credential.key.extractable).toBe(false);
  });

  it('is given up for another pair', async () => {
    const { tenant, run, env, coldRun } = certified();
    expect((await run()).ok).toBe(true);
    Object.assign(env, { [CERTIFICATE]: CERTIFICATE_4096_PEM, [KEY]: PRIVATE_KEY_4096_PEM });
    tenant.revokeTokens();
    // The tenant knows only the old certificate, so a sign-in with it would have been taken.
    expect((await run()).troubles).toEqual(['sign-in']);
    expect((await coldRun()).troubles).toEqual(['sign-in']);
    Object.assign(env, { [CERTIFICATE]: CERTIFICATE_PEM, [KEY]: PRIVATE_KEY_PEM });
    expect((await run()).ok).toBe(true);
  });
});

describe('Clouds: each is served on its own hosts only', () => {
  const CLOUDS: Cloud[] = ['global', 'usgov', 'dod'];

  it.each(CLOUDS)('%s, with a secret: sign-in, scope, Graph and every bind', async (cloud) => {
    const { tenant, run, expectInStep } = scene({ cloud, env: { AZURE_AD_CLOUD: cloud } });
    tenant.pageSizes = { riskyUsers: 2, members: 2 };
    for (const level of RISK_LEVELS) addRisky(tenant, level, 3);
    // One by one as well: that bind names the host in another place.
    tenant.bulkAddForbidden = true;
    expect((await run()).ok).toBe(true);
    tenant.bulkAddForbidden = false;
    addRisky(tenant, 'high', 3);
    tenant.dismiss(tenant.atRisk('low')[0] ?? '');
    expect((await run()).ok).toBe(true);
    expectInStep();
    const { login, graph } = HOSTS[cloud];
    for (const { url, path, body } of tenant.requests) {
      expect(new URL(url).host).toBe(path === '/token' ? login : graph);
      const text = decodeURIComponent(typeof body === 'string' ? body : JSON.stringify(body));
      const hosts = [...text.matchAll(/https:\/\/([^/"]+)/g)].map((match) => match[1]);
      expect(new Set([...hosts, graph])).toEqual(new Set([graph]));
    }
    expect(String(tokenRequests(tenant)[0]?.body)).toContain(
      new URLSearchParams({ scope: `https://${graph}/.default` }).toString(),
    );
  });

  it.each(CLOUDS)('%s, with a certificate', async (cloud) => {
    const { tenant, run, expectInStep } = scene({
      cloud,
      certificate: { pem: CERTIFICATE_PEM },
      env: { AZURE_AD_CLOUD: cloud, [CERTIFICATE]: CERTIFICATE_PEM, [KEY]: PRIVATE_KEY_PEM },
    });
    addRisky(tenant, 'medium', 1);
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it.each(CLOUDS.flatMap((set) => CLOUDS.filter((real) => real !== set).map((real) => [set, real] as const)))(
    'set to %s, a tenant of %s is not reached',
    async (set, real) => {
      const { tenant, run } = scene({ cloud: real, env: { AZURE_AD_CLOUD: set } });
      const elsewhere: string[] = [];
      const ended = await run({
        fetch: async (url, init) => {
          const { host } = new URL(url);
          if (host === HOSTS[real].login) return tenant.fetch(url, init);
          elsewhere.push(host);
          throw new Error('Network connection lost.');
        },
      });
      expect(ended.troubles).toEqual(['sign-in']);
      // The two clouds of the US government share their sign-in, which refuses the scope of the other.
      if (HOSTS[set].login === HOSTS[real].login) expect(ended.text).toContain('AADSTS70011');
      else expect(new Set(elsewhere)).toEqual(new Set([HOSTS[set].login]));
      expect(tenant.groups()).toEqual([]);
    },
  );

  it('that of China is refused with the reason', async () => {
    const { tenant, run } = scene({ env: { AZURE_AD_CLOUD: 'china' } });
    const ended = await run();
    expect(ended.text).toContain(
      'AZURE_AD_CLOUD cannot be china: Microsoft does not offer riskyUsers there.',
    );
    expect(tenant.requests).toEqual([]);
  });
});

describe('Token', () => {
  /** Three groups that are there already and one user in step, so that a run takes no time. */
  async function settled() {
    const here = scene();
    addGroups(here.tenant);
    addRisky(here.tenant, 'high', 1);
    expect((await here.run()).ok).toBe(true);
    expect(tokenRequests(here.tenant)).toHaveLength(1);
    return here;
  }
  const MINUTE = 60_000;

  it('is asked for once for a whole run', async () => {
    const { tenant, run } = scene();
    for (const level of RISK_LEVELS) addRisky(tenant, level, 50);
    expect((await run()).ok).toBe(true);
    expect(tokenRequests(tenant)).toHaveLength(1);
  });

  it('is kept until shortly before it expires', async () => {
    const { tenant, run, clock } = await settled();
    // It lasts 3599 seconds, five minutes of which are left out.
    await clock.advance(53 * MINUTE);
    expect((await run()).ok).toBe(true);
    expect(tokenRequests(tenant)).toHaveLength(1);
    expect((await run()).ok).toBe(true);
    expect(tokenRequests(tenant)).toHaveLength(2);
    expect((await run()).ok).toBe(true);
    expect(tokenRequests(tenant)).toHaveLength(2);
  });

  it('of two minutes is kept for half of them', async () => {
    const { tenant, run } = scene();
    tenant.tokenSeconds = 120;
    addGroups(tenant);
    addRisky(tenant, 'high', 1);
    expect((await run()).ok).toBe(true);
    expect(tokenRequests(tenant)).toHaveLength(1);
    expect((await run()).ok).toBe(true);
    expect(tokenRequests(tenant)).toHaveLength(2);
  });

  it('is not kept for an isolate that remembers nothing', async () => {
    const { tenant, coldRun } = await settled();
    expect((await coldRun()).ok).toBe(true);
    expect(tokenRequests(tenant)).toHaveLength(2);
  });

  it('is kept for ten minutes at most where its life is not told', async () => {
    const { tenant, run, clock } = scene();
    tenant.fault({
      on: /\/token/,
      give: faults.rewrite((body) => ({ ...Object(body), expires_in: undefined })),
    });
    addGroups(tenant);
    expect((await run()).ok).toBe(true);
    await clock.advance(3 * MINUTE);
    expect((await run()).ok).toBe(true);
    expect(tokenRequests(tenant)).toHaveLength(1);
    await clock.advance(6 * MINUTE);
    expect((await run()).ok).toBe(true);
    expect(tokenRequests(tenant)).toHaveLength(2);
  });

  it('is taken whatever the case of its type', async () => {
    const { tenant, run } = scene();
    tenant.fault({
      on: /\/token/,
      give: faults.rewrite((body) => ({ ...Object(body), token_type: 'bearer' })),
    });
    expect((await run()).ok).toBe(true);
  });

  it('that Graph refuses is dropped, and another is asked for, once for all requests under way', async () => {
    const { tenant, run, expectInStep } = await settled();
    tenant.revokeTokens();
    addRisky(tenant, 'low', 1);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expectInStep();
    expect(tokenRequests(tenant)).toHaveLength(2);
    // The new one is remembered.
    expect((await run()).ok).toBe(true);
    expect(tokenRequests(tenant)).toHaveLength(2);
  });

  it.each([
    ['that has been remembered', false],
    ['that this run asked for', true],
  ])(
    '%s, and that Graph refuses in the middle of a run, is replaced, and nothing is lost',
    async (_, cold) => {
      const { tenant, run, coldRun, expectInStep } = await settled();
      tenant.forgetRequests();
      addRisky(tenant, 'medium', 45);
      let patches = 0;
      tenant.before(({ method }) => {
        if (method !== 'PATCH') return;
        patches += 1;
        if (patches === 2) tenant.revokeTokens();
      });
      expect((await (cold ? coldRun() : run())).ok).toBe(true);
      expectInStep();
      expect(tokenRequests(tenant)).toHaveLength(cold ? 2 : 1);
    },
  );

  it('is asked for once more only: a second refusal ends it', async () => {
    const { tenant, run, expectInStep } = await settled();
    const fault = tenant.fault({ on: /^GET/, give: faults.status(401) });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.text).toContain('Graph answered 401 InvalidAuthenticationToken');
    expect(tokenRequests(tenant)).toHaveLength(2);
    expect(ended.requests).toBeLessThanOrEqual(6);
    fault.remove();
    tenant.revokeTokens();
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it('is asked for once more only, however many requests of the run are refused', async () => {
    const { tenant, run } = await settled();
    addRisky(tenant, 'high', 65);
    tenant.fault({ on: /^(PATCH|POST \/\$batch)/, give: faults.status(401) });
    const ended = await run();
    expect(ended.troubles).toContain('join-failed');
    expect(tokenRequests(tenant)).toHaveLength(2);
  });

  it('stays where it belongs: in one header to Graph', async () => {
    const { tenant, run } = scene();
    addRisky(tenant, 'high', 2);
    const seen = new Set<string>();
    await run({
      fetch: (url, init) => {
        const authorization = new Headers(init.headers).get('authorization');
        const { host } = new URL(url);
        seen.add(`${host} ${authorization?.split(' ')[0]}`);
        expect(url).not.toMatch(/eyJ|secret/i);
        return tenant.fetch(url, init);
      },
    });
    expect([...seen].sort()).toEqual(['graph.microsoft.com Bearer', 'login.microsoftonline.com undefined']);
    expect(tenant.members(NAMES.high)).toHaveLength(2);
  });
});
