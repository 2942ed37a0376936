/** The sign-in service: client credentials with a secret or a certificate (v2-oauth2-client-creds-grant-flow.md). */
import { checkAssertion } from './assertion';
import { HOSTS } from './clouds';
import { expiredToken, noToken, SignInRefusal, unknownToken } from './errors';
import { type Answer, type Call, ok } from './exchange';
import type { World } from './world';

export interface Registration {
  tenantId: string;
  /** Verified domains, which name the tenant as well as its id does. */
  domains: readonly string[];
  clientId: string;
  clientSecret: string;
  /** PEM of the certificate registered with the application. */
  certificate: string | undefined;
}

export interface SignIn {
  answer(call: Call): Promise<Answer>;
  /** The permissions in the token. Throws unless the request carries one that was issued here and is still good. */
  authorize(headers: Headers): readonly string[];
  revoke(): void;
}

export function createSignIn(registration: Registration, world: World): SignIn {
  const issued = new Map<string, { until: number; roles: readonly string[] }>();
  const usedAssertions = new Set<string>();
  const names = [registration.tenantId, ...registration.domains].map((name) => name.toLowerCase());

  async function answer(call: Call): Promise<Answer> {
    const form = readForm(call);
    const tenant = decodeURIComponent(new URL(call.href).pathname.split('/')[1] ?? '');
    // (observed) facts 6.2
    if (!names.includes(tenant.toLowerCase()))
      throw new SignInRefusal(
        ...([400, 'invalid_request', 90002] as const),
        `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
      );
    const home = HOSTS[world.homeCloud];
    // (observed) teams-js#3121, certify#553
    if (home.login !== world.hosts.login)
      throw new SignInRefusal(
        ...([400, 'invalid_request', 900382] as const),
        'Confidential Client is not supported in Cross Cloud request.',
      );
    const grant = required(form, 'grant_type');
    // reference-error-codes.md
    if (grant !== 'client_credentials')
      throw new SignInRefusal(
        400,
        'unsupported_grant_type',
        70003,
        `The app requested an unsupported grant type '${grant}'.`,
      );
    const clientId = required(form, 'client_id');
    // (observed) Commercial-Marketplace-SaaS-Accelerator#748; other malformed ones are answered 700016.
    if (/^[0-]+$/.test(clientId))
      throw new SignInRefusal(
        ...([400, 'unauthorized_client', 700038] as const),
        `${clientId} is not a valid application identifier.`,
      );
    // (observed) facts 6.2
    if (clientId.toLowerCase() !== registration.clientId)
      throw new SignInRefusal(
        ...([400, 'unauthorized_client', 700016] as const),
        `Application with identifier '${clientId}' was not found in the directory 'Contoso'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`,
      );
    const scope = required(form, 'scope');
    // v2-oauth2-client-creds-grant-flow.md, error response
    if (scope !== `https://${world.hosts.graph}/.default`)
      throw new SignInRefusal(
        ...([400, 'invalid_scope', 70011] as const),
        `The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope ${scope} is not valid.`,
      );
    // (observed) microsoft/store-submission#18
    if (home.graph !== world.hosts.graph)
      throw new SignInRefusal(
        ...([400, 'invalid_resource', 500011] as const),
        `The resource principal named https://${world.hosts.graph} was not found in the tenant named Contoso. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.`,
      );
    await checkCredential(form);
    // entra: access-token-claims-reference.md. Microsoft asks clients not to read it; only the preview does, as a hint.
    const claims = { aud: `https://${world.hosts.graph}`, jti: world.newId(), roles: world.permissions };
    const payload = btoa(JSON.stringify(claims))
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replaceAll('=', '');
    const token = `eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.${payload}.${world.newId()}`;
    // access-token-claims-reference.md, roles; kubernetes#90351: consent given later is not in it.
    issued.set(token, { until: world.clock.now() + world.tokenSeconds * 1000, roles: world.permissions });
    const life = world.tokenSeconds;
    return ok({ token_type: 'Bearer', expires_in: life, ext_expires_in: life, access_token: token });
  }

  async function checkCredential(form: URLSearchParams): Promise<void> {
    const app = registration.clientId;
    const secret = form.get('client_secret');
    if (form.has('client_assertion')) {
      const audiences = names.map((name) => `https://${world.hosts.login}/${name}/oauth2/v2.0/token`);
      const now = world.clock.now() + world.signInClockAheadMs;
      const checked = checkAssertion(form, { ...registration, audiences, usedAssertions, now });
      // In Node cryptography happens on another thread.
      return world.clock.hold ? world.clock.hold(checked) : checked;
    }
    // (observed)
    if (secret === null)
      throw new SignInRefusal(
        ...([401, 'invalid_client', 7000218] as const),
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
      );
    // (observed) facts 6.2; microsoft-graph-docs#17966: a new secret is refused so for 4 to 18 seconds
    if (secret !== registration.clientSecret || world.clock.now() < world.secretKnownFrom)
      throw new SignInRefusal(
        ...([401, 'invalid_client', 7000215] as const),
        `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${app}'.`,
      );
    if (world.secretExpired)
      throw new SignInRefusal(
        ...([401, 'invalid_client', 7000222] as const),
        `The provided client secret keys for app '${app}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.`,
      );
  }

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
  const twice = [...form.keys()].some((name, index, names) => names.indexOf(name) !== index);
  // (observed)
  if (twice)
    throw new SignInRefusal(
      400,
      'invalid_request',
      9000411,
      'The request is not properly formatted. A parameter is duplicated.',
    );
  if (call.headers.has('authorization'))
    throw new SignInRefusal(
      401,
      'invalid_client',
      7000218,
      'Credentials are expected in the body, not in the header.',
    );
  return form;
}

/** (observed) */
function required(form: URLSearchParams, name: string): string {
  const value = form.get(name);
  if (value) return value;
  throw new SignInRefusal(
    400,
    'invalid_request',
    900144,
    `The request body must contain the following parameter: '${name}'.`,
  );
}
