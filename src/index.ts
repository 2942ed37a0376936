/** The Worker: wakes up once a minute and runs the sync. */
export default {
  async scheduled(controller) {
    controller.noRetry();
  },
} satisfies ExportedHandler;
