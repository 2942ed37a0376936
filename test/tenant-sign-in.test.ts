/** The token endpoint of the stand-in tenant: secrets, assertions, and every way to be refused. */
import { createHash, X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import * as pems from './tenant/certificate';
import { type Probe, probe } from './tenant/probe';
import type { TenantOptions } from './tenant/tenant';

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

test('a token for the right secret, whatever is in it', async () => {
  for (const clientSecret of ['plain', '+ & = % / ~ space \u00fc', 'a+b&c=d%2Be/f~g h', '%zz', '\u{1F511}']) {
    const { signIn, credentials } = probe({ clientSecret });
    expect(await signIn(credentials)).toMatchObject({
      status: 200,
      body: {
        token_type: 'Bearer',
        expires_in: 3599,
        ext_expires_in: 3599,
        access_token: expect.any(String),
      },
    });
  }
});

test('the life of a token can be set; every token is another', async () => {
  const { tenant, signIn, credentials } = probe();
  tenant.tokenSeconds = 600;
  const [one, two] = [await signIn(credentials), await signIn(credentials)];
  expect(one.body).toMatchObject({ expires_in: 600 });
  expect(one.body).not.toEqual(two.body);
});

test('refusals are those of the documents, with their numbers', async () => {
  const { tenant, signIn, credentials } = probe();
  const { client_secret: _, ...bare } = credentials;
  const raw = new URLSearchParams(credentials).toString();
  const cases: [number, string, number, Record<string, string>, RequestInit?][] = [
    [401, 'invalid_client', 7000215, { ...credentials, client_secret: 'wrong' }],
    [
      401,
      'invalid_client',
      7000215,
      { ...credentials, client_secret: encodeURIComponent(tenant.ids.clientSecret) },
    ],
    [
      401,
      'invalid_client',
      7000215,
      {},
      { body: `${raw.replace(/&client_secret=[^&]*/, '')}&client_secret=${tenant.ids.clientSecret}` },
    ],
    [400, 'unauthorized_client', 700016, { ...credentials, client_id: 'nobody' }],
    [400, 'invalid_scope', 70011, { ...credentials, scope: 'https://graph.microsoft.us/.default' }],
    [400, 'invalid_scope', 70011, { ...credentials, scope: 'https://graph.microsoft.com/User.Read' }],
    [
      400,
      'invalid_scope',
      70011,
      { ...credentials, scope: 'https://graph.microsoft.com/.default offline_access' },
    ],
    [400, 'unsupported_grant_type', 70003, { ...credentials, grant_type: 'password' }],
    [400, 'invalid_request', 900144, { ...credentials, grant_type: '' }],
    [400, 'invalid_request', 900144, { ...credentials, client_id: '' }],
    [400, 'invalid_request', 900144, { ...credentials, scope: '' }],
    [
      400,
      'invalid_request',
      900144,
      {},
      { headers: { 'content-type': 'application/json' }, body: JSON.stringify(credentials) },
    ],
    [400, 'invalid_request', 900144, credentials, { headers: { 'content-type': 'text/plain' } }],
    [400, 'invalid_request', 9000411, {}, { body: `${raw}&client_id=${tenant.ids.clientId}` }],
    [401, 'invalid_client', 7000218, bare],
    [401, 'invalid_client', 7000218, bare, basic(tenant.ids)],
    [401, 'invalid_client', 7000218, credentials, basic(tenant.ids)],
  ];
  for (const [status, error, code, form, init] of cases) {
    const reply = await signIn(form, init);
    expect(reply, JSON.stringify(form)).toMatchObject({ status, code: error, body: { error_codes: [code] } });
    expect(reply.message).toMatch(
      new RegExp(`^AADSTS${code}: .*Trace ID: [0-9a-f-]{36} .*Timestamp: 2026-05-04 03:00:00Z$`),
    );
  }
  tenant.secretExpired = true;
  expect(await signIn(credentials)).toMatchObject({
    status: 401,
    code: 'invalid_client',
    message: expect.stringContaining(
      `AADSTS7000222: The provided client secret keys for app '${tenant.ids.clientId}' are expired.`,
    ),
  });
  expect(tenant.violations).toEqual([]);
});

function basic({ clientId, clientSecret }: { clientId: string; clientSecret: string }): RequestInit {
  const authorization = `Basic ${btoa(`${clientId}:${encodeURIComponent(clientSecret)}`)}`;
  return { headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' } };
}

test('the tenant goes by its id or a verified domain, and by nothing else', async () => {
  const { tenant, clock, credentials } = probe({ domains: ['fabrikam.example'] });
  const ask = async (name: string) => {
    const url = `https://login.microsoftonline.com/${name}/oauth2/v2.0/token`;
    const response = await clock.run(() =>
      tenant.fetch(url, { method: 'POST', body: new URLSearchParams(credentials) }),
    );
    return [response.status, await response.text()];
  };
  expect((await ask(tenant.ids.tenantId.toUpperCase()))[0]).toBe(200);
  expect((await ask('Fabrikam.example'))[0]).toBe(200);
  for (const name of ['contoso.example', 'common', '%20'])
    expect(await ask(name)).toEqual([400, expect.stringContaining('"error":"invalid_request"')]);
  expect((await ask('nowhere'))[1]).toContain("AADSTS90002: Tenant 'nowhere' not found.");
});

interface Signed {
  key?: string;
  certificate?: string;
  header?: object;
  claims?: object;
  saltLength?: number;
  form?: Record<string, string>;
  tamper?: (jwt: string) => string;
}

/** Signs in with an assertion that is right but for what is changed. */
async function assert({ tenant, clock, signIn, credentials }: Probe, change: Signed = {}) {
  const now = Math.floor(clock.now() / 1000);
  const der = new X509Certificate(change.certificate ?? pems.CERTIFICATE_PEM).raw;
  const thumbprint = createHash('sha256').update(der).digest('base64url');
  const { tenantId, clientId } = tenant.ids;
  const claims = {
    ...{ aud: `https://${tenant.hosts.login}/${tenantId}/oauth2/v2.0/token`, iss: clientId, sub: clientId },
    ...{ jti: crypto.randomUUID(), nbf: now, iat: now, exp: now + 600, ...change.claims },
  };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const header = { alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint, ...change.header };
  const signed = `${part(header)}.${part(claims)}`;
  const pkcs8 = Buffer.from(
    (change.key ?? pems.PRIVATE_KEY_PEM).replaceAll(/-----.*-----|\s/g, ''),
    'base64',
  );
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, { name: 'RSA-PSS', hash: 'SHA-256' }, false, [
    'sign',
  ]);
  const algorithm = { name: 'RSA-PSS', saltLength: change.saltLength ?? 32 };
  const signature = await crypto.subtle.sign(algorithm, key, new TextEncoder().encode(signed));
  const jwt = `${signed}.${Buffer.from(signature).toString('base64url')}`;
  const { client_secret: _, ...form } = credentials;
  return signIn({
    ...{ ...form, client_assertion_type: TYPE, client_assertion: change.tamper?.(jwt) ?? jwt },
    ...change.form,
  });
}

const registered = (pem = pems.CERTIFICATE_PEM): Partial<TenantOptions> => ({ certificate: { pem } });

test('a client assertion is taken in place of the secret, in every cloud, of either size of key', async () => {
  for (const cloud of ['global', 'usgov', 'dod'] as const)
    expect((await assert(probe({ cloud, ...registered() }))).status).toBe(200);
  const long = { certificate: pems.CERTIFICATE_4096_PEM, key: pems.PRIVATE_KEY_4096_PEM };
  expect((await assert(probe(registered(long.certificate)), long)).status).toBe(200);
  const short = probe(registered(pems.SHORT_CERTIFICATE_PEM));
  expect((await assert(short, { certificate: pems.SHORT_CERTIFICATE_PEM })).status).toBe(200);
  const byDomain = `https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token`;
  expect((await assert(probe(registered()), { claims: { aud: byDomain } })).status).toBe(200);
  expect((await probe(registered()).signIn(probe().credentials)).status).toBe(200);
});

test('an assertion that is wrong in any one thing is refused', async () => {
  const cut = (count: number) => (jwt: string) => jwt.split('.').slice(0, count).join('.');
  const now = Date.parse('2026-05-04T03:00:00Z') / 1000;
  const cases: [number, Signed][] = [
    [700027, { certificate: pems.CERTIFICATE_4096_PEM, key: pems.PRIVATE_KEY_4096_PEM }],
    [700027, { header: { 'x5t#S256': undefined, x5t: 'abc' } }],
    [700027, { key: pems.OTHER_PRIVATE_KEY_PEM }],
    [700027, { saltLength: 20 }],
    [700027, { header: { alg: 'RS256' } }],
    [700027, { header: { typ: undefined } }],
    [700027, { tamper: (jwt) => jwt.replace(/\.[^.]*$/, '.AAAA') }],
    [700027, { tamper: (jwt) => jwt.replace(/\.[^.]*$/, '.!') }],
    [700023, { claims: { aud: 'https://login.microsoftonline.us/x/oauth2/v2.0/token' } }],
    [700023, { claims: { aud: 'https://login.microsoftonline.com/contoso.example/v2.0' } }],
    [700021, { claims: { iss: 'someone' } }],
    [700021, { claims: { sub: 'someone' } }],
    [700024, { claims: { exp: now } }],
    [700024, { claims: { exp: now + 601 } }],
    [700024, { claims: { nbf: now + 60, exp: now + 120 } }],
    [700024, { claims: { iat: now + 60 } }],
    [700024, { claims: { nbf: undefined } }],
    [700024, { claims: { iat: undefined } }],
    [700024, { claims: { exp: String(now + 300) } }],
    [50027, { claims: { jti: undefined } }],
    [50027, { claims: { jti: 'first' } }],
    [50027, { form: { client_assertion_type: 'jwt-bearer' } }],
    [50027, { tamper: () => 'nonsense' }],
    [50027, { tamper: cut(1) }],
    [50027, { tamper: (jwt) => `${jwt}.x` }],
  ];
  for (const [code, change] of cases) {
    const reply = await assert(probe(registered()), change);
    expect(reply, JSON.stringify(change)).toMatchObject({
      status: 401,
      code: 'invalid_client',
      body: { error_codes: [code] },
    });
  }
  const unregistered = await assert(probe());
  expect(unregistered.message).toMatch(/^AADSTS700027: The certificate with identifier used to sign/);
});

test('an assertion is good once; a certificate only within its dates', async () => {
  const p = probe(registered());
  const jti = crypto.randomUUID();
  expect((await assert(p, { claims: { jti } })).status).toBe(200);
  expect(await assert(p, { claims: { jti } })).toMatchObject({ body: { error_codes: [50027] } });
  const short = probe(registered(pems.SHORT_CERTIFICATE_PEM));
  await short.clock.advance(10 * 86_400_000);
  expect(await assert(short, { certificate: pems.SHORT_CERTIFICATE_PEM })).toMatchObject({
    body: { error_codes: [700027] },
  });
});

test('the fixtures are what they say', async () => {
  const certificate = new X509Certificate(pems.CERTIFICATE_PEM);
  const short = new X509Certificate(pems.SHORT_CERTIFICATE_PEM);
  const spki = (of: X509Certificate) =>
    Buffer.from(of.publicKey.export({ type: 'spki', format: 'der' })).toString('hex');
  expect(spki(short)).toEqual(spki(certificate));
  expect([Date.parse(short.validFrom), Date.parse(short.validTo)]).toEqual([
    ...[Date.parse('2026-04-01'), Date.parse('2026-05-14')],
  ]);
  expect(Date.parse(certificate.validTo)).toBe(Date.parse('2126-01-01'));
  expect(pems.PRIVATE_KEY_PKCS1_PEM).toMatch(/^-----BEGIN RSA PRIVATE KEY-----\n/);
  expect(pems.ENCRYPTED_PRIVATE_KEY_PEM).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
  expect(pems.PRIVATE_KEY_4096_PEM.length).toBeLessThan(5_000);
});
