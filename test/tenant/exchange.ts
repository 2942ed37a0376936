/** One request as the routes see it and the answer they give, with the checks of headers, body and query that all share. */
import * as v from 'valibot';
import { type GraphRefusal, malformed } from './errors';

export interface Call {
  client: string;
  method: string;
  /** Without host, version and query; `/token` for the token endpoint. */
  path: string;
  href: string;
  headers: Headers;
  /** The body as it came; empty when there is none. */
  text: string;
  /** Whether it came inside a $batch. */
  part: boolean;
  /** Whether it went to the sign-in service, not to Graph. */
  login: boolean;
  requestId: string;
  /** An Identity Protection call that came less than a second after the one before. */
  tooSoon: boolean;
  /** Not to be ended by aborting it. */
  deaf: boolean;
  /** The application permissions in its token. */
  roles?: readonly string[];
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** Sent as JSON; undefined means no body. */
  body?: unknown;
  /** Sent as it is, instead of `body`. */
  raw?: string | ReadableStream<Uint8Array>;
}

export const isRiskCall = (call: Call) => !call.login && call.path.startsWith('/identityProtection/');

export const ok = (body: unknown, status = 200): Answer => ({ status, headers: {}, body });
export const noContent = (): Answer => ({ status: 204, headers: {} });

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isJson = (headers: Headers) => /^application\/json\s*(;|$)/i.test(headers.get('content-type') ?? '');

/** undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The JSON object in the body. */
export function readBody(call: Call): Record<string, unknown> {
  // (observed); inside a batch documented: concepts/json-batching.md.
  if (!isJson(call.headers)) throw malformed('Entity only allows writes with a JSON Content-Type header.');
  const body = parseJson(call.text);
  // (observed)
  if (!isRecord(body)) throw malformed('Unable to read JSON request payload.');
  return body;
}

/** What fits the schema; throws the refusal for what does not. */
export function fitting<T>(schema: v.GenericSchema<unknown, T>, value: unknown, refusal: GraphRefusal): T {
  const parsed = v.safeParse(schema, value);
  if (!parsed.success) throw refusal;
  return parsed.output;
}

/** The query options, decoded. An option that the route does not know is refused, and so is one that comes twice. */
export function readQuery(call: Call, known: readonly string[]): Map<string, string> {
  const query = new Map<string, string>();
  for (const [name, value] of new URL(call.href).searchParams) {
    if (!known.includes(name) && name !== '$skiptoken')
      throw malformed(`The query parameter '${name}' is not supported.`);
    if (query.has(name)) throw malformed(`Query option '${name}' was specified more than once.`);
    query.set(name, value);
  }
  return query;
}
