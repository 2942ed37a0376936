/** The access token for Graph: asked for by client credentials, kept until shortly before it expires. */
import * as oauth from 'oauth4webapi';
import * as v from 'valibot';
import type { Config, Credential } from './config';
import { OutOfTime, SignInError } from './errors';
import { type Http, parseJson, Unanswered } from './http';
import type { Io } from './io';

const TOKEN_MARGIN_SECONDS = 300;
/** Entra always says how long a token lives; this is for an answer that does not. */
const UNSTATED_LIFETIME_SECONDS = 600;
/** 5 to 10 minutes (learn.microsoft.com/entra/identity-platform/certificate-credentials). */
const ASSERTION_LIFETIME_SECONDS = 300;

/** Sent and read here: of the library only the proof who we are, because its own request and reading are large. */
const Granted = v.object({
  token_type: v.pipe(v.string(), v.regex(/^bearer$/i)),
  access_token: v.pipe(v.string(), v.regex(/./)),
  expires_in: v.optional(v.number(), UNSTATED_LIFETIME_SECONDS),
});
type Granted = v.InferOutput<typeof Granted>;
const Refused = v.object({ error_codes: v.array(v.number()) });

/** What a warm isolate remembers: plain data, so that no run depends on another's I/O. */
export interface TokenMemory {
  token?: { value: string; renewAfterMilliseconds: number } | undefined;
}

export interface TokenSource {
  /** A token that is not about to expire. Throws SignInError, OutOfTime. */
  get(): Promise<string>;
  /** Another token in place of one that Graph refused; undefined if this run has already been given another. */
  replace(refused: string): Promise<string | undefined>;
}

/** Client credentials flow, learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow. */
export function createTokenSource(config: Config, http: Http, io: Io, memory: TokenMemory): TokenSource {
  let pending: Promise<string> | undefined;
  let replaced = false;

  async function ask(): Promise<string> {
    const { access_token: value, expires_in } = await requestToken(config, http, io).catch((cause) => {
      if (cause instanceof Unanswered) throw new SignInError(undefined, [], { cause });
      // Otherwise the log would send the administrator after whoever keeps Graph busy.
      throw cause instanceof OutOfTime && cause.throttled ? new SignInError(429, [], { cause }) : cause;
    });
    const usableSeconds = expires_in - Math.min(TOKEN_MARGIN_SECONDS, expires_in / 2);
    memory.token = { value, renewAfterMilliseconds: io.now() + usableSeconds * 1_000 };
    return value;
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

async function requestToken(config: Config, http: Http, io: Io): Promise<Granted> {
  const tokenEndpoint = `${config.cloud.loginOrigin}/${config.tenantId}/oauth2/v2.0/token`;
  const scope = `${config.cloud.graphOrigin}/.default`;
  const form = new URLSearchParams({ grant_type: 'client_credentials', scope });
  const headers = new Headers({ 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' });
  const authenticate = clientAuthentication(config.credential, tokenEndpoint, io);
  await authenticate({ issuer: config.cloud.loginOrigin }, { client_id: config.clientId }, form, headers);
  const answer = await http.send(tokenEndpoint, { method: 'POST', headers, body: form.toString() });
  const body = parseJson(answer.text);
  const granted = v.safeParse(Granted, body);
  if (answer.status === 200 && granted.success) return granted.output;
  const refused = v.safeParse(Refused, body);
  throw new SignInError(answer.status, refused.success ? refused.output.error_codes : []);
}

function clientAuthentication(credential: Credential, audience: string, io: Io): oauth.ClientAuth {
  if (credential.kind === 'secret') return oauth.ClientSecretPost(credential.secret);
  return oauth.PrivateKeyJwt(credential.key, {
    [oauth.modifyAssertion](header, payload) {
      const now = Math.floor(io.now() / 1_000);
      Object.assign(header, { typ: 'JWT', 'x5t#S256': credential.thumbprint });
      const times = { nbf: now, iat: now, exp: now + ASSERTION_LIFETIME_SECONDS };
      // Entra asks for a GUID; the library's own `jti` is none.
      Object.assign(payload, { aud: audience, jti: crypto.randomUUID(), ...times });
    },
  });
}
