/** The settings files as a deployment reads them, and every fault in them on its own, with the file in which to correct it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unstable_getVarsForDev, unstable_readConfig } from 'wrangler';
import { readConfig } from '../../../src/config/config';
import { SettingsError } from '../../../src/errors';
import { WRANGLER_TOML } from '../bundle';
import { counted, type Line } from './chain';

/** Secrets of the Worker; in wrangler.toml they would be in the repository and readable in the dashboard. */
const SECRETS: readonly string[] = [
  ...['AZURE_AD_CLIENT_SECRET', 'AZURE_AD_CLIENT_CERTIFICATE', 'AZURE_AD_CLIENT_PRIVATE_KEY'],
  ...['CLOUDFLARE_ZERO_TRUST_API_TOKEN', 'HEARTBEAT_URL'],
];
/** What belongs to the process that runs the preview: a deployment uploads every line of .dev.vars as a secret. */
const OF_THE_PROCESS: readonly string[] = ['ENTRA_ADMIN_TOKEN', 'CLOUDFLARE_API_TOKEN', 'CLOUDFLARE_ACCOUNT_ID'];
const PUT = /(?:\brun: |\b(then):( ))?npx wrangler secret put (\w+)(?: < [\w.-]+)?/gi;
const PLACEHOLDER = /^\s*<[^<>]*>\s*$/;

const UPLOADED = 'which a deployment uploads, so it is not used. Take it out and set it for the one command:';
const EXPOSED =
  'is a secret and stands in [vars] of wrangler.toml. If ever committed, replace it; in any case move it to';
const EXCHANGED =
  'AZURE_AD_TENANT_ID and AZURE_AD_CLIENT_ID are exchanged: the client id is the id of a tenant, the tenant id is none. Exchange them in wrangler.toml.';
const DRY = 'so the deployed Worker writes nothing and isolates nobody new. Take it out before you rely on it.';
const NEVER = 'wrangler.toml has crons = [], so the deployed Worker never runs. Set it to ["* * * * *"].';
/** workers/configuration/cron-triggers: without the key, a deployment leaves the triggers that are there. */
const NO_CRONS =
  '?? wrangler.toml has no crons, so only those deployed before count: not examined. Set [triggers] crons.';

export type Settings = Awaited<ReturnType<typeof readSettings>>;

/** As `wrangler deploy` and its --secrets-file read them. `environment`: of wrangler.toml. */
export async function readSettings(folder: string, environment: string | undefined) {
  const path = join(folder, WRANGLER_TOML);
  const { triggers, vars } = unstable_readConfig({ config: path, ...(environment ? { env: environment } : {}) });
  const own = environment ? `.dev.vars.${environment}` : '.dev.vars';
  const found = [own, '.dev.vars'].find((name) => existsSync(join(folder, name)));
  const isUtf16 = found !== undefined && readFileSync(join(folder, found)).includes(0);
  const all = found && !isUtf16 ? unstable_getVarsForDev(path, undefined, vars, environment, true) : {};
  const secrets: Readonly<Record<string, unknown>> = Object.fromEntries(
    Object.entries(all).flatMap(([name, { type, value }]) => (type === 'secret_text' ? [[name, value]] : [])),
  );
  const file = found ?? own;
  const missing = `There is no ${file}. Make one and fill in the secrets; Git ignores it: cp .dev.vars.example ${file}`;
  const unread = `${file} is in UTF-16 (as > of Windows PowerShell writes): nothing in it is read. Save it as UTF-8.`;
  const ofFile = found === undefined ? [missing] : isUtf16 ? [unread] : [];
  const env = Object.fromEntries(Object.entries({ ...vars, ...secrets }).map(([name, one]) => [name, String(one)]));
  const [crons, cron = ''] = [triggers.crons, triggers.crons?.[0]];
  const config = await readConfig(env, cron, Date.now(), {}).catch((error: Error) => {
    if (error instanceof SettingsError) return error;
    throw error;
  });
  return { file, ofFile, vars, secrets, crons, cron, env, config };
}

/** `areExchanged`: the client id is the id of a tenant, and the tenant id is none. */
export function settingsLines(settings: Settings, areExchanged: boolean): Line[] {
  const { file, ofFile, vars, secrets, crons, config } = settings;
  const [problems, isDry] = config instanceof SettingsError ? [config.problems] : [[], config.DRY_RUN];
  const places = (name: string) => [...(name in secrets ? [file] : []), ...(name in vars ? [WRANGLER_TOML] : [])];
  const uploaded = (name: string, place: string) => `${name} stands in ${place}, ${UPLOADED} ${name}=… npm run preview`;
  const faults = [
    ...ofFile,
    ...OF_THE_PROCESS.flatMap((name) => places(name).map((place) => uploaded(name, place))),
    ...SECRETS.filter((name) => isSet(vars[name])).map((name) => `${name} ${EXPOSED} ${file}.`),
    ...problems.filter((one) => !OF_THE_PROCESS.includes(nameIn(one))).map((problem) => told(problem, settings)),
    ...(areExchanged ? [EXCHANGED] : []),
    ...(isDry ? [`DRY_RUN stands in ${places('DRY_RUN').join(' and ')}, ${DRY}`] : []),
    ...(crons?.length === 0 ? [NEVER] : []),
  ].map((fault): Line => ['settings', `!! ${fault}`]);
  const set = Object.values({ ...vars, ...secrets }).filter(isSet).length;
  const good: Line = ['settings', `ok ${counted(set, 'setting')} read from wrangler.toml and ${file}, and understood.`];
  return [...(faults.length > 0 ? faults : [good]), ...(crons ? [] : [['settings', NO_CRONS] as const])];
}

function told(problem: string, { vars, secrets, file }: Settings): string {
  const name = nameIn(problem);
  const [place, value] = name in secrets ? [file, secrets[name]] : [WRANGLER_TOML, vars[name]];
  const removal = /Remove it from wrangler\.toml, or run: npx wrangler secret delete \w+/i;
  const sentence = inFile(problem, file).replace(removal, `Remove it from ${place}.`);
  if (PLACEHOLDER.test(String(value ?? '')))
    return sentence.replace(' is not set', ` in ${place} is still the placeholder`);
  return isSet(value) && !sentence.includes(place) ? `${sentence} (It stands in ${place}.)` : sentence;
}

/** The Worker's remedies are for one that is deployed; a preview reads the file. */
export const inFile = (text: string, file: string) => text.replaceAll(PUT, `$1$2put $3="…" into ${file}`);

const nameIn = (problem: string) => /^\w+/.exec(problem)?.[0] ?? '';

const isSet = (value: unknown) => String(value ?? '').trim() !== '' && !PLACEHOLDER.test(String(value));
