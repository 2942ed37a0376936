/** The real clock for a tenant, with minutes that can be skipped: nobody waits for the next run of the cron. */
import { type Clock, realClock } from './tenant/clock';

export const MINUTE_MILLISECONDS = 60_000;

export interface SkippingClock extends Clock {
  skip(milliseconds: number): void;
}

export function skippingClock(): SkippingClock {
  let skipped = 0;
  return {
    ...realClock,
    now: () => realClock.now() + skipped,
    skip: (milliseconds) => {
      skipped += milliseconds;
    },
  };
}
