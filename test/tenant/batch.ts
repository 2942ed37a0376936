/** POST /$batch: up to twenty requests in one, answered in any order (concepts/json-batching.md). */
import * as v from 'valibot';
import { malformed } from './errors';
import { type Answer, type Call, fitting, isRecord, ok, parseJson, readBody } from './exchange';
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

/** `dependsOn` is documented, but no Worker here has use for it. */
const Part = v.strictObject({
  id: v.pipe(v.string(), v.nonEmpty()),
  method: v.picklist(['GET', 'POST', 'PATCH', 'PUT', 'DELETE']),
  url: v.pipe(v.string(), v.startsWith('/')),
  ...{ body: v.optional(v.unknown()), headers: v.optional(v.record(v.string(), v.string()), {}) },
});
const areUnique = (parts: v.InferOutput<typeof Part>[]) => new Set(parts.map(({ id }) => id)).size === parts.length;
const Parts = v.pipe(v.array(Part), v.nonEmpty(), v.maxLength(MOST_PARTS), v.check(areUnique));

type PartCall = { id: string; call: Call };

/** Throws when the batch as a whole is not acceptable. */
export function readParts(outer: Call, world: World): PartCall[] {
  const parts = fitting(Parts, readBody(outer)['requests'], malformed('Invalid batch payload format.'));
  return parts.map(({ id, method, url, body, headers: given }) => {
    const headers = new Headers(given);
    // The parts are authorized by the batch around them.
    headers.delete('authorization');
    const { href, pathname } = new URL(`https://${world.hosts.graph}/v1.0${url}`);
    const path = pathname.slice('/v1.0'.length);
    const text = body === undefined ? '' : JSON.stringify(body);
    return { id, call: { ...outer, method, path, href, headers, text, part: true, requestId: world.newId() } };
  });
}

type AnswerPart = (part: Call) => Promise<Answer>;

export async function answerBatch(parts: readonly PartCall[], world: World, answerPart: AnswerPart): Promise<Answer> {
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
