/** The sign-in service: client credentials with a secret or a certificate (v2-oauth2-client-creds-grant-flow.md). */
import { checkAssertion } from './assertion';
import { expiredToken, signInRefusal as refused } from './errors';
import { type Answer, type Call, ok } from './exchange';
import { HOSTS, type World } from './world';

/** `certificate`: PEM of the one registered with the application. */
type Registration = Record<'tenantId' | 'clientId' | 'clientSecret', string> & { certificate: string | undefined };

/** A verified domain, which names the tenant as well as its id does. */
const DOMAIN = 'contoso.example';

export function createSignIn(registration: Registration, world: World) {
  const issued = new Map<string, { until: number; roles: readonly string[] }>();
  const usedAssertions = new Set<string>();
  const names = [registration.tenantId.toLowerCase(), DOMAIN];
  const graph = `https://${world.hosts.graph}`;

  async function answer(call: Call): Promise<Answer> {
    const isForm = /^application\/x-www-form-urlencoded\s*(;|$)/i.test(call.headers.get('content-type') ?? '');
    const form = new URLSearchParams(isForm ? call.text : '');
    const tenant = decodeURIComponent(new URL(call.href).pathname.split('/')[1] ?? '');
    if (!names.includes(tenant.toLowerCase())) throw refused(90002, `Tenant '${tenant}' not found.`);
    // teams-js#3121, certify#553
    if (HOSTS[world.homeCloud].login !== world.hosts.login) throw refused(900382, 'Cross Cloud request.');
    const grant = required(form, 'grant_type');
    if (grant !== 'client_credentials') throw refused(70003, `Unsupported grant type '${grant}'.`);
    const clientId = required(form, 'client_id');
    // Commercial-Marketplace-SaaS-Accelerator#748; other malformed ones are answered 700016.
    if (/^[0-]+$/.test(clientId)) throw refused(700038, `${clientId} is not a valid application identifier.`);
    if (clientId.toLowerCase() !== registration.clientId) throw refused(700016, `No application '${clientId}'.`);
    const scope = required(form, 'scope');
    if (scope !== `${graph}/.default`) throw refused(70011, `The scope ${scope} is not valid.`);
    await checkCredential(form);
    // entra: access-token-claims-reference.md. Microsoft asks clients not to read it; only the preview does, as a hint.
    // kubernetes#90351: consent given later is not in it.
    const { permissions: roles, tokenSeconds: life } = world;
    const payload = Buffer.from(JSON.stringify({ aud: graph, jti: world.newId(), roles })).toString('base64url');
    const token = `eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.${payload}.${world.newId()}`;
    issued.set(token, { until: world.clock.now() + life * 1000, roles });
    return ok({ token_type: 'Bearer', expires_in: life, ext_expires_in: life, access_token: token });
  }

  async function checkCredential(form: URLSearchParams): Promise<void> {
    const secret = form.get('client_secret');
    if (form.has('client_assertion')) {
      const audiences = names.map((name) => `https://${world.hosts.login}/${name}/oauth2/v2.0/token`);
      const now = world.clock.now() + world.signInClockAheadMs;
      const checked = checkAssertion(form, { ...registration, audiences, usedAssertions, now });
      // In Node cryptography happens on another thread.
      return world.clock.hold ? world.clock.hold(checked) : checked;
    }
    if (secret === null) throw refused(7000218, "'client_assertion' or 'client_secret' is missing.");
    // microsoft-graph-docs#17966: a new secret is refused so for 4 to 18 seconds
    if (secret !== registration.clientSecret || world.clock.now() < world.secretKnownFrom)
      throw refused(7000215, 'Invalid client secret provided.');
    if (world.secretExpired) throw refused(7000222, 'The provided client secret keys are expired.');
  }

  /** The permissions in the token. Throws unless the request carries one that was issued here and is still good. */
  function authorize(headers: Headers): readonly string[] {
    const [, token] = /^Bearer (\S+)$/.exec(headers.get('authorization') ?? '') ?? [];
    const known = issued.get(token ?? '');
    if (!known || world.clock.now() >= known.until) throw expiredToken();
    return known.roles;
  }

  return { answer, authorize, revoke: () => issued.clear() };
}

function required(form: URLSearchParams, name: string): string {
  const value = form.get(name);
  if (value) return value;
  throw refused(900144, `The request body must contain '${name}'.`);
}
