/** The shape of the code that DESIGN asks for: arrows one way, files with one job, nothing deployed but src. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const LINES = 200;

const files = new Map(
  readdirSync('src')
    .filter((name) => name.endsWith('.ts'))
    .map((name) => [name.replace(/\.ts$/, ''), readFileSync(`src/${name}`, 'utf8')]),
);

/** The files of src that a file imports at run time; an import of types alone is no arrow. */
function importsOf(name: string): string[] {
  const text = files.get(name) ?? '';
  return [...text.matchAll(/^import (?!type )[^;]*?from '\.\/([\w-]+)';$/gms)].map(([, to = '']) => to);
}

it('arrows point one way', () => {
  const open = new Map([...files.keys()].map((name) => [name, importsOf(name)]));
  const settled = new Set<string>();
  for (let before = -1; before !== settled.size; ) {
    before = settled.size;
    for (const [name, targets] of open) if (targets.every((target) => settled.has(target))) settled.add(name);
  }
  expect([...files.keys()].filter((name) => !settled.has(name))).toEqual([]);
});

it('plan and errors import nothing, and sync knows no HTTP', () => {
  for (const name of ['plan', 'errors']) expect(files.get(name)).not.toMatch(/^import /m);
  expect(files.get('sync')).not.toMatch(/from '\.\/(graph|http|token|retry)'/);
});

it('no file is over 200 lines, and each begins with a sentence on its job', () => {
  for (const [name, text] of files) {
    expect(text.split('\n').length, name).toBeLessThanOrEqual(LINES + 1);
    expect(text, name).toMatch(/^\/\*\* /);
  }
});

it('only two libraries are deployed', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  expect(Object.keys(dependencies).sort()).toEqual(['oauth4webapi', 'valibot']);
});

it('the lock file names no host and lists the binaries of every platform', () => {
  const lock = readFileSync('package-lock.json', 'utf8');
  expect(lock).not.toMatch(/"resolved"/);
  for (const name of ['workerd', 'esbuild', 'biome', 'typescript']) {
    for (const platform of ['darwin', 'linux', 'win']) {
      const binary = new RegExp(`"node_modules/@[^"]*(${name}|cli)[^"]*${platform}[^"]*"`);
      expect(lock, `${name} for ${platform}`).toMatch(binary);
    }
  }
});
