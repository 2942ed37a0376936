/** Runs the built bundle in workerd, its requests answered by a function here, its log taken as `wrangler tail` takes it. */
import { format } from 'node:util';
import { Miniflare, Response as MiniflareResponse } from 'miniflare';
import { unstable_readConfig } from 'wrangler';
import type { Fetch } from './tenant/front-door';
import type { Tenant } from './tenant/tenant';

export const WRANGLER_TOML = 'wrangler.toml';
export const BUNDLE = 'dist/index.js';
const TAIL_LIMIT_MILLISECONDS = 10_000;
/** Headers that workerd adds, and those that no longer hold once a body has been read. */
const OF_THE_RUNTIME = ['host', 'cf-worker'];
const OF_THE_TRANSFER = ['content-encoding', 'content-length', 'transfer-encoding'];

export interface BundleOptions {
  env: Readonly<Record<string, string>>;
  /** Answers every request of the Worker; nothing leaves the machine unless this lets it. */
  fetch: Fetch;
}

export interface Line {
  level: string;
  text: string;
}

export interface RunResult {
  outcome: string;
  noRetry: boolean;
  cron: string;
  scheduledTime: Date;
  lines: readonly Line[];
  exceptions: readonly { name: string; message: string; stack?: string }[];
}

export interface Bundle {
  /** One invocation, as the cron would start it. */
  run(when?: { cron?: string; scheduledTime?: Date }): Promise<RunResult>;
  dispose(): Promise<void>;
}

interface Trace {
  logs: readonly { level: string; message: readonly unknown[] }[];
  exceptions: RunResult['exceptions'];
}

/** What workerd hands to `wrangler tail`, handed to us. */
const TAIL_WORKER = `export default {
  async tail(traces, env) {
    const [{ logs, exceptions }] = traces;
    await env.TAKE.fetch('http://tail/', { method: 'POST', body: JSON.stringify({ logs, exceptions }) });
  },
};`;

/** Starts workerd with the bundle of `npm run build`. One run at a time; its memory stays warm from run to run. */
export async function startBundle({ env, fetch }: BundleOptions): Promise<Bundle> {
  const config = unstable_readConfig({ config: WRANGLER_TOML });
  const compatibility = {
    compatibilityDate: config.compatibility_date ?? '',
    compatibilityFlags: config.compatibility_flags,
  };
  let take: (trace: Trace) => void = () => {};

  const miniflare = new Miniflare({
    // Without this Miniflare would ask workers.cloudflare.com where it is.
    cf: false,
    handleRuntimeStdio: (out, error) => void [out.resume(), error.resume()],
    workers: [
      {
        name: 'worker',
        modules: true,
        scriptPath: BUNDLE,
        modulesRoot: 'dist',
        ...compatibility,
        bindings: env,
        tails: ['tail'],
        outboundService: async (request) => {
          const { method, url } = request;
          const headers = without(OF_THE_RUNTIME, request.headers);
          const body = method === 'GET' ? {} : { body: await request.text() };
          const response = await fetch(url, { method, headers, redirect: 'manual', ...body });
          const text = await response.text();
          return new MiniflareResponse(text === '' ? null : text, {
            status: response.status,
            headers: without(OF_THE_TRANSFER, response.headers),
          });
        },
      },
      {
        name: 'tail',
        modules: true,
        script: TAIL_WORKER,
        ...compatibility,
        serviceBindings: {
          TAKE: async (request) => {
            take(readTrace(await request.text()));
            return new MiniflareResponse();
          },
        },
      },
    ],
  });
  const worker = await miniflare.getWorker('worker');

  return {
    async run({ cron = config.triggers.crons?.[0] ?? '', scheduledTime = new Date() } = {}) {
      const traced = new Promise<Trace>((resolve) => {
        take = resolve;
      });
      const { outcome, noRetry } = await worker.scheduled({ cron, scheduledTime });
      const { logs, exceptions } = await inTime(traced);
      const lines = logs.map(({ level, message }) => ({ level, text: format(...message) }));
      return { outcome, noRetry, cron, scheduledTime, lines, exceptions };
    },
    dispose: () => miniflare.dispose(),
  };
}

/** The settings of a Worker that belongs to the tenant. */
export const settingsFor = ({ ids }: Tenant): Record<string, string> => ({
  AZURE_AD_TENANT_ID: ids.tenantId,
  AZURE_AD_CLIENT_ID: ids.clientId,
  AZURE_AD_CLIENT_SECRET: ids.clientSecret,
});

const without = (names: readonly string[], headers: Iterable<[string, string]>): [string, string][] =>
  [...headers].filter(([name]) => !names.includes(name.toLowerCase()));

function readTrace(json: string): Trace {
  // The tail Worker above is the only one that writes it.
  return JSON.parse(json) as Trace;
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error('workerd ended the run and gave no log')),
      TAIL_LIMIT_MILLISECONDS,
    );
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
