/** The access token for Graph: asked for by client credentials, kept until shortly before it expires. */
import * as oauth from 'oauth4webapi';
import * as v from 'valibot';
import type { Config, Credential } from './config';
import { SignInError } from './errors';
import type { Http } from './http';
import type { Io } from './io';

const TOKEN_MARGIN_SECONDS = 300;
/** Entra always says how long a token lives; this is for an answer that does not. */
const UNSTATED_LIFETIME_SECONDS = 600;
/** 5 to 10 minutes (learn.microsoft.com/entra/identity-platform/certificate-credentials). */
const ASSERTION_LIFETIME_SECONDS = 300;

/** What a warm isolate remembers: plain data, so that no run depends on another's I/O. */
export interface TokenMemory {
  token?: { value: string; renewAfterMilliseconds: number } | undefined;
}

export interface TokenSource {
  /** A token that is not about to expire. Throws SignInError, or what Http throws. */
  get(): Promise<string>;
  /** Another token in place of one that Graph refused; undefined if this run has already been given another. */
  replace(refused: string): Promise<string | undefined>;
}

/** Client credentials flow, learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow. */
export function createTokenSource(config: Config, http: Http, io: Io, memory: TokenMemory): TokenSource {
  let pending: Promise<string> | undefined;
  let replaced = false;

  async function ask(): Promise<string> {
    const answer = await requestToken(config, http, io);
    const lifetimeSeconds = answer.expires_in ?? UNSTATED_LIFETIME_SECONDS;
    const renewAfterMilliseconds = io.now() + (lifetimeSeconds - TOKEN_MARGIN_SECONDS) * 1_000;
    memory.token = { value: answer.access_token, renewAfterMilliseconds };
    return answer.access_token;
  }

  async function get(): Promise<string> {
    if (memory.token && io.now() < memory.token.renewAfterMilliseconds) return memory.token.value;
    pending ??= ask().finally(() => {
      pending = undefined;
    });
    return pending;
  }

  return {
    get,
    async replace(refused) {
      if (memory.token?.value === refused) {
        if (replaced) return undefined;
        replaced = true;
        memory.token = undefined;
      }
      return get();
    },
  };
}

async function requestToken(config: Config, http: Http, io: Io): Promise<oauth.TokenEndpointResponse> {
  const tokenEndpoint = `${config.cloud.loginOrigin}/${config.tenantId}/oauth2/v2.0/token`;
  const server: oauth.AuthorizationServer = {
    issuer: config.cloud.loginOrigin,
    token_endpoint: tokenEndpoint,
  };
  const client: oauth.Client = { client_id: config.clientId };
  let status: number | undefined;

  const sendWithRetry = async (url: string, init: oauth.CustomFetchOptions<'POST', URLSearchParams>) => {
    const answer = await http.send(url, {
      method: init.method,
      headers: init.headers,
      body: init.body.toString(),
    });
    status = answer.status;
    // Only the status and the body matter; a challenge header would hide Entra's error numbers.
    const headers = { 'content-type': answer.headers.get('content-type') ?? '' };
    const hasBody = status === 200 || status >= 400;
    return new Response(hasBody ? answer.text : null, { status, headers });
  };

  try {
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      clientAuthentication(config.credential, tokenEndpoint, io),
      { scope: `${config.cloud.graphOrigin}/.default` },
      { [oauth.customFetch]: sendWithRetry },
    );
    return await oauth.processClientCredentialsResponse(server, client, response);
  } catch (cause) {
    if (status === undefined) throw cause;
    throw new SignInError(status, errorNumbers(cause), { cause });
  }
}

function clientAuthentication(credential: Credential, audience: string, io: Io): oauth.ClientAuth {
  if (credential.kind === 'secret') return oauth.ClientSecretPost(credential.secret);
  return oauth.PrivateKeyJwt(credential.key, {
    [oauth.modifyAssertion](header, payload) {
      const now = Math.floor(io.now() / 1_000);
      Object.assign(header, { typ: 'JWT', 'x5t#S256': credential.thumbprint });
      Object.assign(payload, { aud: audience, nbf: now, iat: now, exp: now + ASSERTION_LIFETIME_SECONDS });
    },
  });
}

const ErrorNumbers = v.object({ error_codes: v.array(v.number()) });

function errorNumbers(error: unknown): number[] {
  const body = error instanceof oauth.ResponseBodyError ? v.safeParse(ErrorNumbers, error.cause) : undefined;
  return body?.success ? body.output.error_codes : [];
}
