/** The shape of the code that DESIGN asks for: rooms whose arrows point one way, small files, nothing deployed but src. */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';

const MOST_LINES_A_FILE = 200;
const MOST_LINES = 2_600;
const MOST_FLOORS = 11;

/** For everybody but plan and errors; that none of them leads back up is what "no circles" says. */
const SHARED = ['errors', 'plan', 'io', 'context', 'log', 'config'];
/** What each room may import: a folder of src, or a file that stands at its top. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  index: [...SHARED, 'run'],
  run: [...SHARED, 'sync', 'entra', 'cloudflare', 'graph', 'http'],
  sync: SHARED,
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

const files = new Map(
  readdirSync('src', { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .map((path) => [path.replace(/\.ts$/, ''), readFileSync(`src/${path}`, 'utf8')]),
);
const roomOf = (file: string) => file.replace(/\/.*/, '');
/** Before the rooms: only the names that stay are held, and no budget. */
const isFlat = ![...files.keys()].some((file) => file.includes('/'));

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

describe('The shape of src', () => {
  it('reads every import', () => {
    for (const file of files.keys())
      for (const to of importsOf(file)) expect(files.has(to), `${file} -> ${to}`).toBe(true);
    expect(importsOf('index')).toContain('run');
  });

  it('has no circles', () => {
    expect([...files.keys()].filter((file) => !Number.isFinite(floorsUnder(file)))).toEqual([]);
  });

  it('has rooms whose arrows point one way', () => {
    const held = [...files.keys()].filter((file) => !isFlat || roomOf(file) in ROOMS);
    const arrows = held.flatMap((from) => importsOf(from).map((to) => ({ from, to })));
    const wrong = arrows.filter(({ from, to }) => {
      const [room, target] = [roomOf(from), roomOf(to)];
      return room !== target && (!isFlat || target in ROOMS) && !ROOMS[room]?.includes(target);
    });
    expect(held.filter((file) => !(roomOf(file) in ROOMS))).toEqual([]);
    expect(wrong.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  it('has a plan and errors that import nothing, no library either', () => {
    for (const file of ['plan', 'errors']) expect(files.get(file), file).not.toMatch(/^import /m);
  });

  it.skipIf(isFlat)('has few floors and few lines', () => {
    const lines = [...files.values()].map((text) => text.split('\n').length - 1);
    expect(Math.max(...[...files.keys()].map((file) => floorsUnder(file)))).toBeLessThanOrEqual(MOST_FLOORS);
    expect(lines.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(MOST_LINES);
  });

  it('has small files, each with a sentence on its one job', () => {
    for (const [file, text] of files) {
      expect(text.split('\n').length, file).toBeLessThanOrEqual(MOST_LINES_A_FILE + 1);
      expect(text, file).toMatch(/^\/\*\* /);
    }
  });
});

describe('What is deployed', () => {
  it('needs two libraries only', () => {
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(Object.keys(dependencies).sort()).toEqual(['oauth4webapi', 'valibot']);
  });

  it('is locked without a host, with the binaries of every platform', () => {
    const lock = readFileSync('package-lock.json', 'utf8');
    expect(lock).not.toMatch(/"resolved"/);
    for (const name of ['workerd', 'esbuild', 'biome', 'typescript']) {
      for (const platform of ['darwin', 'linux', 'win']) {
        const binary = new RegExp(`"node_modules/@[^"]*(${name}|cli)[^"]*${platform}[^"]*"`);
        expect(lock, `${name} for ${platform}`).toMatch(binary);
      }
    }
  });
});
