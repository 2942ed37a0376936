/** Both stand-ins behind one `fetch`, as the Worker sees the world. */
import { CLOUDFLARE_HOST, type Cloudflare } from './cloudflare/cloudflare';
import type { Fetch } from './front-door';
import type { Tenant } from './tenant';

/** Cloudflare's host goes to Cloudflare if there is one; everything else to the tenant, which refuses other hosts. */
export function bothAs(client: string, tenant: Tenant, cloudflare: Cloudflare | undefined): Fetch {
  const entra = tenant.client(client);
  const lists = cloudflare?.client(client) ?? entra;
  return (input, init) => {
    const { host } = new URL(input instanceof Request ? input.url : input);
    return (host === CLOUDFLARE_HOST ? lists : entra)(input, init);
  };
}

/** The settings of a Worker that belongs to the tenant, and of the account if there is one. */
export const settingsFor = ({ ids }: Tenant, cloudflare?: Cloudflare): Record<string, string> => ({
  AZURE_AD_TENANT_ID: ids.tenantId,
  AZURE_AD_CLIENT_ID: ids.clientId,
  AZURE_AD_CLIENT_SECRET: ids.clientSecret,
  ...(cloudflare && {
    CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID: cloudflare.accountId,
    CLOUDFLARE_ZERO_TRUST_API_TOKEN: cloudflare.token,
  }),
});
