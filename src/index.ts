/** The Worker: wakes up on its cron and runs once. There is no other way in. */
import { worldIo } from './io';
import { type Memory, run } from './run';

const memory: Memory = {};

export default {
  async scheduled(controller, env) {
    // The next minute is the retry.
    controller.noRetry();
    await run(env, controller.cron, worldIo, console, memory);
  },
} satisfies ExportedHandler<Record<string, unknown>>;
