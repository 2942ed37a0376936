/** The sign-in service: client credentials with a secret or a certificate (v2-oauth2-client-creds-grant-flow.md). */
import { checkAssertion } from './assertion';
import { HOSTS } from './clouds';
import { expiredToken, noToken, SignInRefusal, unknownToken } from './errors';
import { type Answer, type Call, ok } from './exchange';
import type { Tenant } from './tenant';
import type { World } from './world';

/** `certificate`: PEM of the one registered with the application. */
type Registration = Tenant['ids'] & { certificate: string | undefined };

/** A verified domain, which names the tenant as well as its id does. */
const DOMAIN = 'contoso.example';

/** By number of the AADSTS error, cut short; % stands for what the request said. All but where noted (observed), facts 6.2. */
const TEXTS: Record<number, string> = {
  90002: "Tenant '%' not found. Check to make sure you have the correct tenant ID and the correct cloud.",
  // teams-js#3121, certify#553
  900382: 'Confidential Client is not supported in Cross Cloud request.',
  900144: "The request body must contain the following parameter: '%'.",
  9000411: 'The request is not properly formatted. A parameter is duplicated.',
  // reference-error-codes.md
  70003: "The app requested an unsupported grant type '%'.",
  // Commercial-Marketplace-SaaS-Accelerator#748; other malformed ones are answered 700016.
  700038: '% is not a valid application identifier.',
  700016: "Application with identifier '%' was not found in the directory 'Contoso'.",
  // v2-oauth2-client-creds-grant-flow.md, error response
  70011: "The provided value for the input parameter 'scope' is not valid. The scope % is not valid.",
  // microsoft/store-submission#18
  500011: 'The resource principal named % was not found in the tenant named Contoso.',
  7000218: "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
  7000215: "Invalid client secret provided for app '%': ensure that it is the secret value, not the secret ID.",
  7000222: "The provided client secret keys for app '%' are expired. Visit the Azure portal to create new keys.",
};

function refused(code: number, said = ''): SignInRefusal {
  return new SignInRefusal(
    code,
    (TEXTS[code] ?? '').replace('%', () => said),
  );
}

export function createSignIn(registration: Registration, world: World) {
  const issued = new Map<string, { until: number; roles: readonly string[] }>();
  const usedAssertions = new Set<string>();
  const names = [registration.tenantId.toLowerCase(), DOMAIN];
  const graph = `https://${world.hosts.graph}`;

  async function answer(call: Call): Promise<Answer> {
    const form = readForm(call);
    const tenant = decodeURIComponent(new URL(call.href).pathname.split('/')[1] ?? '');
    if (!names.includes(tenant.toLowerCase())) throw refused(90002, tenant);
    const home = HOSTS[world.homeCloud];
    if (home.login !== world.hosts.login) throw refused(900382);
    const grant = required(form, 'grant_type');
    if (grant !== 'client_credentials') throw refused(70003, grant);
    const clientId = required(form, 'client_id');
    if (/^[0-]+$/.test(clientId)) throw refused(700038, clientId);
    if (clientId.toLowerCase() !== registration.clientId) throw refused(700016, clientId);
    const scope = required(form, 'scope');
    if (scope !== `${graph}/.default`) throw refused(70011, scope);
    if (home.graph !== world.hosts.graph) throw refused(500011, graph);
    await checkCredential(form);
    // entra: access-token-claims-reference.md. Microsoft asks clients not to read it; only the preview does, as a hint.
    const claims = { aud: graph, jti: world.newId(), roles: world.permissions };
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
    const token = `eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.${payload}.${world.newId()}`;
    // access-token-claims-reference.md, roles; kubernetes#90351: consent given later is not in it.
    issued.set(token, { until: world.clock.now() + world.tokenSeconds * 1000, roles: world.permissions });
    const life = world.tokenSeconds;
    return ok({ token_type: 'Bearer', expires_in: life, ext_expires_in: life, access_token: token });
  }

  async function checkCredential(form: URLSearchParams): Promise<void> {
    const { clientId, clientSecret } = registration;
    const secret = form.get('client_secret');
    if (form.has('client_assertion')) {
      const audiences = names.map((name) => `https://${world.hosts.login}/${name}/oauth2/v2.0/token`);
      const now = world.clock.now() + world.signInClockAheadMs;
      const checked = checkAssertion(form, { ...registration, audiences, usedAssertions, now });
      // In Node cryptography happens on another thread.
      return world.clock.hold ? world.clock.hold(checked) : checked;
    }
    if (secret === null) throw refused(7000218);
    // microsoft-graph-docs#17966: a new secret is refused so for 4 to 18 seconds
    if (secret !== clientSecret || world.clock.now() < world.secretKnownFrom) throw refused(7000215, clientId);
    if (world.secretExpired) throw refused(7000222, clientId);
  }

  /** The permissions in the token. Throws unless the request carries one that was issued here and is still good. */
  function authorize(headers: Headers): readonly string[] {
    const [, token] = /^Bearer (\S+)$/.exec(headers.get('authorization') ?? '') ?? [];
    if (!token) throw noToken();
    const known = issued.get(token);
    if (!known) throw unknownToken();
    if (world.clock.now() >= known.until) throw expiredToken();
    return known.roles;
  }

  return { answer, authorize, revoke: () => issued.clear() };
}

/** The body as a form. Entra would take HTTP Basic, too, but this Worker sends its secret in the body (client_secret_post). */
function readForm(call: Call): URLSearchParams {
  const isForm = /^application\/x-www-form-urlencoded\s*(;|$)/i.test(call.headers.get('content-type') ?? '');
  const form = new URLSearchParams(isForm ? call.text : '');
  if (new Set(form.keys()).size < [...form.keys()].length) throw refused(9000411);
  if (call.headers.has('authorization'))
    throw new SignInRefusal(7000218, 'Credentials are expected in the body, not in the header.');
  return form;
}

function required(form: URLSearchParams, name: string): string {
  const value = form.get(name);
  if (value) return value;
  throw refused(900144, name);
}
