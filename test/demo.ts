/** `npm run demo`: the Worker as it would be deployed, in workerd, against a stand-in tenant, a minute at a time. */

import { type Bundle, settingsFor, startBundle } from './bundle';
import { SCENES, type Scene } from './story';
import { groupTable, inkFor, LEVELS, type Standing } from './table';
import { prettyTail } from './tail';
import { type Clock, realClock } from './tenant/clock';
import { GROUP_NAMES } from './tenant/names';
import { createTenant, type RecordedRequest, type Tenant } from './tenant/tenant';

const MINUTE_MILLISECONDS = 60_000;
const LATENCY_MILLISECONDS = 30;
const LINE_WIDTH = 100;
const ink = inkFor(process.stdout);

/** The real clock, that minutes can be skipped on: nobody waits for them. */
function skippingClock(): Clock & { skip(milliseconds: number): void } {
  let skipped = 0;
  return {
    ...realClock,
    now: () => realClock.now() + skipped,
    skip: (milliseconds) => {
      skipped += milliseconds;
    },
  };
}

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

/** What is not as it must be after a run; nothing if all is well. */
function faults(tenant: Tenant, outcome: string): string[] {
  const wrong = LEVELS.filter(
    (level) => tenant.members(GROUP_NAMES[level]).join() !== tenant.atRisk(level).join(),
  );
  return [
    ...wrong.map((level) => `${GROUP_NAMES[level]} does not hold who is at risk at that level`),
    ...(outcome === 'ok' ? [] : [`the run ended with ${outcome}`]),
    ...tenant.violations,
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
  const bundle: Bundle = await startBundle({ env: settingsFor(tenant), fetch: tenant.fetch });
  const names = new Map<string, string>();
  let before = standing(tenant, names);
  let failed = 0;
  try {
    for (const [minute, { title, story, happens }] of scenes.entries()) {
      if (minute > 0) clock.skip(MINUTE_MILLISECONDS);
      happens(tenant);
      standing(tenant, names);
      tenant.forgetRequests();
      const result = await bundle.run({ scheduledTime: new Date(start + minute * MINUTE_MILLISECONDS) });
      const now = standing(tenant, names);
      const wrong = faults(tenant, result.outcome);
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
