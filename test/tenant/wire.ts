/** Between `fetch` and the routes: a Request becomes a call, an answer becomes a Response. */
import { GraphRefusal } from './errors';
import type { Answer, Call } from './exchange';
import { isGuid } from './guids';
import type { World } from './world';

const TOKEN_PATH = /^\/[^/]+\/oauth2\/v2\.0\/token$/;
const BODY_OF_NONE = [101, 204, 205, 304];

export async function toCall(request: Request, client: string, world: World): Promise<Call> {
  const url = new URL(request.url);
  const login = url.host === world.hosts.login;
  const text = request.body ? new TextDecoder().decode(await request.arrayBuffer()) : '';
  return {
    ...{ client, method: request.method, href: url.href, headers: request.headers, text },
    // A path of another version fits no route.
    path: login ? url.pathname.replace(TOKEN_PATH, '/token') : url.pathname.replace(/^\/v1\.0(?=\/)/, ''),
    ...{ login, part: false, tooSoon: false, deaf: false, requestId: world.newId() },
  };
}

export function toResponse(call: Call, answer: Answer, world: World): Response {
  const headers = {
    date: new Date(world.clock.now()).toUTCString(),
    'request-id': call.requestId,
    'client-request-id': call.headers.get('client-request-id') ?? call.requestId,
    ...(answer.body === undefined
      ? {}
      : { 'content-type': 'application/json;odata.metadata=minimal;charset=utf-8' }),
    ...answer.headers,
  };
  return respond(answer, headers);
}

export function respond(answer: Answer, headers: Record<string, string>): Response {
  const json = answer.body === undefined ? null : JSON.stringify(answer.body);
  const body = BODY_OF_NONE.includes(answer.status) ? null : (answer.raw ?? json);
  return new Response(body, { status: answer.status, headers });
}

/** concepts/best-practices-concept.md: the caller's own id is a GUID. The refusal is inferred. */
export function checkClientRequestId(headers: Headers): void {
  const id = headers.get('client-request-id');
  if (id !== null && !isGuid(id))
    throw new GraphRefusal(400, 'BadRequest', 'client-request-id is not a GUID.');
}

/** `work`, or the end that aborting its signal brings, whichever comes first. */
export async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  deaf: () => boolean,
): Promise<T> {
  if (!signal) return work;
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      if (!deaf()) reject(signal.reason);
    };
    signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
