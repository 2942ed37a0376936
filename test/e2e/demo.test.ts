/** `npm run demo` as somebody sees it for the first time, and with a Worker that does not do what it should. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { GROUP_NAMES } from '../tenant/names';

const MOST = { columns: 100, lines: 30 };

function demo(...options: string[]) {
  const command = ['--import', 'tsx', 'test/tools/demo/main.ts', ...options];
  return spawnSync(process.execPath, command, { encoding: 'utf8' });
}

test('it ends well, fits a screen a minute, and names no one in the log', () => {
  const { stdout, stderr, status } = demo('--log');
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  const isLog = (line: string) => line.startsWith('(');
  const lines = stdout.split('\n');
  expect(lines.some(isLog)).toBe(true);
  expect(lines.filter((line) => isLog(line) && /@|Ada|Hiro/.test(line))).toEqual([]);
  const shown = lines.filter((line) => !isLog(line));
  expect(shown.filter((line) => line.length > MOST.columns || line.includes('\x1b'))).toEqual([]);
  const screens = shown.join('\n').split(/^(?=== )/m);
  for (const screen of screens) expect(screen.trimEnd().split('\n').length).toBeLessThanOrEqual(MOST.lines);
  for (const name of Object.values(GROUP_NAMES)) expect(screens[0]).toContain(name);
  for (const row of [/Hiro .*\*isolated .*SCIM in 38 min +normal$/m, /Hiro .*\*normal .*SCIM in 39 min +isolated$/m])
    expect(stdout).toMatch(row);
});

test('with a Worker that never releases it fails, and says where', () => {
  const { stdout, status } = demo('--var', 'MAX_REMOVALS:0');
  expect(stdout).toContain('WRONG: the row of Hiro Haddad is not what riskyUsers says: none');
  expect(status).toBe(1);
});
