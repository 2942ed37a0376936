/** Runs the built bundle in workerd, its requests answered by a function here, its log taken as `wrangler tail` takes it. */
import { format } from 'node:util';
import { type Json, Miniflare, Response as MiniflareResponse } from 'miniflare';
import { unstable_readConfig } from 'wrangler';
import { realClock } from '../tenant/clock';
import type { Fetch } from '../tenant/front-door';

export const WRANGLER_TOML = 'wrangler.toml';
export const BUNDLE = 'dist/index.js';
export const MINUTE_MS = 60_000;
/** Headers that workerd adds, and those that no longer hold once a body has been read. */
const NOT_PASSED_ON = ['host', 'cf-worker', 'content-encoding', 'content-length', 'transfer-encoding'];

interface Trace {
  logs: readonly { level: string; message: readonly unknown[] }[];
  exceptions: readonly { name: string; message: string }[];
}

/** What workerd hands to `wrangler tail`, handed to us. */
const TAIL_WORKER = `export default {
  async tail([{ logs, exceptions }], env) {
    await env.TAKE.fetch('http://tail/', { method: 'POST', body: JSON.stringify({ logs, exceptions }) });
  },
};`;

/** Starts workerd with the bundle or another script, warm from run to run; `fetch` answers every request that it makes. */
export async function startBundle(env: Readonly<Record<string, Json>>, fetch: Fetch, script?: string) {
  const config = unstable_readConfig({ config: WRANGLER_TOML });
  const { compatibility_date: compatibilityDate = '', compatibility_flags: compatibilityFlags } = config;
  const shared = { modules: true, compatibilityDate, compatibilityFlags };
  let take: (trace: Trace) => void = () => {};

  const worker = {
    ...{ ...shared, name: 'worker', bindings: env, tails: ['tail'] },
    ...(script === undefined ? { scriptPath: BUNDLE, modulesRoot: 'dist' } : { script }),
    outboundService: async (request: Request) => {
      const { method, url, headers } = request;
      const body = method === 'GET' ? {} : { body: await request.text() };
      const response = await fetch(url, { method, headers: passedOn(headers), redirect: 'manual', ...body });
      const answer = { status: response.status, headers: passedOn(response.headers) };
      return new MiniflareResponse((await response.text()) || null, answer);
    },
  };
  // The tail Worker above is the only one that writes it.
  const taker = async (request: { json(): Promise<unknown> }) => {
    take((await request.json()) as Trace);
    return new MiniflareResponse();
  };
  const miniflare = new Miniflare({
    // Without this Miniflare would ask workers.cloudflare.com where it is.
    cf: false,
    handleRuntimeStdio: (out, error) => void [out.resume(), error.resume()],
    workers: [worker, { ...shared, name: 'tail', script: TAIL_WORKER, serviceBindings: { TAKE: taker } }],
  });
  const scheduler = await miniflare.getWorker('worker');

  return {
    async run({ cron = config.triggers.crons?.[0] ?? '' } = {}) {
      const traced = new Promise<Trace>((resolve) => {
        take = resolve;
      });
      const { outcome, noRetry } = await scheduler.scheduled({ cron });
      const { logs, exceptions } = await traced;
      const lines = logs.map(({ level, message }) => ({ level, text: format(...message) }));
      return { outcome, noRetry, lines, exceptions };
    },
    dispose: () => miniflare.dispose(),
  };
}

/** The real clock for a tenant, with minutes that can be skipped: nobody waits for the next run of the cron. */
export function skippingClock() {
  const clock = { ...realClock, skippedMs: 0, now: (): number => realClock.now() + clock.skippedMs };
  return clock;
}

const passedOn = (headers: Iterable<[string, string]>): [string, string][] =>
  [...headers].filter(([name]) => !NOT_PASSED_ON.includes(name.toLowerCase()));
