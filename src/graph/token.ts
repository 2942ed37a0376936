/** The access token for Graph: asked for by client credentials, kept until shortly before it expires. */
import * as oauth from 'oauth4webapi';
import * as v from 'valibot';
import type { Config, Credential } from '../config/config';
import type { Context } from '../context';
import { SignInError } from '../errors';
import type { Http } from '../http/http';
import type { Io } from '../io';
import { parserOf, type TokenSource, understand } from './graph';

const MARGIN_SECONDS = 300;
/** Entra always says how long a token lives; this is for an answer that does not. */
const UNSTATED_LIFETIME_SECONDS = 600;
/** 5 to 10 minutes (learn.microsoft.com/entra/identity-platform/certificate-credentials). */
const ASSERTION_LIFETIME_SECONDS = 300;

/** Sent and read here: of the library only the proof who we are, because its own request and reading are large. */
const grantedOf = parserOf(
  v.object({
    token_type: v.pipe(v.string(), v.regex(/^bearer$/i)),
    access_token: v.pipe(v.string(), v.nonEmpty()),
    expires_in: v.optional(v.number(), UNSTATED_LIFETIME_SECONDS),
  }),
);
const refusedOf = parserOf(v.object({ error_codes: v.array(v.number()) }));

/** Client credentials flow, learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow. */
export function createTokenSource({ config, io, log, cache, endMs }: Omit<Context, 'graph'>, http: Http): TokenSource {
  let current = cache.token && io.now() < cache.token.renewAfterMs ? cache.token.value : undefined;
  let asked: Promise<string> | undefined;
  let replaced: Promise<string | undefined> | undefined;
  let isRefused = false;

  async function ask(): Promise<string> {
    const { access_token: value, expires_in } = await requestToken(config, http, io, endMs);
    const usableSeconds = expires_in - Math.min(MARGIN_SECONDS, expires_in / 2);
    cache.token = { value, renewAfterMs: io.now() + usableSeconds * 1_000 };
    current = value;
    return value;
  }

  const first = () => (asked ??= ask());
  return {
    get: async () => current ?? first(),
    async replace(refused) {
      replaced ??= ask().catch((error: unknown) => {
        if (!(error instanceof SignInError)) throw error;
        isRefused = true;
        cache.token = undefined;
        log.fail('sign-in', { error });
        return undefined;
      });
      const other = await replaced;
      return other === refused ? undefined : other;
    },
    isRefused: () => isRefused,
    forget: () => delete cache.token,
  };
}

async function requestToken(config: Config, http: Http, io: Io, untilMs: number) {
  const { AZURE_AD_TENANT_ID: tenantId, AZURE_AD_CLIENT_ID: clientId, AZURE_AD_CLOUD: cloud, credential } = config;
  const url = `${cloud.loginOrigin}/${tenantId}/oauth2/v2.0/token`;
  const form = new URLSearchParams({ grant_type: 'client_credentials', scope: `${cloud.graphOrigin}/.default` });
  const authenticate = clientAuthentication(credential, url, io);
  await authenticate({ issuer: cloud.loginOrigin }, { client_id: clientId }, form, new Headers());
  const headers = { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' };
  const response = await http.send({ method: 'POST', url, headers, body: form.toString() }, { untilMs });
  const granted = response.status === 200 ? grantedOf(response.body) : undefined;
  if (granted) return granted;
  throw new SignInError({ ...understand(response).trace, aadsts: refusedOf(response.body)?.error_codes });
}

function clientAuthentication(credential: Credential, audience: string, io: Io): oauth.ClientAuth {
  if (credential.kind === 'secret') return oauth.ClientSecretPost(credential.secret);
  return oauth.PrivateKeyJwt(credential.key, {
    [oauth.modifyAssertion](header, payload) {
      const now = Math.floor(io.now() / 1_000);
      Object.assign(header, { typ: 'JWT', 'x5t#S256': credential.thumbprint });
      // Entra asks for a GUID; the library's own `jti` is none.
      const jti = crypto.randomUUID();
      Object.assign(payload, { aud: audience, jti, nbf: now, iat: now, exp: now + ASSERTION_LIFETIME_SECONDS });
    },
  });
}
