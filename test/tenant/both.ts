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
