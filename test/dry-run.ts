/** One dry run of the bundle with somebody's settings, told for people, with what the access token says of permissions. */
import { type RunResult, startBundle } from './bundle';
import { type Comparison, compareRoles, neededRoles, rolesOfToken } from './roles';
import type { Fetch } from './tenant/front-door';

export interface DryRunOptions {
  env: Readonly<Record<string, string>>;
  /** Answers what the Worker asks; it may be the world's own. */
  fetch: Fetch;
  cron?: string;
}

export interface Preview {
  /** Whether a deployment with these settings would work, as far as this can be seen. */
  good: boolean;
  text: string;
}

const SAID_BY_THE_SENTENCE = ['level', 'trouble', 'added', 'removed', 'requests', 'milliseconds'];

type Roles = readonly string[] | 'unreadable' | undefined;

/** Forces DRY_RUN; the bundle then writes nothing. */
export async function preview({ env, fetch, cron }: DryRunOptions): Promise<Preview> {
  let roles: Roles;
  const unreached = new Set<string>();
  const bundle = await startBundle({
    env: { ...env, DRY_RUN: 'true' },
    async fetch(input, init) {
      const response = await fetch(input, init).catch((error: unknown) => {
        unreached.add(`${new URL(String(input)).host} was not reached: ${causeOf(error)}`);
        throw error;
      });
      if (!new URL(String(input)).pathname.endsWith('/oauth2/v2.0/token')) return response;
      const text = await response.text();
      if (response.ok) roles = readRoles(text);
      return new Response(text, { status: response.status, headers: response.headers });
    },
  });
  const result = await bundle.run(cron === undefined ? {} : { cron }).finally(() => bundle.dispose());
  const pinned = isSet(env['GROUP_IDS']);
  const permissions = permissionLines(roles, {
    pinned,
    creating: result.lines.some(({ text }) => text.includes('would create the group')),
    provisioning: isSet(env['SCIM_SERVICE_PRINCIPAL_ID']),
  });
  const good = result.outcome === 'ok' && permissions.good;
  const verdict = !good
    ? 'Not ready to deploy: see above what to do.'
    : roles === 'unreadable'
      ? 'As far as can be seen, ready to deploy.'
      : 'Ready to deploy.';
  return { good, text: [...logLines(result), ...unreached, '', ...permissions.lines, verdict].join('\n') };
}

/** The fetch of Node says only "fetch failed"; why is in the cause. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** The roles alone: the token is a secret. */
function readRoles(answer: string): Roles {
  try {
    const { access_token: token }: { access_token?: unknown } = JSON.parse(answer);
    return (typeof token === 'string' ? rolesOfToken(token) : undefined) ?? 'unreadable';
  } catch {
    return 'unreadable';
  }
}

function logLines({ lines }: RunResult): string[] {
  return lines.flatMap(({ level, text }) => {
    const { message, ...fields }: Record<string, unknown> = JSON.parse(text);
    const start = level === 'error' ? 'ERROR: ' : level === 'warn' ? 'Warning: ' : '';
    return [
      `${start}${message}`,
      ...Object.entries(fields).flatMap(([name, value]) => fieldLines(name, value)),
    ];
  });
}

function fieldLines(name: string, value: unknown): string[] {
  if (Array.isArray(value)) return value.map((id) => `  ${id}`);
  if (name === 'GROUP_IDS') return [`  To pin these groups, in wrangler.toml: GROUP_IDS = "${value}"`];
  return SAID_BY_THE_SENTENCE.includes(name) ? [] : [`  ${name}: ${value}`];
}

function permissionLines(
  roles: Roles,
  configuration: Parameters<typeof neededRoles>[0],
): { good: boolean; lines: string[] } {
  if (roles === undefined) return { good: true, lines: [] };
  if (roles === 'unreadable') {
    const line =
      'The access token does not tell its roles, so it cannot be seen whether the Worker may write.';
    return { good: true, lines: [line, ''] };
  }
  const comparison = compareRoles(roles, neededRoles(configuration));
  return { good: comparison.missing.length === 0, lines: [...comparisonLines(comparison), ''] };
}

function comparisonLines({ met, missing, beyondNeed }: Comparison): string[] {
  const beyond = beyondNeed.map(({ role, instead }) =>
    instead.length === 0
      ? `  ${role}: take it away`
      : `  ${role}: grant ${instead.join(' and ')} instead, then take it away`,
  );
  return [
    'Application permissions, as the access token tells them:',
    ...met.map(({ by, purpose }) => `  granted  ${by}: to ${purpose}`),
    ...missing.map(({ narrow, purpose }) => `  MISSING  ${narrow[0]}: to ${purpose}`),
    ...(missing.length === 0
      ? []
      : ['  Grant what is missing with admin consent (app registration > API permissions), and try again.']),
    ...(beyond.length === 0 ? [] : ['Granted beyond need:', ...beyond]),
  ];
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value.trim() !== '' && !/^<[^<>]*>$/.test(value.trim());
}
