/** The settings: what the environment says, checked whole before anything is done. */
import * as v from 'valibot';
import { SettingsError } from '../errors';
import { type CertificateCache, type CertificateCredential, type Problems, readCertificate } from './certificate';
import { clean, DEADLINE_SECONDS, DESTINATIONS, SETTING_NAMES, SETTINGS_OF, Settings } from './schema';

/** A value that was left in angle brackets is none. */
const PLACEHOLDER = /^<(?!(true|false|groups|lists|usgov|dod)\b)[^<>\d]*>$/i;
const PUT = 'npx wrangler secret put';
/** Of the pairs of letters of a name, for another to be the one that was meant. */
const LEAST_SHARE = 0.55;
const NEEDED_BY_LISTS = [
  ['CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID', 'Set it in wrangler.toml to the Account ID of Cloudflare.'],
  ['CLOUDFLARE_ZERO_TRUST_API_TOKEN', `Make one (Account > Zero Trust > Edit): ${PUT} CLOUDFLARE_ZERO_TRUST_API_TOKEN`],
] as const;

type Env = Readonly<Record<string, unknown>>;
type Texts = Readonly<Record<string, string>>;

export type Credential = { kind: 'secret'; secret: string } | CertificateCredential;

/** Each setting under its own name, and what they mean together. */
export interface Config extends v.InferOutput<typeof Settings> {
  credential: Credential;
  /** Settings that are set and mean nothing, because their destination is off. */
  unused: readonly string[];
}

/**
 * Checks the environment of a run that `cron` started. Unset, empty and `<placeholder>` mean the default.
 * Throws one SettingsError that lists every problem by the setting's name.
 */
export async function readConfig(env: Env, cron: string, nowMs: number, cache: CertificateCache): Promise<Config> {
  const set = setOnly(env);
  const parsed = v.safeParse(Settings, set);
  const credential = await readCredential(set, nowMs, cache);
  const noText = SETTING_NAMES.filter((name) => typeof env[name] === 'object' && env[name] !== null);
  const problems = [
    ...unknownNames(env),
    ...noText.map((name) => `${name} must be text: no list, table or binding.`),
    ...(parsed.issues ?? []).map((issue) => `${issue.path?.[0]?.key} ${issue.message}`),
    ...('kind' in credential ? [] : credential),
    ...crossProblems(set, cron),
  ];
  // Of one setting the first counts; a Map keeps the last.
  const byName = new Map(problems.toReversed().map((problem) => [problem.split(' ')[0], problem]));
  if (byName.size > 0 || !parsed.success || !('kind' in credential))
    throw new SettingsError([...byName.values()].toReversed());
  const settings = parsed.output;
  const off = DESTINATIONS.filter((name) => !settings.DESTINATIONS.has(name));
  const unused = off.flatMap((name) => SETTINGS_OF[name]).filter((setting) => setting in set);
  return { ...settings, credential, unused };
}

/** What one setting asks of another, or of the cron. */
function crossProblems(set: Texts, cron: string): string[] {
  const { least, beforeNextRun, most } = DEADLINE_SECONDS;
  const longest = Math.min(most, shortestGapMinutes(cron) * 60 - beforeNextRun);
  const isTooLong = Number(set['DEADLINE_SECONDS']) > longest;
  const range = `${least} to ${longest}; more (up to ${most}) needs a cron slower than "${cron}"`;
  const missing = (/lists/i.test(set['DESTINATIONS'] ?? '') ? NEEDED_BY_LISTS : []).filter(([name]) => !(name in set));
  return [
    ...(isTooLong ? [`DEADLINE_SECONDS must be a whole number of seconds from ${range}.`] : []),
    ...missing.map(([name, remedy]) => `${name} is not set, and DESTINATIONS has lists. ${remedy}`),
  ];
}

/** By the first field of a cron; 60 where that says no more. */
function shortestGapMinutes(cron: string): number {
  const parts = cron.trim().replace(/\s.*/, '').split(',');
  const isIn = (minute: number) => (part: string) => {
    const [, from = '', to, step] = /^(\*|\d+)(?:-(\d+))?(?:\/(\d+))?$/.exec(part) ?? [];
    const [first, last] = from === '*' ? [0, 59] : [Number(from), Number(to ?? (step ? 59 : from))];
    return minute >= first && minute <= last && (minute - first) % Number(step ?? 1) === 0;
  };
  const runsAt = (minute: number) => parts.some(isIn(minute % 60));
  return [...Array(60).keys()].find((gap, _, all) => gap > 0 && all.some((at) => runsAt(at) && runsAt(at + gap))) ?? 60;
}

/** The credential, or what is wrong with it. */
async function readCredential(set: Texts, nowMs: number, cache: CertificateCache): Promise<Credential | Problems> {
  const certificate = set['AZURE_AD_CLIENT_CERTIFICATE'];
  const privateKey = set['AZURE_AD_CLIENT_PRIVATE_KEY'];
  const secret = set['AZURE_AD_CLIENT_SECRET'];
  if (certificate && privateKey) return readCertificate({ certificate, privateKey }, nowMs, cache);
  const half = 'is not set, but the other half of the pair is. To set it, run:';
  if (certificate) return [`AZURE_AD_CLIENT_PRIVATE_KEY ${half} ${PUT} AZURE_AD_CLIENT_PRIVATE_KEY < key.pem`];
  if (privateKey) return [`AZURE_AD_CLIENT_CERTIFICATE ${half} ${PUT} AZURE_AD_CLIENT_CERTIFICATE < certificate.pem`];
  if (secret) return { kind: 'secret', secret };
  const orPair = '(or set AZURE_AD_CLIENT_CERTIFICATE and AZURE_AD_CLIENT_PRIVATE_KEY)';
  return [`AZURE_AD_CLIENT_SECRET is not set. To set it, run: ${PUT} AZURE_AD_CLIENT_SECRET ${orPair}.`];
}

/** The settings that are set, as text: TOML gives numbers and booleans too. */
function setOnly(env: Env): Texts {
  const names = SETTING_NAMES.filter((name) => typeof env[name] !== 'object');
  const texts = names.map((name) => [name, clean(String(env[name] ?? ''))] as const);
  return Object.fromEntries(texts.filter(([, text]) => text !== '' && !PLACEHOLDER.test(text)));
}

/** The sentence for each variable that is no setting: misspelt, it would be ignored in silence. Bindings are objects. */
function unknownNames(env: Env): string[] {
  const isVariable = (value: unknown) => Array.isArray(value) || ['string', 'number', 'boolean'].includes(typeof value);
  const unknown = Object.keys(env).filter((name) => isVariable(env[name]) && !SETTING_NAMES.includes(name));
  return unknown.map((name) => {
    const meant = nearest(name);
    const what = meant === undefined ? 'Remove' : `Did you mean ${meant}? If not, remove`;
    return `${name} is no setting of this Worker. ${what} it from wrangler.toml, or run: npx wrangler secret delete ${name}`;
  });
}

/** The setting that has most of the name's pairs of letters; undefined if none has more than half. */
function nearest(name: string): string | undefined {
  const wanted = letterPairs(name);
  const shareOf = (other: string) => wanted.filter((pair) => letterPairs(other).includes(pair)).length / wanted.length;
  const near = SETTING_NAMES.filter((setting) => shareOf(setting) >= LEAST_SHARE);
  return near.sort((a, b) => shareOf(b) - shareOf(a))[0];
}

function letterPairs(name: string): string[] {
  const letters = name.toUpperCase().replace(/[^A-Z0-9]/g, '');
  return [...letters].map((_, index) => letters.slice(index, index + 2));
}
