/** `npm run preview`: whether someone who becomes risky will be isolated, and if not, which link is missing. */
import { parseArgs } from 'node:util';
import { inWorkerd } from './dry-run';
import { preview } from './preview';

const { env: environment } = parseArgs({ options: { env: { type: 'string', short: 'e' } } }).values;
console.log('A dry run in the tenant of these settings: it reads, and writes nothing.\n');
const { good, text } = await preview(process.cwd(), environment, process.env, fetch, inWorkerd);
console.log(text);
process.exitCode = good ? 0 : 1;
