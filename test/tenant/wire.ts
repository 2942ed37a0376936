/** What is Graph's own between `fetch` and the routes: paths, and refusals as answers. */
import { GraphRefusal } from './errors';
import type { Answer, Call } from './exchange';
import type { World } from './world';

const TOKEN_PATH = /^\/[^/]+\/oauth2\/v2\.0\/token$/;

export function placeOf({ host, pathname }: URL, world: World): Pick<Call, 'path' | 'login' | 'requestId'> {
  const login = host === world.hosts.login;
  // A path of another version fits no route.
  const path = login ? pathname.replace(TOKEN_PATH, '/token') : pathname.replace(/^\/v1\.0(?=\/)/, '');
  return { path, login, requestId: world.newId() };
}

/** The answer of `work`; only what no service would answer (a broken connection, an unexpected request) is thrown on. */
export async function settled(call: Call, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GraphRefusal)) throw error;
    const { status, headers } = error;
    return { status, headers, body: call.login ? signInError(call, error) : graphError(call, error) };
  }
}

/** concepts/errors.md: `innerError` carries the ids that support asks for. */
function graphError({ requestId: id }: Call, { code, message }: GraphRefusal): object {
  return { error: { code, message, innerError: { 'request-id': id, 'client-request-id': id } } };
}

/** v2-oauth2-client-creds-grant-flow.md, error response. */
function signInError({ requestId: id }: Call, { code, message }: GraphRefusal): object {
  // A scripted fault may give only a status; the usual word is RFC 6749's.
  const error = /^[a-z_]+$/.test(code) ? code : 'temporarily_unavailable';
  const error_codes = [...message.matchAll(/^AADSTS(\d+)/g)].map(([, number]) => Number(number));
  return { error, error_description: `${message} Trace ID: ${id}`, error_codes, trace_id: id, correlation_id: id };
}
