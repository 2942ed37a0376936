/** What is Graph's own between `fetch` and the routes: paths, headers, and refusals as answers. */
import { GraphRefusal, malformed, SignInRefusal } from './errors';
import type { Answer, Call } from './exchange';
import { isGuid } from './guids';
import type { World } from './world';

const TOKEN_PATH = /^\/[^/]+\/oauth2\/v2\.0\/token$/;

export function placeOf({ host, pathname }: URL, world: World): Pick<Call, 'path' | 'login' | 'requestId'> {
  const login = host === world.hosts.login;
  // A path of another version fits no route.
  const path = login ? pathname.replace(TOKEN_PATH, '/token') : pathname.replace(/^\/v1\.0(?=\/)/, '');
  return { path, login, requestId: world.newId() };
}

export const headersOf = ({ requestId, headers }: Call, world: World) => ({
  date: new Date(world.clock.now()).toUTCString(),
  'request-id': requestId,
  'client-request-id': headers.get('client-request-id') ?? requestId,
});

/** concepts/best-practices-concept.md: the caller's own id is a GUID. The refusal is inferred. */
export function checkClientRequestId(headers: Headers): void {
  const id = headers.get('client-request-id');
  if (id !== null && !isGuid(id)) throw malformed('client-request-id is not a GUID.');
}

/** The answer of `work`; only what no service would answer (a broken connection, an unexpected request) is thrown on. */
export async function settled(call: Call, world: World, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SignInRefusal)
      return { status: error.status, headers: {}, body: signInError(call, world, error.error, error.message) };
    if (!(error instanceof GraphRefusal)) throw error;
    const { status, headers, code, message } = error;
    if (!call.login) return { status, headers, body: graphError(call, world, error) };
    // A scripted fault may name the error word itself; the usual one is RFC 6749's.
    const word = /^[a-z_]+$/.test(code) ? code : 'temporarily_unavailable';
    return { status, headers, body: signInError(call, world, word, message) };
  }
}

/** concepts/errors.md: `innerError` carries the ids that support asks for. */
function graphError(call: Call, world: World, { code, message }: GraphRefusal): object {
  const innerError = {
    date: new Date(world.clock.now()).toISOString().slice(0, 19),
    'request-id': call.requestId,
    'client-request-id': call.headers.get('client-request-id') ?? call.requestId,
  };
  return { error: { code, message, innerError } };
}

/** v2-oauth2-client-creds-grant-flow.md, error response. */
function signInError({ requestId: id }: Call, world: World, error: string, message: string): object {
  const timestamp = `${new Date(world.clock.now()).toISOString().slice(0, 19).replace('T', ' ')}Z`;
  const code = Number(/^AADSTS(\d+)/.exec(message)?.[1] ?? 0);
  return {
    error,
    error_description: `${message} Trace ID: ${id} Correlation ID: ${id} Timestamp: ${timestamp}`,
    error_codes: code === 0 ? [] : [code],
    ...{ timestamp, trace_id: id, correlation_id: id },
    error_uri: `https://${world.hosts.login}/error?code=${code}`,
  };
}
