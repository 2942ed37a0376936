/** The bundle that is deployed, in the Workers runtime: its runs, what it is made of, and the demo as a newcomer sees it. */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { settingsFor } from '../tenant/both';
import { GROUP_NAMES } from '../tenant/names';
import { createTenant } from '../tenant/tenant';
import { BUNDLE, MINUTE_MS, skippingClock, startBundle } from '../tools/bundle';

const MOST_BYTES = 99_700;
const SCREEN = { columns: 100, lines: 30 };
/** The twelve people at Contoso, and every address. */
const NAMED = /@|Ada|Bruno|Chiara|Dmitri|Elif|Farid|Greta|Hiro|Imani|Jonas|Katya|Luis/i;

test('from no groups to groups in sync, to a run that fails, is not retried, and leaves them as they were', async () => {
  const clock = skippingClock();
  const tenant = createTenant({ clock });
  const bundle = await startBundle(settingsFor(tenant), tenant.fetch);
  async function nextMinute() {
    clock.skippedMs += MINUTE_MS;
    const { lines, ...ended } = await bundle.run();
    return { ...ended, told: lines.map(({ level, text }) => `${level}: ${JSON.parse(text).message}`) };
  }
  const high = Array.from({ length: 23 }, () => tenant.addUser({ level: 'high' })).sort();
  tenant.addUser({ level: 'low' });
  const first = await nextMinute();
  expect(first).toMatchObject({ outcome: 'ok', noRetry: true, exceptions: [] });
  expect(tenant.members(GROUP_NAMES.high)).toEqual(high);
  expect(first.told.at(-1)).toBe('log: In sync again: 24 added, 0 removed. At risk: 23 high, 0 medium, 1 low.');

  const quiet = await nextMinute();
  expect(quiet.told).toEqual(['log: In sync, nothing to do. At risk: 23 high, 0 medium, 1 low.']);

  tenant.licensed = false;
  const failed = await nextMinute().finally(() => bundle.dispose());
  const message = expect.stringMatching(/^risky-users-unread: /);
  expect(failed).toMatchObject({ outcome: 'exception', noRetry: true, exceptions: [{ message }] });
  expect(failed.told).toEqual([expect.stringMatching(/^error: .*Entra ID P2/)]);
  expect(tenant.members(GROUP_NAMES.high)).toEqual(high);
  expect(tenant.violations).toEqual([]);
});

test('the bundle is small, and all that it loads is node:crypto, when a certificate is to be read', async () => {
  const code = await readFile(BUNDLE, 'utf8');
  const loads = [...code.matchAll(/^import\b.*|\b(require|import)\(.*?\)/gm)].map(([text]) => text);
  expect(loads).toEqual(['import("node:crypto")']);
  expect(Buffer.byteLength(code)).toBeLessThan(MOST_BYTES);
});

function demo(...options: string[]) {
  const command = ['--import', 'tsx', 'test/tools/demo/main.ts', ...options];
  return spawnSync(process.execPath, command, { encoding: 'utf8' });
}

test('the demo ends well, fits a screen a minute, and names no one in the log', () => {
  const { stdout, stderr, status } = demo('--log');
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  const isLog = (line: string) => line.startsWith('(');
  const lines = stdout.split('\n');
  expect(lines.some(isLog)).toBe(true);
  expect(lines.filter((line) => isLog(line) && NAMED.test(line))).toEqual([]);
  const shown = lines.filter((line) => !isLog(line));
  expect(shown.filter((line) => line.length > SCREEN.columns || line.includes('\x1b'))).toEqual([]);
  const screens = shown.join('\n').split(/^(?=== )/m);
  for (const screen of screens) expect(screen.trimEnd().split('\n').length).toBeLessThanOrEqual(SCREEN.lines);
  for (const name of Object.values(GROUP_NAMES)) expect(screens[0]).toContain(name);
  for (const row of [/Hiro .*\*isolated .*SCIM in 38 min +normal$/m, /Hiro .*\*normal .*SCIM in 39 min +isolated$/m])
    expect(stdout).toMatch(row);
});

test('with a Worker that never releases the demo fails, and says where', () => {
  const { stdout, status } = demo('--var', 'MAX_REMOVALS:0');
  expect(stdout).toContain('WRONG: the row of Hiro Haddad is not what riskyUsers says: none');
  expect(status).toBe(1);
});
