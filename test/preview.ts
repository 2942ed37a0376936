/** `npm run preview`: what the Worker would do in the real tenant, with the settings of .dev.vars and wrangler.toml. */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { unstable_getVarsForDev, unstable_readConfig } from 'wrangler';
import { WRANGLER_TOML } from './bundle';
import { preview } from './dry-run';
import { HOSTS } from './tenant/clouds';
import type { Fetch } from './tenant/front-door';

const SETTINGS_FILE = '.dev.vars';

/** The world's own fetch, for the sign-in and Graph hosts of the clouds only. */
const microsoftOnly: Fetch = async (input, init) => {
  const { protocol, host } = new URL(String(input));
  const known = Object.values(HOSTS).flatMap(({ login, graph }) => [login, graph]);
  if (protocol !== 'https:' || !known.includes(host))
    throw new Error(`a request to ${host}, which is not Microsoft`);
  return fetch(input, init);
};

async function main(): Promise<boolean> {
  const { env: environment } = parseArgs({ options: { env: { type: 'string', short: 'e' } } }).values;
  const file = environment === undefined ? SETTINGS_FILE : `${SETTINGS_FILE}.${environment}`;
  if (![file, SETTINGS_FILE].some((name) => existsSync(name))) {
    console.error(
      `There is no ${SETTINGS_FILE}. Make one and fill in the settings of your tenant; Git ignores it:\n\n  cp ${SETTINGS_FILE}.example ${SETTINGS_FILE}\n`,
    );
    return false;
  }
  const config = unstable_readConfig({ config: WRANGLER_TOML, ...(environment ? { env: environment } : {}) });
  const vars = unstable_getVarsForDev(WRANGLER_TOML, undefined, config.vars, environment, true);
  const env = Object.fromEntries(
    Object.entries(vars).map(([name, { value }]): [string, string] => [name, String(value)]),
  );
  console.log('A dry run in the tenant of these settings: it reads, and writes nothing.\n');
  const cron = config.triggers.crons?.[0];
  const { good, text } = await preview({ env, fetch: microsoftOnly, ...(cron ? { cron } : {}) });
  console.log(text);
  return good;
}

process.exitCode = (await main()) ? 0 : 1;
