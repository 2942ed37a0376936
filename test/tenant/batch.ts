/** POST /$batch: up to twenty requests in one, answered in any order (concepts/json-batching.md). */
import { malformed as refused } from './errors';
import { type Answer, type Call, isRecord, ok, parseJson, readBody } from './exchange';
import type { World } from './world';

const MOST_PARTS = 20;

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

type Part = { id: string; call: Call };

/** Throws when the batch as a whole is not acceptable. */
export function readParts(call: Call, world: World): Part[] {
  const { requests } = readBody(call);
  if (!Array.isArray(requests) || requests.length === 0 || requests.length > MOST_PARTS)
    throw refused(`Number of batch request steps must be between 1 and ${MOST_PARTS}.`);
  const parts = requests.map((request) => readPart(request, call, world));
  if (new Set(parts.map((part) => part.id)).size < parts.length) throw refused('Request Ids must be unique.');
  return parts;
}

function readPart(request: unknown, outer: Call, world: World): Part {
  if (!isRecord(request)) throw refused('Invalid batch payload format.');
  const { id, method, url, body, headers, ...more } = request;
  const isNamed = typeof id === 'string' && id !== '';
  const isCall = typeof method === 'string' && /^(GET|POST|PATCH|PUT|DELETE)$/.test(method);
  // `dependsOn` is documented, but no Worker here has use for it.
  if (!isNamed || !isCall || typeof url !== 'string' || !url.startsWith('/') || Object.keys(more).length > 0)
    throw refused(`Invalid request in batch: ${JSON.stringify(request)}`);
  const own = new Headers(
    isRecord(headers) ? Object.entries(headers).map(([name, value]) => [name, String(value)]) : {},
  );
  // The parts are authorized by the batch around them.
  own.delete('authorization');
  const address = new URL(`https://${world.hosts.graph}/v1.0${url}`);
  const path = address.pathname.slice('/v1.0'.length);
  const text = body === undefined ? '' : JSON.stringify(body);
  const requestId = world.newId();
  return { id, call: { ...outer, method, path, href: address.href, headers: own, text, part: true, requestId } };
}

type AnswerPart = (part: Call) => Promise<Answer>;

export async function answerBatch(parts: readonly Part[], world: World, answerPart: AnswerPart): Promise<Answer> {
  const responses: object[] = [];
  for (const { id, call } of shuffled(parts, world.random)) {
    const answer = await answerPart(call);
    const { status, body } = answer;
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const headers = { ...type, 'request-id': call.requestId, ...answer.headers };
    // Without a body it is left out when this becomes JSON.
    responses.push({ id, status, headers, body });
  }
  return ok({ responses: shuffled(responses, world.random) });
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const ordered = items.map((item) => ({ item, order: random() })).sort((a, b) => a.order - b.order);
  return ordered.map(({ item }) => item);
}
