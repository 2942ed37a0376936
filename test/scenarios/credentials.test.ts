/** Certificate and secret, the clouds, and the token: asked for seldom, and never where it does not belong. */
import { describe, expect, it } from 'vitest';
import { RISK_LEVELS } from '../../src/plan';
import { CERTIFICATE_PEM, PRIVATE_KEY_PEM } from '../tenant/certificate';
import * as faults from '../tenant/faults';
import { addGroups, addRisky, ON, scene, sentTo } from './scene';

const KEYS = { AZURE_AD_CLIENT_CERTIFICATE: CERTIFICATE_PEM, AZURE_AD_CLIENT_PRIVATE_KEY: PRIVATE_KEY_PEM };
const PAIR = { AZURE_AD_CLIENT_SECRET: '', ...KEYS };

it.each([
  ['and not a secret, where both are set', { AZURE_AD_CLIENT_SECRET: 'of no matter' }],
  ['of a tenant by its domain', { AZURE_AD_TENANT_ID: 'Contoso.example' }],
])('Certificate: the tenant takes the assertion %s', async (_, more) => {
  const { runInSync, tenant } = scene({ certificate: { pem: CERTIFICATE_PEM }, env: { ...PAIR, ...more } });
  addRisky(tenant, 'high', 1);
  expect((await runInSync()).text).not.toContain('AZURE_AD');
  const [sent] = sentTo(tenant, ON.token);
  expect(String(sent?.body)).toMatch(/^(?!.*client_secret).*client_assertion=/);
  // It takes none a second time.
  tenant.revokeTokens();
  await runInSync();
});

it.each([
  ['global', PAIR],
  ['usgov', PAIR],
  ['dod', {}],
] as const)('Clouds: %s is served on its own hosts only, or the tenant would refuse', async (cloud, pair) => {
  const options = { cloud, certificate: { pem: CERTIFICATE_PEM }, env: { AZURE_AD_CLOUD: cloud, ...pair } };
  const { runInSync, tenant, run } = scene(options);
  tenant.pageSizes = { riskyUsers: 2, members: 2, groups: 1, emptyPages: true };
  for (const level of RISK_LEVELS) addRisky(tenant, level, 3);
  expect((await run()).ok).toBe(true);
  tenant.dismiss(tenant.atRisk('low')[0] ?? '');
  await runInSync();
});

describe('Token', () => {
  /** Three groups that are there already and one user in sync, so that a run takes no time. */
  async function ready() {
    const here = scene();
    addGroups(here.tenant);
    addRisky(here.tenant, 'high', 1);
    expect((await here.run()).ok).toBe(true);
    return here;
  }

  it.each([
    ['until shortly before it expires', 3_599, 54],
    ['for half of a short life', 250, 2],
    ['for five minutes where its life is not told', undefined, 4],
  ])('is kept %s, whatever the case of its type', async (_, seconds, minutes) => {
    const { tenant, run, clock } = scene();
    addGroups(tenant);
    const life = (body: unknown) => ({ ...Object(body), token_type: 'bearer', expires_in: seconds });
    tenant.tokenSeconds = seconds ?? tenant.tokenSeconds;
    tenant.fault({ on: ON.token, give: faults.rewrite(life) });
    expect((await run()).ok).toBe(true);
    // The next run is at the next full minute.
    await clock.advance((minutes - 1) * 60_000);
    for (const asked of [1, 2]) {
      expect((await run()).ok).toBe(true);
      expect(sentTo(tenant, ON.token)).toHaveLength(asked);
    }
  });

  it('that Graph refuses is dropped, and another is asked for, once for all requests under way', async () => {
    const { runInSync, tenant, run } = await ready();
    tenant.revokeTokens();
    addRisky(tenant, 'low', 1);
    await runInSync();
    // The new one is remembered.
    expect((await run()).ok).toBe(true);
    expect(sentTo(tenant, ON.token)).toHaveLength(2);
  });

  it('that this run asked for, and that Graph refuses in the middle of it, is replaced, and nothing is lost', async () => {
    const { runInSync, tenant } = await ready();
    addRisky(tenant, 'medium', 45);
    tenant.before(() => {
      if (sentTo(tenant, ON.batch).length === 2 && sentTo(tenant, ON.token).length === 2) tenant.revokeTokens();
    });
    await runInSync({ cache: {} });
    expect(sentTo(tenant, ON.token)).toHaveLength(3);
  });
});
