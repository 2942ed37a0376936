/** The token endpoint of the stand-in tenant: secrets, assertions, and the permissions in the token. */
import { createHash, X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import * as pems from './certificate';
import { type Probe, probe } from './probe';

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const code = (number: number) => ({ body: { error_codes: [number] } });

test('refuses what is not exactly a client credentials request, with the number of the documents', async () => {
  const { tenant, signIn, credentials } = probe();
  const { client_secret: secret = '', ...bare } = credentials;
  const raw = new URLSearchParams(credentials).toString();
  const unencoded = { body: `${raw.replace(/&client_secret=[^&]*/, '')}&client_secret=${secret}` };
  const scope = 'https://graph.microsoft.com/.default';
  const authorization = `Basic ${btoa(`${tenant.ids.clientId}:${encodeURIComponent(secret)}`)}`;
  const basic = { headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' } };
  const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(credentials) };
  for (const [status, number, form, init] of [
    [401, 7000215, { ...credentials, client_secret: encodeURIComponent(secret) }],
    [401, 7000215, {}, unencoded],
    [400, 700016, { ...credentials, client_id: 'nobody' }],
    [400, 70011, { ...credentials, scope: scope.replace('.com', '.us') }],
    [400, 70011, { ...credentials, scope: `${scope} offline_access` }],
    [400, 70003, { ...credentials, grant_type: 'password' }],
    [400, 900144, { ...credentials, client_id: '' }],
    [400, 900144, {}, json],
    [400, 9000411, {}, { body: `${raw}&client_id=${tenant.ids.clientId}` }],
    [401, 7000218, bare],
    [401, 7000218, credentials, basic],
  ] as const)
    expect(await signIn(form, init), JSON.stringify(form)).toMatchObject({ status, ...code(number) });
});

test('a token must be there, and issued here', async () => {
  const { send } = probe();
  for (const authorization of ['', 'Bearer ', 'Bearer eyJ0.made.up', 'Basic abc'])
    expect((await send('GET', '/groups', undefined, { headers: { authorization } })).status).toBe(401);
});

test.each([
  [[], ['GroupMember.Read.All'], 403],
  [['GroupMember.Read.All'], [], 200],
])('a token carries the permissions of its moment, %j, whatever they are later, %j', async (before, after, status) => {
  const { tenant, get, send } = probe({ permissions: before });
  await get('/groups');
  tenant.permissions = after;
  const requests = [{ id: '1', method: 'GET', url: '/groups' }];
  expect((await send('POST', '/$batch', { requests })).parts).toMatchObject([{ status }]);
  expect((await get('/groups')).status).toBe(status);
});

type Change = { key?: string; header?: object; claims?: object; tamper?: (jwt: string) => string };

/** Signs in with an assertion that is right but for what is changed. */
async function assert({ tenant, clock, signIn, credentials }: Probe, change: Change = {}) {
  const now = Math.floor(clock.now() / 1000);
  const { tenantId, clientId } = tenant.ids;
  const claims = {
    ...{ aud: `https://${tenant.hosts.login}/${tenantId}/oauth2/v2.0/token`, iss: clientId, sub: clientId },
    ...{ jti: crypto.randomUUID(), nbf: now, iat: now, exp: now + 600, ...change.claims },
  };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const { raw } = new X509Certificate(pems.CERTIFICATE_PEM);
  const thumbprint = createHash('sha256').update(raw).digest('base64url');
  const signed = `${part({ alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint, ...change.header })}.${part(claims)}`;
  const pem = (change.key ?? pems.PRIVATE_KEY_PEM).replaceAll(/-----.*-----|\s/g, '');
  const scheme = { name: 'RSA-PSS', hash: 'SHA-256', saltLength: 32 };
  const key = await crypto.subtle.importKey('pkcs8', Buffer.from(pem, 'base64'), scheme, false, ['sign']);
  const signature = await crypto.subtle.sign(scheme, key, Buffer.from(signed));
  const jwt = `${signed}.${Buffer.from(signature).toString('base64url')}`;
  const { client_secret: _, ...form } = credentials;
  return signIn({ ...form, client_assertion_type: TYPE, client_assertion: change.tamper?.(jwt) ?? jwt });
}

const registered = () => probe({ certificate: { pem: pems.CERTIFICATE_PEM } });

test('an assertion that is wrong in any one thing, or comes twice, is refused', async () => {
  const now = Date.parse('2026-05-04T03:00:00Z') / 1000;
  const cases: Record<number, Change[]> = {
    700027: [
      ...[{ header: { 'x5t#S256': undefined, x5t: 'abc' } }, { key: pems.OTHER_PRIVATE_KEY_PEM }],
      ...[{ header: { alg: 'RS256' } }, { header: { typ: undefined } }],
    ],
    700023: [{ claims: { aud: 'https://login.microsoftonline.us/x/oauth2/v2.0/token' } }],
    700021: [{ claims: { iss: 'someone' } }, { claims: { sub: 'someone' } }],
    700024: [
      ...[{ exp: now }, { exp: now + 601 }, { nbf: now + 60, exp: now + 120 }, { iat: now + 60 }, { nbf: undefined }],
      { exp: String(now + 300) },
    ].map((claims) => ({ claims })),
    50027: [...[{ claims: { jti: undefined } }, { tamper: () => 'nonsense' }, { tamper: (jwt: string) => `${jwt}.x` }]],
  };
  for (const [number, changes] of Object.entries(cases))
    for (const change of changes)
      expect(await assert(registered(), change), `${number} ${JSON.stringify(change)}`).toMatchObject({
        ...{ status: 401, code: 'invalid_client', ...code(Number(number)) },
      });
  const [once, claims] = [registered(), { jti: crypto.randomUUID() }];
  const statuses = [(await assert(once, { claims })).status, (await assert(once, { claims })).status];
  expect(statuses).toEqual([200, 401]);
});
