/** The settings: what the environment says, checked whole before anything is done. */
import * as v from 'valibot';
import { type CertificateCredential, type CertificateMemory, readCertificate } from './certificate';
import { SettingsError } from './errors';
import type { RiskLevel, UserId } from './plan';
import { type Cloud, SETTING_NAMES, settingsSchema } from './settings';

const PLACEHOLDER = /^<[^<>]*>$/;

export type Credential = { kind: 'secret'; secret: string } | CertificateCredential;

export interface Config {
  tenantId: string;
  clientId: string;
  credential: Credential;
  cloud: Cloud;
  /** The pinned groups; undefined: they are found by name. */
  groupIds: Readonly<Record<RiskLevel, string>> | undefined;
  dryRun: boolean;
  maxRemovals: number;
  exemptUserIds: ReadonlySet<UserId>;
  deadlineSeconds: number;
  scimServicePrincipalId: string | undefined;
  heartbeatUrl: string | undefined;
}

/**
 * Checks the environment of a run that `cron` started. Unset, empty and `<placeholder>` mean the default.
 * Throws one SettingsError that lists every fault by the setting's name.
 */
export async function readConfig(
  env: Readonly<Record<string, unknown>>,
  cron: string,
  nowMilliseconds: number,
  memory: CertificateMemory,
): Promise<Config> {
  const set = setOnly(env);
  const parsed = v.safeParse(settingsSchema(cron), set);
  const faults = (parsed.issues ?? []).map((issue) => `${issue.path?.[0]?.key} ${issue.message}`);
  const credential = await readCredential(set, nowMilliseconds, memory);
  if (!parsed.success || 'faults' in credential) {
    throw new SettingsError([...new Set([...faults, ...('faults' in credential ? credential.faults : [])])]);
  }
  const settings = parsed.output;
  return {
    tenantId: settings.AZURE_AD_TENANT_ID,
    clientId: settings.AZURE_AD_CLIENT_ID,
    credential,
    cloud: settings.AZURE_AD_CLOUD,
    groupIds: settings.GROUP_IDS,
    dryRun: settings.DRY_RUN,
    maxRemovals: settings.MAX_REMOVALS,
    exemptUserIds: settings.EXEMPT_USER_IDS,
    deadlineSeconds: settings.DEADLINE_SECONDS,
    scimServicePrincipalId: settings.SCIM_SERVICE_PRINCIPAL_ID,
    heartbeatUrl: settings.HEARTBEAT_URL,
  };
}

async function readCredential(
  set: Readonly<Record<string, string>>,
  nowMilliseconds: number,
  memory: CertificateMemory,
): Promise<Credential | { faults: string[] }> {
  const certificate = set['AZURE_AD_CLIENT_CERTIFICATE'];
  const privateKey = set['AZURE_AD_CLIENT_PRIVATE_KEY'];
  const secret = set['AZURE_AD_CLIENT_SECRET'];
  if (certificate !== undefined && privateKey !== undefined) {
    return readCertificate(certificate, privateKey, nowMilliseconds, memory);
  }
  if (certificate !== undefined)
    return { faults: [onlyOneOfThePair('AZURE_AD_CLIENT_PRIVATE_KEY', 'key.pem')] };
  if (privateKey !== undefined)
    return { faults: [onlyOneOfThePair('AZURE_AD_CLIENT_CERTIFICATE', 'certificate.pem')] };
  if (secret !== undefined) return { kind: 'secret', secret };
  return {
    faults: [
      'AZURE_AD_CLIENT_SECRET is not set. Run: npx wrangler secret put AZURE_AD_CLIENT_SECRET (or set AZURE_AD_CLIENT_CERTIFICATE and AZURE_AD_CLIENT_PRIVATE_KEY).',
    ],
  };
}

function onlyOneOfThePair(missing: string, file: string): string {
  return `${missing} is not set, but the other half of the pair is. Run: npx wrangler secret put ${missing} < ${file}`;
}

/** The settings that are set, as text: TOML gives numbers and booleans too. A secret keeps its spaces, not its line end. */
function setOnly(env: Readonly<Record<string, unknown>>): Record<string, string> {
  const set: Record<string, string> = {};
  for (const name of SETTING_NAMES) {
    const value = env[name];
    if (value === undefined || value === null) continue;
    const text =
      name === 'AZURE_AD_CLIENT_SECRET' ? String(value).replace(/[\r\n]+$/, '') : String(value).trim();
    if (text !== '' && !PLACEHOLDER.test(text)) set[name] = text;
  }
  return set;
}
