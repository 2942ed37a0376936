/** `npm run demo`: the Worker as it would be deployed, in workerd, with both destinations, against the stand-ins. */
import { parseArgs } from 'node:util';
import { bothAs, settingsFor } from '../../tenant/both';
import { createCloudflare } from '../../tenant/cloudflare/cloudflare';
import { GROUP_NAMES } from '../../tenant/names';
import { createTenant } from '../../tenant/tenant';
import { MINUTE_MS, skippingClock, startBundle } from '../bundle';
import { bad, beforeAndAfter, minuteTable, type Pair, strong, title } from './screen';
import { CAST, lookAt, moveIn, type Person, SCENES, SCIM_CYCLE_MINUTES } from './story';

const LATENCY_MS = 20;

const INTRODUCTION = `You will see 80 minutes at Contoso, a made-up company. Microsoft says whose account may be stolen;
the Worker puts them in Cloudflare lists and, beside these, in Entra groups; Cloudflare isolates
their browser: by lists in the same minute, by groups when SCIM has run, every 40 minutes.

A list or a group is named by its level; in Cloudflare and in Entra they are called:
${Object.values(GROUP_NAMES).join('\n')}
* marks what changed. How fast Cloudflare applies a list is not documented; here it is at once.`;

/** Groups are looked at when SCIM has just carried them. */
function isRight({ risk, list, group, byLists, byGroups }: Person, isAfterScim: boolean): boolean {
  const browser = risk === 'none' ? 'normal' : 'isolated';
  return list === risk && group === risk && byLists === browser && (!isAfterScim || byGroups === browser);
}

const { log, var: setting = '' } = parseArgs({ options: { log: { type: 'boolean' }, var: { type: 'string' } } }).values;
// As wrangler has it: --var NAME:VALUE sets a setting of the Worker.
const [name = '', value = ''] = setting.split(/:(.*)/s);

console.log(INTRODUCTION);
const clock = skippingClock();
const tenant = createTenant({ clock, latencyMs: LATENCY_MS });
const cloudflare = createCloudflare({ clock, flights: tenant.flights, latencyMs: LATENCY_MS });
const scim = tenant.addProvisioning();
const env = { ...settingsFor(tenant, cloudflare), DESTINATIONS: 'groups,lists', ...(name && { [name]: value }) };
const bundle = await startBundle(env, bothAs('worker', tenant, cloudflare));
// Its clock skips and the Worker's does not; a token that ended early would only cost time.
tenant.tokenSeconds *= 3;
moveIn(tenant);
const first = lookAt(tenant, cloudflare, scim);
// Nobody comes or goes at Contoso, so the same place is the same person.
const pairUp = (now: readonly Person[], before: readonly Person[]) =>
  now.flatMap((one, index): Pair[] => (one.name in CAST ? [[one, before[index] ?? one]] : []));
let before = first.map((one) => ({ ...one, risk: 'none' }));
let failed = 0;
for (const { minute, happens, worker, act } of SCENES) {
  clock.skippedMs = minute * MINUTE_MS;
  act?.(tenant);
  const isAfterScim = minute % SCIM_CYCLE_MINUTES === 0;
  if (isAfterScim) tenant.provisioningCycle();
  const { outcome, lines } = await bundle.run();
  const now = lookAt(tenant, cloudflare, scim);
  const wrong = now.filter((one) => !isRight(one, isAfterScim));
  const faults = [
    ...wrong.map(({ name, risk }) => `the row of ${name} is not what riskyUsers says: ${risk}`),
    ...(outcome === 'ok' ? [] : [`the run ended with ${outcome}`]),
    ...[...tenant.violations, ...cloudflare.violations],
  ];
  failed += faults.length;
  console.log(`${title(`Minute ${minute}`)}\n${strong('Happens:')}  ${happens}\n${strong('Worker:')}   ${worker}\n`);
  console.log([minuteTable(minute, pairUp(now, before)), ...faults.map((fault) => bad(`WRONG: ${fault}`))].join('\n'));
  if (log) console.log(['', ...lines.map(({ level, text }) => `(${level}) ${text}`)].join('\n'));
  before = now;
}
await bundle.dispose();
console.log([title('Before and after'), beforeAndAfter(pairUp(before, first)), ''].join('\n'));
const right = 'Right in every minute: isolated was who riskyUsers said, by lists at once, by groups after SCIM.';
console.log(failed === 0 ? strong(right) : bad(`${failed} faults: see WRONG above.`));
process.exitCode = failed === 0 ? 0 : 1;
