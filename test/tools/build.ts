/** `npm run build`: the bundle as it would be deployed, made only if something it is made of is newer; silent if it succeeds. */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';

const BUNDLE = 'dist/index.js';
/** node_modules/.package-lock.json is written by each installation. */
const MADE_OF = ['wrangler.toml', 'package.json', 'tsconfig.json', 'node_modules/.package-lock.json'];
const WRANGLER = ['node_modules/wrangler/bin/wrangler.js', 'deploy', '--dry-run', '--outdir', 'dist'];

const changedMs = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
// The folders too: theirs is the time at which a file was renamed or deleted.
const sources = ['src', ...readdirSync('src', { recursive: true, encoding: 'utf8' }).map((name) => `src/${name}`)];

if (changedMs(BUNDLE) <= Math.max(...[...sources, ...MADE_OF].map(changedMs))) {
  const { status, stdout, stderr } = spawnSync(process.execPath, WRANGLER, { encoding: 'utf8' });
  if (status !== 0) {
    console.error(stdout + stderr);
    process.exitCode = 1;
  }
}
