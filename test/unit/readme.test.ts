/// <reference types="vite/client" />
/** Keeps the README and the files around it in agreement with the code, and short. */
import { describe, expect, test } from 'vitest';
import ci from '../../.ci/run?raw';
import examples from '../../.dev.vars.example?raw';
import contributing from '../../.github/CONTRIBUTING.md?raw';
import security from '../../.github/SECURITY.md?raw';
import packageText from '../../package.json?raw';
import readme from '../../README.md?raw';
import { SETTING_NAMES } from '../../src/config/schema';
import wrangler from '../../wrangler.toml?raw';

const MOST_CHARACTERS = { inAll: 32_000, beforeAnythingIsOpened: 14_000 };

/** Names of learn.microsoft.com/graph/permissions-reference. */
const PERMISSIONS = [
  ...['Application.ReadWrite.OwnedBy', 'Directory.ReadWrite.All', 'Group.Create', 'Group.Read.All'],
  ...['GroupMember.Read.All', 'GroupMember.ReadWrite.All', 'IdentityRiskyUser.Read.All'],
  'Synchronization.ReadWrite.All',
];
const LINK_HOSTS = /^((api|developers)\.cloudflare\.com|(entra|learn)\.microsoft\.com|github\.com)$/;

/** A block of commands with one of these is not for CI: it signs in somewhere, or reads the real tenant. */
const NEEDS_ACCOUNT = /\b(?:az|curl|wrangler|npm run (?:preview|tail|deploy))\b/;
/** Commands that `.ci/run` has under another name. */
const RUN_AS: Readonly<Record<string, string>> = { 'npm ci': 'npm cit' };

type Bindings = Record<string, { description?: string }>;
const manifest: { scripts: object; cloudflare: { bindings: Bindings } } = JSON.parse(packageText);

const withoutCode = readme.replace(/```[\s\S]*?```/g, '');
const folded = readme.replace(/<details>\s*<summary>([\s\S]*?)<\/summary>[\s\S]*?<\/details>/g, '$1');

/** The text under a heading, up to the next heading of its rank or a higher one. */
function section(heading: string): string {
  const [hashes = ''] = heading.split(' ');
  const start = readme.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`the README has no heading "${heading}"`);
  const rest = readme.slice(start + heading.length + 2);
  const end = rest.search(new RegExp(`^#{1,${hashes.length}} `, 'm'));
  return end < 0 ? rest : rest.slice(0, end);
}

/** The cells of each row, header and rule left out. */
function rows(table: string): string[][] {
  const lines = table.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(1).map((row) => row.split('|').map((cell) => cell.trim()));
}

function unique(matches: Iterable<RegExpMatchArray>): string[] {
  return [...new Set([...matches].map((match) => match[1] ?? match[0]))].sort();
}

/** The commands that need no account, one by one. */
function ownCommands(): string[] {
  const blocks = [...readme.matchAll(/^ *```sh\n([\s\S]*?)```/gm)].map(([, block = '']) => block);
  const commands = blocks.flatMap((block) => (NEEDS_ACCOUNT.test(block) ? [] : block.split(/\n| && /)));
  return commands.flatMap((command) => RUN_AS[command.trim()] ?? (command.trim() || []));
}

const settings = [...SETTING_NAMES].sort();
const table = rows(section('## Settings')).map(([, name = '', kind]) => ({ name: name.slice(1, -1), kind }));
const secrets = table.filter(({ kind }) => kind === 'secret').map(({ name }) => name);

describe('The README', () => {
  test('is short, and shorter before anything is opened', () => {
    expect(readme.split('<details>')).toHaveLength(readme.split('</details>').length);
    expect(folded).not.toContain('details>');
    expect(readme.length).toBeLessThanOrEqual(MOST_CHARACTERS.inAll);
    expect(folded.length).toBeLessThanOrEqual(MOST_CHARACTERS.beforeAnythingIsOpened);
  });

  test('lists every setting, and no other', () => {
    expect(settings.length).toBeGreaterThan(10);
    expect(table.map(({ name }) => name).sort()).toEqual(settings);
  });

  test('has every command that needs no account run by CI', () => {
    const commands = ownCommands();
    const run = ci.replace(/"\$scratch\/([^"]+)"/g, '$1').split(/\s*\n\s*/);
    expect(commands.length).toBeGreaterThan(3);
    expect(commands.filter((command) => !run.includes(command))).toEqual([]);
  });

  test('names only permissions that Microsoft Graph has', () => {
    const permission = /\b[A-Z][A-Za-z]+\.(?:Create|(?:Read|ReadWrite|ReadBasic)[A-Za-z]*\.?(?:All|OwnedBy))\b/g;
    expect(unique((readme + security).matchAll(permission))).toEqual(PERMISSIONS);
  });

  test('names only npm scripts that there are', () => {
    const named = unique((readme + contributing).matchAll(/\bnpm run ([a-z][a-z:]*)/g));
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !(name in manifest.scripts))).toEqual([]);
  });

  test('has a heading for every link within it, outside the folds', () => {
    const headings = folded.replace(/```[\s\S]*?```/g, '').matchAll(/^#{1,6} (.+)$/gm);
    // As GitHub makes them.
    const anchorOf = (heading = '') =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-');
    const anchors = [...headings].map(([, heading]) => anchorOf(heading));
    const targets = unique(withoutCode.matchAll(/\]\(#([^)]+)\)/g));
    expect(new Set(anchors).size).toBe(anchors.length);
    expect(targets.filter((target) => !anchors.includes(target))).toEqual([]);
  });

  test('links to the documents of Microsoft, Cloudflare and GitHub only', () => {
    const hosts = unique(readme.matchAll(/https?:\/\/([^/\s)"'`]+)/g));
    expect(hosts.filter((host) => !LINK_HOSTS.test(host))).toEqual([]);
  });

  test('is written in ASCII', () => {
    expect((readme + contributing + security).match(/[^\n\x20-\x7e]/g)).toBeNull();
  });
});

test('a setting may be added at the end of wrangler.toml', () => {
  expect(wrangler.match(/^\[.*\]$/gm)?.at(-1)).toBe('[vars]');
});

test('package.json describes every setting, and .dev.vars.example holds every secret', () => {
  const described = Object.entries(manifest.cloudflare.bindings);
  expect(described.map(([name]) => name).sort()).toEqual(settings);
  expect(described.filter(([, { description }]) => !description)).toEqual([]);
  expect(secrets.length).toBeGreaterThan(0);
  expect(unique(examples.matchAll(/^([A-Z_]+)=/gm))).toEqual(secrets.sort());
});
