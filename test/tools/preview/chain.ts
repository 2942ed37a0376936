/** The checklist of the preview: what its checks are given and how they read, their order along the chain, the verdict. */
import * as v from 'valibot';
import type { Config } from '../../../src/config/config';
import { parseJson } from '../../tenant/exchange';
import type { Fetch } from '../../tenant/front-door';
import type { DryRun } from './dry-run';

const MOST_PAGES = 200;
const BEYOND =
  'Preview never examines the Cloudflare One Client, TLS decryption or, for groups, the SCIM attribute mapping: test with one user.';
export const TIMEOUT_MS = 30_000;

const LINKS = ['settings', 'sign-in', 'Entra ID Protection', 'groups', 'lists', 'SCIM', 'Cloudflare'] as const;
type Link = (typeof LINKS)[number];

/** A line with its mark; `!!` comes with the remedy, `??` (not examined) with what would let it be examined. */
export type Said = `${'ok' | '!!' | '??'} ${string}`;
export type Line = readonly [link: Link, said: Said];
export type Check = readonly [link: Link, what: string, find: (chain: Chain) => Promise<Said | Said[]>];

export const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Why something cannot be examined: a sentence that names what would let it be. `cause`: the status that refused it. */
export class Unexamined extends Error {}

/** What is known and what the checks say, in the order of the chain; not examined for the same reason is one line. */
export async function examine(known: readonly Line[], checks: readonly Check[], chain: Chain): Promise<Line[]> {
  const found = await Promise.allSettled(checks.map(async ([, , find]) => [await find(chain)].flat()));
  return LINKS.flatMap((link): Line[] => {
    const open = new Map<string, string[]>();
    const own = checks.flatMap(([of, what], index): Line[] => {
      const one = found[index];
      if (of !== link || !one) return [];
      if (one.status === 'fulfilled') return one.value.map((said) => [link, said]);
      if (!(one.reason instanceof Unexamined)) throw one.reason;
      open.set(one.reason.message, [...(open.get(one.reason.message) ?? []), what]);
      return [];
    });
    const unexamined = [...open].map(([why, whats]): Line => [link, `?? ${whats.join('; ')}: not examined. ${why}`]);
    return [...known.filter(([of]) => of === link), ...own, ...unexamined];
  });
}

export function render(lines: readonly Line[]): { good: boolean; text: string } {
  const width = Math.max(...LINKS.map(({ length }) => length));
  const rows = lines.map(([link, said]) => `${said.slice(0, 2)}  ${link.padEnd(width)} ${said.slice(2)}`);
  const first = lines.find(([, said]) => said.startsWith('!!'));
  const open = lines.filter(([, said]) => said.startsWith('??')).length;
  const asFar = `Ready as far as this was examined: ${counted(open, 'line')} with ?? above ${open === 1 ? 'says' : 'say'} what was not.`;
  const ready = open > 0 ? asFar : 'Ready: nothing is missing of what was examined.';
  const verdict = first ? `Not ready. First, ${first[0]}: ${first[1].slice(3)}` : `${ready} ${BEYOND}`;
  return { good: first === undefined, text: [...rows, '', verdict].join('\n') };
}

export interface Chain {
  config: Config;
  /** Object id of the tenant, where the settings may have a domain. */
  tenantId: string | undefined;
  run: DryRun;
  /** Graph, with an administrator's token. */
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

export type Api = ReturnType<typeof createApi>;

/** What begins with `base`, read with one token; without it, Unexamined with `remedy`; refused, with the `permission`. */
export function createApi(fetch: Fetch, base: string, variable: string, token: string | undefined, remedy: string) {
  const { host } = new URL(base);
  const asked = new Map<string, ReturnType<typeof ask>>();

  async function ask(path: string) {
    if (!token) throw new Unexamined(remedy);
    // Refused by fetch, it would be told in full.
    if (!/^[\x21-\x7e]+$/.test(token)) throw new Unexamined(`${variable} is more than a token: set the token alone.`);
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
    try {
      const answer = await fetch(base + path, { headers, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) });
      return { ok: answer.ok, status: answer.status, body: parseJson(await answer.text()) };
    } catch (error) {
      throw new Unexamined(`${host} gave no answer (${causeOf(error)}). Try again.`);
    }
  }

  /** One entity, asked for once. */
  async function one<T>(path: string, schema: Schema<T>, permission: string): Promise<T> {
    const asking = asked.get(path) ?? ask(path);
    asked.set(path, asking);
    const { ok, status, body } = await asking;
    const parsed = v.safeParse(schema, body);
    if (ok && parsed.success) return parsed.output;
    const { pathname } = new URL(base + path);
    if (ok) throw new Unexamined(`${host} answered ${pathname} with something else than is documented.`);
    // The code of Graph or of Cloudflare alone: texts of errors may name people.
    const [, code = ''] = /"code":"?(\w+)/.exec(JSON.stringify(body)) ?? [];
    const answer = `${host} answered ${[status, code].join(' ').trim()}`;
    const needed = `${variable} needs ${permission}, and must not be expired.`;
    throw new Unexamined(`${answer}. ${[401, 403].includes(status) ? needed : 'Try again.'}`, { cause: status });
  }

  async function list<T>(path: string, entry: Schema<T>, permission: string): Promise<T[]> {
    const entries = v.array(entry);
    // concepts/paging.md; `cloudflare` 7.3.0, core/pagination: `result_info` only if paged, `result` null for nothing
    const Graph = v.object({ value: entries, '@odata.nextLink': v.optional(v.string()) });
    const info = v.optional(v.object({ page: v.number() }));
    const Cloudflare = v.object({ success: v.literal(true), result: v.nullable(entries), result_info: info });
    const Page = v.union([Graph, Cloudflare]);
    const all: T[] = [];
    let next: string | undefined = path;
    for (let pages = 0; next !== undefined; pages += 1) {
      if (pages === MOST_PAGES) throw new Unexamined(`${path.split('?')[0]} has more pages than preview reads.`);
      const page: v.InferOutput<typeof Page> = await one(next, Page, permission);
      const found = 'value' in page ? page.value : (page.result ?? []);
      all.push(...found);
      // A next link to another host is asked for at this one, so the token goes nowhere else.
      if ('value' in page) next = page['@odata.nextLink']?.replace(base, '');
      else if (!page.result_info || found.length === 0) next = undefined;
      else next = `${path}${path.includes('?') ? '&' : '?'}page=${page.result_info.page + 1}`;
    }
    return all;
  }

  return { one, list };
}

export const unlessGone = <T>(reading: Promise<T>) =>
  reading.catch((error: Error) => {
    if (error.cause !== 404) throw error;
    return undefined;
  });

/** The fetch of Node says only "fetch failed"; why is in the cause. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
