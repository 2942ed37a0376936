/** One Graph request done well: the token, pages, and nothing sent to any other host. */
import * as v from 'valibot';
import { GraphError, type GraphTrace } from './errors';
import { type Http, type HttpAnswer, type HttpOptions, parseJson, Unanswered } from './http';
import type { TokenSource } from './token';

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
  /** Graph asks to be left alone for a while, whoever it is about. */
  busy: boolean;
  trace: GraphTrace;
}

export interface Graph {
  /** The answer whatever its status. Throws GraphError when none came, SignInError, OutOfTime. */
  send(request: GraphRequest): Promise<GraphAnswer>;
  /**
   * The items page by page, so that of a long list only what is kept of it stays in memory. Throws as `send`, and
   * GraphError unless a page is whole and every item fits: what came before it is then no list either.
   */
  readPages<Item>(
    path: string,
    item: v.GenericSchema<unknown, Item>,
    options?: HttpOptions,
  ): AsyncIterable<Item[]>;
  /** The items of all pages. Throws as `readPages`. */
  readAll<Item>(path: string, item: v.GenericSchema<unknown, Item>): Promise<Item[]>;
}

const ErrorBody = v.object({ error: v.object({ code: v.string(), message: v.optional(v.string()) }) });

/** Graph v1.0 at that origin, for one run. */
export function createGraph(origin: string, http: Http, tokens: TokenSource): Graph {
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

  async function* readPages<Item>(
    path: string,
    item: v.GenericSchema<unknown, Item>,
    options: HttpOptions = {},
  ): AsyncGenerator<Item[]> {
    const Page = v.object({
      value: v.array(item),
      '@odata.nextLink': v.optional(v.pipe(v.string(), v.check(URL.canParse))),
    });
    for (let next: string | undefined = path; next !== undefined; ) {
      const answer: GraphAnswer = await send({ method: 'GET', path: next, ...options });
      if (answer.status !== 200) throw refusal(answer);
      const page = v.safeParse(Page, answer.body);
      if (!page.success)
        throw new GraphError('Graph answered with something that is not the list asked for', answer.trace);
      yield page.output.value;
      next = page.output['@odata.nextLink'];
    }
  }

  async function readAll<Item>(path: string, item: v.GenericSchema<unknown, Item>): Promise<Item[]> {
    const items: Item[] = [];
    for await (const page of readPages(path, item)) items.push(...page);
    return items;
  }

  return { send, readPages, readAll };
}

/** The GraphError for an answer that its caller has no use for. */
export function refusal(answer: GraphAnswer): GraphError {
  const { status, code } = answer.trace;
  return new GraphError(`Graph answered ${status}${code ? ` ${code}` : ''}`, answer.trace, {
    graphMessage: answer.message,
  });
}

function toAnswer({ status, headers, text }: HttpAnswer): GraphAnswer {
  return describe(status, (name) => headers.get(name), parseJson(text));
}

/** An answer of Graph, or of one part of a batch, with what it says of itself if it is an error. */
export function describe(
  status: number,
  header: (name: string) => string | null,
  body: unknown,
): GraphAnswer {
  const parsed = v.safeParse(ErrorBody, body);
  const error = parsed.success ? parsed.output.error : undefined;
  const trace = { status, code: plain(error?.code), requestId: plain(header('request-id')) };
  const busy = status === 429 || header('retry-after') !== null;
  return { status, body, message: error?.message ?? '', busy, trace };
}

/** Only what looks like a code or an id reaches the log: whatever else a server sends there could name somebody. */
export function plain(text: string | null | undefined): string | undefined {
  return text && /^[\w.-]{1,100}$/.test(text) ? text : undefined;
}
