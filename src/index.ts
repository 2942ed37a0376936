/** The Worker: wakes up on its cron and runs once. There is no other way in. */
import type { Cache } from './context';
import { worldIo } from './io';
import { run } from './run';

const cache: Cache = {};

export default {
  async scheduled(controller, env) {
    // The next minute is the retry.
    controller.noRetry();
    await run(env, controller.cron, worldIo, console, cache);
  },
} satisfies ExportedHandler<Record<string, unknown>>;
