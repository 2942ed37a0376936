/** The shape of the code that DESIGN asks for: rooms whose arrows point one way, small files, nothing deployed but src. */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { expect, it } from 'vitest';

const MOST_LINES_A_FILE = 200;
const MOST_LINES = 2_600;
const MOST_FLOORS = 11;

/** For everybody but plan and errors; that none of them leads back up is what the count of floors says. */
const SHARED = ['errors', 'plan', 'io', 'context', 'log', 'config'];
/** What each room may import: a folder of src, or a file that stands at its top. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  index: [...SHARED, 'run'],
  run: [...SHARED, 'sync', 'entra', 'cloudflare', 'graph', 'http'],
  sync: [...SHARED, 'http'],
  entra: [...SHARED, 'graph', 'http'],
  cloudflare: [...SHARED, 'graph', 'http'],
  graph: [...SHARED, 'http'],
  http: SHARED,
  context: [...SHARED, 'graph', 'http'],
  log: [...SHARED, 'http'],
  config: SHARED,
  io: ['errors'],
  plan: [],
  errors: [],
};

const names = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => /(?<!\.d)\.ts$/.test(name));
const files = new Map(
  names.map((name) => [name.replaceAll('\\', '/').replace(/\.ts$/, ''), readFileSync(`src/${name}`, 'utf8')]),
);

/** The files of src that a file imports, types too: whoever reads it has to read those. */
function importsOf(file: string): string[] {
  const found = [...(files.get(file) ?? '').matchAll(/^(?:im|ex)port [^;]*?from '(\.[^']+)';$/gms)];
  return found.map(([, to = '']) => posix.join(posix.dirname(file), to));
}

/** The longest way from a file down to one that imports nothing, itself counted; Infinity if it comes back to itself. */
function floorsUnder(file: string, above: readonly string[] = []): number {
  if (above.includes(file)) return Number.POSITIVE_INFINITY;
  return 1 + Math.max(0, ...importsOf(file).map((to) => floorsUnder(to, [...above, file])));
}

it('has rooms whose arrows point one way, no circles, and few floors', () => {
  const roomOf = (file: string) => file.replace(/\/.*/, '');
  expect(importsOf('index')).toContain('run');
  for (const from of files.keys()) {
    const room = roomOf(from);
    expect(Object.keys(ROOMS)).toContain(room);
    for (const to of importsOf(from)) expect([room, ...(ROOMS[room] ?? [])], `${from} -> ${to}`).toContain(roomOf(to));
    expect(floorsUnder(from), from).toBeLessThanOrEqual(MOST_FLOORS);
  }
  // No library either.
  for (const file of ['plan', 'errors']) expect(files.get(file), file).not.toMatch(/^import /m);
});

it('has few lines, in small files, each with a sentence on its one job', () => {
  const lines = [...files.values()].map((text) => text.split('\n').length - 1);
  expect(lines.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(MOST_LINES);
  expect(Math.max(...lines)).toBeLessThanOrEqual(MOST_LINES_A_FILE);
  for (const [file, text] of files) expect(text, file).toMatch(/^\/\*\*\s/);
});

it('needs two libraries, and is locked without a host, with the binaries of every platform', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  expect(Object.keys(dependencies).sort()).toEqual(['oauth4webapi', 'valibot']);
  const lock = readFileSync('package-lock.json', 'utf8');
  expect(lock).not.toMatch(/"resolved"/);
  for (const name of ['workerd', 'esbuild', 'biome', 'typescript'])
    for (const platform of ['darwin', 'linux', 'win'])
      expect(lock).toMatch(new RegExp(`"node_modules/@[^"]*(${name}|cli)[^"]*${platform}[^"]*"`));
});
