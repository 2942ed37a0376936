/** How the preview reads Graph and Cloudflare: GET alone, whole lists, and a sentence for whatever refuses. */
import * as v from 'valibot';
import type { Config } from '../../../src/config/config';
import { parseJson } from '../../tenant/exchange';
import type { Fetch } from '../../tenant/front-door';
import { Unexamined } from './chain';
import type { DryRun } from './dry-run';

const MOST_PAGES = 200;
const TIMEOUT_MS = 30_000;

export interface Api {
  fetch: Fetch;
  /** Where every path begins. */
  base: string;
  /** Or what is needed to have one. */
  token: string | Unexamined;
  /** The variable that holds the token, to be named when it is refused. */
  variable: string;
  /** What was asked already, by path. */
  asked: Map<string, ReturnType<typeof ask>>;
}

/** What every check has at hand. */
export interface Chain {
  nowMs: number;
  config: Config;
  /** Object id of the tenant, where the settings may have a domain. */
  tenantId: string | undefined;
  run: DryRun;
  /** Graph with the Worker's own token, and with an administrator's. */
  worker: Api;
  admin: Api;
  cloudflare: Api;
}

/**
 * The delegated permission that each page names as the least, with a role that has it. learn: group-list,
 * group-list-owners, application-get, serviceprincipal-list-approleassignments, -approleassignedto,
 * group-list-approleassignments, synchronization-synchronizationjob-list; of jobs (observed) zerotrustassessment#1382.
 */
const of = (permission: string) => `${permission}, of a Cloud Application Administrator (not a Global Reader)`;
export const ADMIN_NEEDS = {
  groups: of('GroupMember.Read.All'),
  apps: of('Application.Read.All'),
  jobs: of('Synchronization.Read.All'),
};

type Schema<T> = v.GenericSchema<unknown, T>;

/** The codes of Graph and of Cloudflare alone: texts of errors may name people. */
const Refusal = v.object({
  error: v.optional(v.object({ code: v.string() })),
  errors: v.optional(v.array(v.object({ code: v.number() }))),
});

async function ask({ fetch, base, token, variable }: Api, path: string) {
  if (token instanceof Unexamined) throw token;
  // Refused by fetch, it would be told in full.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Unexamined(`${variable} is more than a token: set the token alone.`);
  const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const answer = await fetch(base + path, { headers, redirect: 'manual', signal });
    return { ok: answer.ok, status: answer.status, body: parseJson(await answer.text()) };
  } catch (error) {
    throw new Unexamined(`${new URL(base).host} gave no answer (${causeOf(error)}). Try again.`);
  }
}

/** One entity, asked for once. Throws Unexamined; `permission`: what to name if it is refused. */
export async function readOne<T>(api: Api, path: string, schema: Schema<T>, permission: string): Promise<T> {
  const asking = api.asked.get(path) ?? ask(api, path);
  api.asked.set(path, asking);
  const { ok, status, body } = await asking;
  const { host, pathname } = new URL(api.base + path);
  const parsed = v.safeParse(schema, body);
  if (ok && parsed.success) return parsed.output;
  if (ok) throw new Unexamined(`${host} answered ${pathname} with something else than is documented.`);
  const { error, errors = [] } = v.is(Refusal, body) ? body : {};
  const answer = `${host} answered ${[status, error?.code ?? errors[0]?.code ?? ''].join(' ').trim()}`;
  const needed = `${api.variable} needs ${permission}, and must not be expired.`;
  const remedy = [401, 403].includes(status) ? needed : 'Try again.';
  throw new Unexamined(`${answer}. ${remedy}`, { cause: status });
}

/** All pages of a list. Throws Unexamined. */
export async function readList<T>(api: Api, path: string, entry: Schema<T>, permission: string): Promise<T[]> {
  const entries = v.array(entry);
  // concepts/paging.md; `cloudflare` 7.3.0, core/pagination: `result_info` only if paged, `result` null for nothing
  const Graph = v.object({ value: entries, '@odata.nextLink': v.optional(v.string()) });
  const info = v.optional(v.object({ page: v.number() }));
  const Cloudflare = v.object({ success: v.literal(true), result: v.nullable(entries), result_info: info });
  const Page = v.union([Graph, Cloudflare]);
  const all: T[] = [];
  let next: string | undefined = api.base + path;
  for (let pages = 0; next !== undefined; pages += 1) {
    // The token goes to no other host.
    if (pages === MOST_PAGES || !next.startsWith(api.base))
      throw new Unexamined(`${api.base}${path.split('?')[0]} has no end.`);
    const page: v.InferOutput<typeof Page> = await readOne(api, next.slice(api.base.length), Page, permission);
    all.push(...('value' in page ? page.value : (page.result ?? [])));
    const address: URL = new URL(next);
    if ('value' in page) next = page['@odata.nextLink'];
    else {
      address.searchParams.set('page', String((page.result_info?.page ?? 0) + 1));
      next = page.result_info && page.result?.length ? address.href : undefined;
    }
  }
  return all;
}

/** Undefined where there is no such thing. */
export function unlessGone<T>(reading: Promise<T>): Promise<T | undefined> {
  return reading.catch((error) => {
    if (error instanceof Unexamined && error.cause === 404) return undefined;
    throw error;
  });
}

/** The fetch of Node says only "fetch failed"; why is in the cause. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
