/** Turns what a route threw into the answer that Graph or the sign-in service would give. */
import { GraphRefusal, SignInRefusal } from './errors';
import type { Answer, Call } from './exchange';
import type { World } from './world';

/** The answer of `work`; only what no service would answer (a broken connection, an unexpected request) is thrown on. */
export async function settled(call: Call, world: World, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SignInRefusal)
      return signInError(call, world, error.status, {}, error.error, error.message);
    if (!(error instanceof GraphRefusal)) throw error;
    if (!call.login) return graphError(call, world, error);
    // A scripted fault may name the error word itself; the usual one is RFC 6749's.
    const word = /^[a-z_]+$/.test(error.code) ? error.code : 'temporarily_unavailable';
    return signInError(call, world, error.status, error.headers, word, error.message);
  }
}

/** concepts/errors.md: `innerError` carries the ids that support asks for. */
function graphError(call: Call, world: World, refusal: GraphRefusal): Answer {
  const innerError = {
    date: new Date(world.clock.now()).toISOString().slice(0, 19),
    'request-id': call.requestId,
    'client-request-id': call.headers.get('client-request-id') ?? call.requestId,
  };
  const error = { code: refusal.code, message: refusal.message, innerError };
  return { status: refusal.status, headers: refusal.headers, body: { error } };
}

/** v2-oauth2-client-creds-grant-flow.md, error response. */
function signInError(
  call: Call,
  world: World,
  status: number,
  headers: Record<string, string>,
  error: string,
  message: string,
): Answer {
  const timestamp = `${new Date(world.clock.now()).toISOString().slice(0, 19).replace('T', ' ')}Z`;
  const code = Number(/^AADSTS(\d+)/.exec(message)?.[1] ?? 0);
  const body = {
    error,
    error_description: `${message} Trace ID: ${call.requestId} Correlation ID: ${call.requestId} Timestamp: ${timestamp}`,
    error_codes: code === 0 ? [] : [code],
    timestamp,
    trace_id: call.requestId,
    correlation_id: call.requestId,
    error_uri: `https://${world.hosts.login}/error?code=${code}`,
  };
  return { status, headers, body };
}
