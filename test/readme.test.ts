/// <reference types="vite/client" />
/** Keeps the README, .dev.vars.example and package.json in step with the code. */
import { describe, expect, test } from 'vitest';
import examples from '../.dev.vars.example?raw';
import packageText from '../package.json?raw';
import readme from '../README.md?raw';
import { readConfig } from '../src/config';
import { TROUBLES } from '../src/trouble';

/** Names of learn.microsoft.com/graph/permissions-reference. */
const PERMISSIONS = [
  'Application.ReadWrite.OwnedBy',
  'Directory.ReadWrite.All',
  'Group.Create',
  'Group.Read.All',
  'Group.ReadBasic.All',
  'Group.ReadWrite.All',
  'GroupMember.Read.All',
  'GroupMember.ReadWrite.All',
  'IdentityRiskyUser.Read.All',
  'Synchronization.ReadWrite.All',
];
const LINK_HOSTS = [
  'admin.microsoft.com',
  'aka.ms',
  'api.cloudflare.com',
  'dash.cloudflare.com',
  'developers.cloudflare.com',
  'entra.microsoft.com',
  'github.com',
  'learn.microsoft.com',
  'login.microsoftonline.com',
  'one.dash.cloudflare.com',
];

const manifest: {
  scripts: Record<string, string>;
  cloudflare: { bindings: Record<string, { description?: string }> };
} = JSON.parse(packageText);

const withoutCode = readme.replace(/```[\s\S]*?```/g, '');

/** The text under a heading, up to the next heading of its rank or a higher one. */
function section(heading: string): string {
  const [hashes = ''] = heading.split(' ');
  const start = readme.indexOf(`\n${heading}\n`);
  if (start < 0) throw new Error(`the README has no heading "${heading}"`);
  const rest = readme.slice(start + heading.length + 2);
  const end = rest.search(new RegExp(`^#{1,${hashes.length}} `, 'm'));
  return end < 0 ? rest : rest.slice(0, end);
}

/** The first cell of each row, header and rule left out, and the whole row. */
function rows(table: string): { first: string; row: string }[] {
  return table
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((row) => ({ first: row.split('|')[1]?.trim() ?? '', row }));
}

function unique(matches: Iterable<RegExpMatchArray>): string[] {
  return [...new Set([...matches].map((match) => match[1] ?? match[0]))].sort();
}

/** As GitHub makes them. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** The names that the Worker looks for in its environment. */
async function readNames(): Promise<string[]> {
  const names = new Set<string>();
  const get = (_: object, name: string | symbol) => void names.add(String(name));
  await readConfig(new Proxy({}, { get }), '* * * * *', 0, {}).catch(() => {});
  return [...names].sort();
}

const settings = await readNames();
const table = rows(section('### Settings')).map(({ first, row }) => ({ name: first.slice(1, -1), row }));
const secrets = table.filter(({ row }) => row.includes('| secret |')).map(({ name }) => name);

describe('The README', () => {
  test('has one row for every trouble, and for no other', () => {
    const keys = rows(section('## Trouble')).flatMap(({ first }) => /^`([a-z-]+)`/.exec(first)?.[1] ?? []);
    expect(keys.sort()).toEqual(Object.keys(TROUBLES).sort());
  });

  test('lists every setting, and no other', () => {
    expect(settings.length).toBeGreaterThan(10);
    expect(table.map(({ name }) => name).sort()).toEqual(settings);
  });

  test('names only permissions that Microsoft Graph has', () => {
    const named = unique(
      readme.matchAll(
        /\b[A-Z][A-Za-z]+\.(?:Create|(?:Read|ReadWrite|ReadBasic)[A-Za-z]*\.?(?:All|OwnedBy))\b/g,
      ),
    );
    expect(named).toEqual(PERMISSIONS);
  });

  test('names only npm scripts that there are', () => {
    const named = unique(readme.matchAll(/\bnpm run ([a-z][a-z:]*)/g));
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !(name in manifest.scripts))).toEqual([]);
  });

  test('has a heading for every link within it', () => {
    const anchors = [...withoutCode.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => anchor(heading));
    const targets = unique(withoutCode.matchAll(/\]\(#([^)]+)\)/g));
    expect(new Set(anchors).size).toBe(anchors.length);
    expect(targets.filter((target) => !anchors.includes(target))).toEqual([]);
  });

  test('links to the documents of Microsoft, Cloudflare and GitHub only', () => {
    const hosts = unique(readme.matchAll(/https?:\/\/([^/\s)"'`]+)/g));
    expect(hosts.filter((host) => !LINK_HOSTS.includes(host))).toEqual([]);
  });

  test('is written in ASCII', () => {
    expect(readme.match(/[^\n\x20-\x7e]/g)).toBeNull();
  });
});

test('package.json describes every setting', () => {
  const described = Object.entries(manifest.cloudflare.bindings);
  expect(described.map(([name]) => name).sort()).toEqual(settings);
  expect(described.filter(([, { description }]) => !description)).toEqual([]);
});

test('.dev.vars.example holds every secret, and no other setting', () => {
  expect(secrets.length).toBeGreaterThan(0);
  expect(unique(examples.matchAll(/^([A-Z_]+)=/gm))).toEqual(secrets.sort());
});
