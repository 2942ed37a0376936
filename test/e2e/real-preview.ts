/** The real command of the preview, alone in its process with the chain that it examines; BROKEN disables the policy. */
import { chainWorld, writeFiles } from './chain-world';

const world = chainWorld('groups');
world.policy.enabled = process.env['BROKEN'] === undefined;
const { folder, remove } = writeFiles(world);
process.chdir(folder);
Object.assign(process.env, world.variables);
globalThis.fetch = world.fetch;
await import('../tools/preview/main').finally(remove);
