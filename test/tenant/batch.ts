/** POST /$batch: up to twenty requests in one, answered in any order (concepts/json-batching.md). */
import { GraphRefusal } from './errors';
import { type Answer, type Call, isRecord, ok, parseJson, readBody } from './exchange';
import type { World } from './world';

const MOST_PARTS = 20;
// GMM: more than five of them in a batch are answered "Service Unavailable".
const MOST_BULK_ADDS = 5;

const refused = (message: string) => new GraphRefusal(400, 'BadRequest', message);

export const isBatch = (call: Call) => call.method === 'POST' && call.path === '/$batch' && !call.login;

/** The groups that a request changes, those of its parts included. */
export function groupsWritten(call: Call): string[] {
  if (!isBatch(call)) return call.login ? [] : groupIn(call.method, call.path);
  const body = parseJson(call.text);
  const parts = isRecord(body) && Array.isArray(body['requests']) ? body['requests'].filter(isRecord) : [];
  return parts.flatMap((part) => groupIn(String(part['method']), String(part['url'])));
}

function groupIn(method: string, path: string): string[] {
  const [, id] = /^\/groups\/([^/?]+)/.exec(method === 'GET' ? '' : path) ?? [];
  return id ? [id.toLowerCase()] : [];
}

export interface Part {
  id: string;
  call: Call;
}

/** Throws when the batch as a whole is not acceptable. */
export function readParts(call: Call, world: World): Part[] {
  const { requests } = readBody(call);
  if (!Array.isArray(requests) || requests.length === 0 || requests.length > MOST_PARTS)
    throw refused(`Number of batch request steps must be between 1 and ${MOST_PARTS}.`);
  const parts = requests.map((request) => readPart(request, call, world));
  if (new Set(parts.map((part) => part.id)).size < parts.length) throw refused('Request Ids must be unique.');
  const bulkAdds = parts.filter((part) => part.call.method === 'PATCH').length;
  if (bulkAdds > MOST_BULK_ADDS) throw new GraphRefusal(503, 'ServiceUnavailable', 'Service Unavailable');
  return parts;
}

function readPart(request: unknown, outer: Call, world: World): Part {
  if (!isRecord(request)) throw refused('Invalid batch payload format.');
  const { id, method, url, body, headers, ...more } = request;
  if (typeof id !== 'string' || id === '') throw refused('Request Id must be a non-empty string.');
  if (typeof method !== 'string' || !/^(GET|POST|PATCH|PUT|DELETE)$/.test(method))
    throw refused(`Invalid method in request ${id}.`);
  if (typeof url !== 'string' || !url.startsWith('/')) throw refused(`Invalid url in request ${id}.`);
  // Documented, but no Worker here has use for dependsOn, so it is not served.
  if (Object.keys(more).length > 0) throw refused(`Invalid property in request ${id}: ${Object.keys(more)}.`);
  const own = isRecord(headers) ? Object.entries(headers).map(([name, value]) => [name, String(value)]) : [];
  const address = new URL(`https://${world.hosts.graph}/v1.0${url}`);
  return {
    id,
    call: {
      ...outer,
      method,
      path: address.pathname.slice('/v1.0'.length),
      href: address.href,
      // The parts are authorized by the batch around them.
      headers: new Headers([...own.filter(([name]) => name?.toLowerCase() !== 'authorization').map(pair)]),
      text: body === undefined ? '' : JSON.stringify(body),
      part: true,
      requestId: world.newId(),
    },
  };
}

const pair = (entry: string[]): [string, string] => [entry[0] ?? '', entry[1] ?? ''];

export async function answerBatch(
  parts: readonly Part[],
  world: World,
  answerPart: (part: Call) => Promise<Answer>,
): Promise<Answer> {
  const responses: object[] = [];
  for (const { id, call } of shuffled(parts, world.random)) {
    const answer = await answerPart(call);
    const headers = {
      ...(answer.body === undefined ? {} : { 'Content-Type': 'application/json' }),
      'request-id': call.requestId,
      ...answer.headers,
    };
    const body = answer.body === undefined ? {} : { body: answer.body };
    responses.push({ id, status: answer.status, headers, ...body });
  }
  return ok({ responses: shuffled(responses, world.random) });
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
