/** One Graph request done well: the token, pages, batches, and nothing sent to any other host. */
import * as v from 'valibot';
import { GraphError, type GraphTrace, OutOfTime } from './errors';
import {
  type Deadline,
  type Http,
  type HttpAnswer,
  type HttpOptions,
  parseJson,
  shareOf,
  Unanswered,
  wait,
} from './http';
import type { Io } from './io';
import { decideRetry } from './retry';
import type { TokenSource } from './token';

/** learn.microsoft.com/graph/json-batching */
export const BATCH_PARTS = 20;

export interface GraphRequest extends HttpOptions {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Relative to the version root and beginning with a slash, or a whole next link. */
  path: string;
  body?: unknown;
}

export interface GraphAnswer {
  status: number;
  /** Undefined where the answer had no body or one that is not JSON. */
  body: unknown;
  /** Graph's own sentence of an error. It may name people: never log it. */
  message: string;
  trace: GraphTrace;
}

export interface Graph {
  /** The answer whatever its status. Throws GraphError when none came, SignInError, OutOfTime. */
  send(request: GraphRequest): Promise<GraphAnswer>;
  /** The items of all pages. Throws as `send`, and GraphError unless every page is whole and every item fits. */
  readAll<Item>(path: string, item: v.GenericSchema<unknown, Item>, options?: HttpOptions): Promise<Item[]>;
  /**
   * Sends at most 20 requests as one and each part again as RETRY says. `settled` is told of each part as soon as
   * its answer is final, undefined if none came, so that nothing is forgotten when this throws as `send`. `share` as in HttpOptions.
   */
  batch(
    parts: readonly GraphRequest[],
    settled: (index: number, answer: GraphAnswer | undefined) => void,
    share?: number,
  ): Promise<void>;
}

const ErrorBody = v.object({ error: v.object({ code: v.string(), message: v.optional(v.string(), '') }) });
const BatchBody = v.object({
  responses: v.array(
    v.object({
      id: v.string(),
      status: v.number(),
      headers: v.optional(v.unknown()),
      body: v.optional(v.unknown()),
    }),
  ),
});

/** Graph v1.0 at that origin, for one run. */
export function createGraph(
  origin: string,
  http: Http,
  tokens: TokenSource,
  io: Io,
  deadline: Deadline,
): Graph {
  const root = `${origin}/v1.0`;

  async function send(request: GraphRequest): Promise<GraphAnswer> {
    const { method, path, body, ...options } = request;
    const url = path.startsWith('/') ? root + path : path;
    if (new URL(url).origin !== origin) throw new GraphError('a next link leads to another host');
    const exchange = (token: string) => {
      const headers: Record<string, string> = {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
      };
      if (body === undefined) return http.send(url, { method, headers }, options);
      headers['content-type'] = 'application/json';
      return http.send(url, { method, headers, body: JSON.stringify(body) }, options);
    };
    try {
      const token = await tokens.get();
      const answer = await exchange(token);
      const another = answer.status === 401 ? await tokens.replace(token) : undefined;
      return toAnswer(another === undefined ? answer : await exchange(another));
    } catch (error) {
      if (error instanceof Unanswered)
        throw new GraphError('no whole answer came from Graph', {}, { cause: error });
      throw error;
    }
  }

  async function readAll<Item>(
    path: string,
    item: v.GenericSchema<unknown, Item>,
    options: HttpOptions = {},
  ): Promise<Item[]> {
    const Page = v.object({
      value: v.array(item),
      '@odata.nextLink': v.optional(v.pipe(v.string(), v.check(URL.canParse))),
    });
    const items: Item[] = [];
    for (let next: string | undefined = path; next !== undefined; ) {
      const answer: GraphAnswer = await send({ method: 'GET', path: next, ...options });
      if (answer.status !== 200) throw refusal(answer);
      const page = v.safeParse(Page, answer.body);
      if (!page.success)
        throw new GraphError('Graph answered with something that is not the list asked for', answer.trace);
      for (const one of page.output.value) items.push(one);
      next = page.output['@odata.nextLink'];
    }
    return items;
  }

  async function batch(
    parts: readonly GraphRequest[],
    settled: (index: number, answer: GraphAnswer | undefined) => void,
    part = 1,
  ): Promise<void> {
    const share = shareOf(deadline, part);
    let open = parts.map((part, index) => ({ part, id: String(index), index }));
    for (let attempt = 1; open.length > 0; attempt += 1) {
      const requests = open.map(({ part: { method, path: url, body }, id }) =>
        body === undefined
          ? { id, method, url }
          : { id, method, url, body, headers: { 'Content-Type': 'application/json' } },
      );
      const whole = await send({ method: 'POST', path: '/$batch', body: { requests }, share: part });
      if (whole.status !== 200) throw refusal(whole);
      const parsed = v.safeParse(BatchBody, whole.body);
      const responses = new Map((parsed.success ? parsed.output.responses : []).map((one) => [one.id, one]));

      const again: typeof open = [];
      let waitMilliseconds = 0;
      let outOfTime: OutOfTime | undefined;
      for (const entry of open) {
        const response = responses.get(entry.id);
        const header = (name: string) => partHeader(response?.headers, name);
        const verdict = decideRetry({
          status: response?.status,
          retryAfter: header('retry-after'),
          attempt,
          repeatable: true,
          nowMilliseconds: io.now(),
          timeLeftMilliseconds: share.leftMilliseconds(response?.status),
          random: io.random(),
        });
        if (verdict.kind === 'wait') {
          again.push(entry);
          waitMilliseconds = Math.max(waitMilliseconds, verdict.milliseconds);
        } else if (verdict.why === 'deadline' && share.endsRun(response?.status)) {
          outOfTime = new OutOfTime('deadline', { throttled: response?.status === 429 });
        } else settled(entry.index, response && describe(response.status, header, response.body));
      }
      if (outOfTime) throw outOfTime;
      if (again.length > 0) await wait(io, deadline, waitMilliseconds);
      open = again;
    }
  }

  return { send, readAll, batch };
}

/** The GraphError for an answer that its caller has no use for. */
export function refusal(answer: GraphAnswer): GraphError {
  const { status, code } = answer.trace;
  return new GraphError(`Graph answered ${status}${code ? ` ${code}` : ''}`, answer.trace, {
    graphMessage: answer.message,
  });
}

function toAnswer({ status, headers, text }: HttpAnswer): GraphAnswer {
  return describe(status, (name) => headers.get(name), text === '' ? undefined : parseJson(text));
}

function describe(status: number, header: (name: string) => string | null, body: unknown): GraphAnswer {
  const parsed = status < 400 ? undefined : v.safeParse(ErrorBody, body);
  const error = parsed?.success ? parsed.output.error : undefined;
  const trace = { status, code: plain(error?.code), requestId: plain(header('request-id')) };
  return { status, body, message: error?.message ?? '', trace };
}

function partHeader(headers: unknown, name: string): string | null {
  const found = Object.entries(headers ?? {}).find(([key]) => key.toLowerCase() === name);
  return found === undefined ? null : String(found[1]);
}

/** Only what looks like a code or an id reaches the log: whatever else a server sends there could name somebody. */
export function plain(text: string | null | undefined): string | undefined {
  return text && /^[\w.-]{1,100}$/.test(text) ? text : undefined;
}
