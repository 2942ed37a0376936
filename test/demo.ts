/** `npm run demo`: the Worker as it would be deployed, in workerd, against a stand-in tenant, a minute at a time. */

import { type Bundle, settingsFor, startBundle } from './bundle';
import { MINUTE_MILLISECONDS, skippingClock } from './skipping-clock';
import { SCENES, type Scene } from './story';
import { cloudflareTable, groupTable, inkFor, LEVELS, type Standing } from './table';
import { prettyTail } from './tail';
import { GROUP_NAMES, type Level } from './tenant/names';
import type { Provisioning } from './tenant/provisioning';
import { createTenant, type RecordedRequest, type Tenant } from './tenant/tenant';

const LATENCY_MILLISECONDS = 30;
/** Shorter than in Entra, where a call takes up to half a minute. */
const ON_DEMAND_MILLISECONDS = 500;
const LINE_WIDTH = 100;
const ink = inkFor(process.stdout);

/** Who was seen under which id, those deleted since included. */
function standing(tenant: Tenant, names: Map<string, string>): Standing {
  for (const { id, displayName } of tenant.users()) names.set(id ?? '', displayName ?? '');
  const named = (ids: readonly string[]) => ids.map((id) => names.get(id) ?? id);
  const people = (name: string) => (tenant.groupsNamed(name).length === 0 ? [] : named(tenant.members(name)));
  return {
    high: people(GROUP_NAMES.high),
    medium: people(GROUP_NAMES.medium),
    low: people(GROUP_NAMES.low),
  };
}

/** Whom Cloudflare knows to be in which group. */
function arrivals(tenant: Tenant, cloudflare: Provisioning, names: Map<string, string>): Standing {
  const at = (level: Level) => {
    const id = tenant.groupsNamed(GROUP_NAMES[level])[0]?.id ?? '';
    return cloudflare.arrived(id).map((user) => names.get(user) ?? user);
  };
  return { high: at('high'), medium: at('medium'), low: at('low') };
}

/** What is not as it must be after a run; nothing if all is well. */
function faults(tenant: Tenant, outcome: string, violations: readonly string[]): string[] {
  const wrong = LEVELS.filter(
    (level) => tenant.members(GROUP_NAMES[level]).join() !== tenant.atRisk(level).join(),
  );
  return [
    ...wrong.map((level) => `${GROUP_NAMES[level]} does not hold who is at risk at that level`),
    ...(outcome === 'ok' ? [] : [`the run ended with ${outcome}`]),
    ...violations,
  ];
}

function countRequests(requests: readonly RecordedRequest[]): string {
  const throttled = requests.filter(({ status }) => status === 429).length;
  const signIns = requests.filter(({ path }) => path === '/token').length;
  const reads = requests.filter(({ method }) => method === 'GET').length;
  const writes = requests.length - signIns - reads;
  const kinds = [
    ...(signIns > 0 ? [`${signIns} to sign in`] : []),
    `${reads} to read`,
    `${writes} to write`,
  ].join(', ');
  return `${requests.length} requests to Microsoft: ${kinds}${throttled > 0 ? `; ${throttled} answered 429 and repeated` : ''}.`;
}

function wrap(text: string): string {
  return text.replaceAll(new RegExp(`(.{1,${LINE_WIDTH}})(?: |$)`, 'g'), '$1\n').trimEnd();
}

async function play(scenes: readonly Scene[]): Promise<number> {
  const clock = skippingClock();
  const start = Math.floor(clock.now() / MINUTE_MILLISECONDS) * MINUTE_MILLISECONDS;
  const tenant = createTenant({ clock, latencyMs: LATENCY_MILLISECONDS });
  const cloudflare = tenant.addProvisioning({ delayMs: ON_DEMAND_MILLISECONDS });
  const env = settingsFor(tenant);
  let bundle: Bundle = await startBundle({ env, fetch: tenant.fetch });
  const names = new Map<string, string>();
  let before = standing(tenant, names);
  let failed = 0;
  try {
    for (const [minute, { title, story, happens, onDemand }] of scenes.entries()) {
      if (minute > 0) clock.skip(MINUTE_MILLISECONDS);
      happens(tenant);
      if (onDemand) {
        await bundle.dispose();
        const settings = { ...env, SCIM_SERVICE_PRINCIPAL_ID: cloudflare.servicePrincipalId };
        bundle = await startBundle({ env: settings, fetch: tenant.fetch });
      }
      standing(tenant, names);
      tenant.forgetRequests();
      const violationsBefore = tenant.violations.length;
      const result = await bundle.run({ scheduledTime: new Date(start + minute * MINUTE_MILLISECONDS) });
      const now = standing(tenant, names);
      const wrong = faults(tenant, result.outcome, tenant.violations.slice(violationsBefore));
      const arrived = arrivals(tenant, cloudflare, names);
      const newcomers = now.high.filter((name) => !before.high.includes(name));
      if (onDemand && !newcomers.every((name) => arrived.high.includes(name)))
        wrong.push('a newcomer at high risk has not arrived at Cloudflare');
      failed += wrong.length;
      console.log(
        [
          '',
          ink.strong(`== Minute ${minute + 1}: ${title} `.padEnd(LINE_WIDTH, '=')),
          wrap(story),
          '',
          prettyTail(result),
          '',
          groupTable(before, now, ink),
          ...(onDemand ? ['', cloudflareTable(now, arrived, ink)] : []),
          '',
          ink.faint(countRequests(tenant.requests)),
          ...(wrong.length === 0
            ? [ink.faint('The groups hold who riskyUsers says.')]
            : wrong.map((fault) => ink.bad(`WRONG: ${fault}`))),
        ].join('\n'),
      );
      before = now;
    }
  } finally {
    await bundle.dispose();
  }
  return failed;
}

console.log(
  wrap(
    'The Worker, built as it would be deployed, runs in the Workers runtime on this machine. A stand-in for a Microsoft Entra tenant answers its requests; nothing leaves the machine. Each minute shows what happened, what the Worker logs (as in "wrangler tail --format pretty"; object ids, never names), and who is in which group then: + was added, - was removed in this minute.',
  ),
);
const failed = await play(SCENES);
console.log(
  failed === 0
    ? '\nIn every minute the groups held who riskyUsers said. To do the same in your tenant, see README.md.'
    : ink.bad(`\n${failed} faults: see WRONG above.`),
);
process.exitCode = failed === 0 ? 0 : 1;
