/** One Graph request done well: the token, nothing sent to any other host, and what the response means. */
import * as v from 'valibot';
import { StepError, type Trace } from '../errors';
import type { Http, HttpResponse, SendOptions } from '../http/http';

/** The first that fits "STATUS CODE MESSAGE". Words may change, so only remedies and readings hang on a cause. */
const CAUSES: readonly (readonly [cause: string, said: RegExp])[] = [
  ['unreachable', /^5[23]\d/], // data.source.coop#206, got#991
  ['no licence', /^403 .*licen[cs]e/i], // riskyUsers without P2 (observed)
  ['no consent', /Authorization_IdentityNotFound/], // oauth2-azure#88, psoxy#875
  ['wrong tenant', /OrganizationFromTenantGuidNotFound/], // terraform-provider-azuread#1645
  ['quota', /Directory_QuotaExceeded|maximum quota/i],
  ['restricted unit', /restricted management administrative unit/i],
  ['already a member', /^400 .*references already exist/i], // group-post-members (observed)
  ['no member', /^400 .*references do not exist/i], // group-delete-members (observed)
  ['synced', /^400 .*on-premises/i],
  ['mail-enabled', /^400 .*mail-enabled/i],
  ['not found', /^404 (?!Request_ResourceNotFound )/], // by a gateway, say: it tells of no user and no group
  ['expired page', /Directory_ExpiredPageToken/], // msgraph-sdk-dotnet#2254, cartography#2853
];

/** `path`: relative to the version root and beginning with a slash, or a whole next link. */
export type GraphRequest = { method: 'GET' | 'POST' | 'DELETE'; path: string; body?: unknown };

export type GraphResponse = ReturnType<typeof understand>;

/** `optional`: for what only helps, whose refusal says nothing of the token. */
export type GraphOptions = SendOptions & { optional?: boolean };

export type Graph = ReturnType<typeof createGraph>;

export interface TokenSource {
  /** The token of this run. Throws SignInError. */
  get(): Promise<string>;
  /** Another token in place of one that Graph refused, once in a run; undefined if there is none. */
  replace(refused: string): Promise<string | undefined>;
  /** Whether that was refused: it is logged, not thrown, because what has been written by then must still be told. */
  isRefused(): boolean;
  /** The next run asks for a new one: consent given since a refusal is only in that (kubernetes#90351). */
  forget(): void;
}

/** Reads what fits the schema, else undefined. Entries of long lists are read by hand, at a third of the CPU. */
export function parserOf<Output>(schema: v.GenericSchema<unknown, Output>): (value: unknown) => Output | undefined {
  return (value) => {
    const parsed = v.safeParse(schema, value);
    return parsed.success ? parsed.output : undefined;
  };
}

/** What requests to Graph and to Cloudflare carry. */
export function headersWith(token: string) {
  return { authorization: `Bearer ${token}`, accept: 'application/json', 'content-type': 'application/json' };
}

const orNone = v.fallback(v.nullish(v.string(), ''), '');
const errorOf = parserOf(v.object({ error: v.object({ code: orNone, message: orNone }) }));

/** Graph v1.0 at that origin, for one run. */
export function createGraph(origin: string, http: Http, tokens: TokenSource) {
  return {
    origin,
    forgetToken: tokens.forget,
    /** The response whatever its status. Throws SignInError; StepError for another host, before anything is sent. */
    async send({ method, path, body }: GraphRequest, options: GraphOptions): Promise<GraphResponse> {
      const url = urlOf(origin, path);
      const exchange = (token: string) => http.send({ method, url, headers: headersWith(token), body }, options);
      const token = await tokens.get();
      const first = await exchange(token);
      const another = first.status === 401 && !options.optional ? await tokens.replace(token) : undefined;
      const response = understand(another === undefined ? first : await exchange(another));
      if (response.status === 401 && tokens.isRefused()) response.trace.cause = 'sign-in refused';
      if (response.status === 403 && !options.optional) tokens.forget();
      return response;
    },
  };
}

/** The whole address of a path or next link. Throws StepError for one that leads to another host. */
export function urlOf(origin: string, path: string): string {
  const url = path.startsWith('/') ? `${origin}/v1.0${path}` : path;
  if (new URL(url).origin === origin) return url;
  throw new StepError({ service: 'Graph', status: 200 }, 'a next link leads to another host');
}

/** A response of Graph, of one part of a batch, or of the sign-in, with what it says of itself. */
export function understand({ status, missing, header, body }: HttpResponse) {
  // Stryker disable next-line ConditionalExpression,EqualityOperator: no body comes with a status below 200.
  const isOk = status >= 200 && status < 300;
  // A success with an error in it is no answer. The key is asked for first: most bodies are long lists.
  const error = typeof body === 'object' && body !== null && 'error' in body ? errorOf(body)?.error : undefined;
  const { code = '', message = '' } = error ?? {};
  const known = isOk ? error && 'no answer' : CAUSES.find(([, said]) => said.test(`${status} ${code} ${message}`))?.[0];
  const told = { code: plain(code), requestId: plain(header('request-id')), cause: missing ?? known };
  const trace: Trace = { service: 'Graph', status, ...told };
  return { status, body, retryAfter: header('retry-after'), trace };
}

/** Only what looks like a code or an id reaches the log: whatever else a server sends there could name somebody. */
export function plain(text: string | null | undefined): string | undefined {
  return text && /^[\w.-]{1,100}$/.test(text) ? text : undefined;
}
