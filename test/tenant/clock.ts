/** Time for tests: a clock that stands still until all work waits for it, and the real one behind the same interface. */
import { setTimeout } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after that many milliseconds, or as soon as `signal` is aborted. It never rejects. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Real work (cryptography on another thread, say) during which virtual time must not move. */
  hold?<T>(work: Promise<T>): Promise<T>;
}

export type FakeClock = ReturnType<typeof fakeClock>;

const LONGEST_TIMER = 2 ** 31 - 1;
const QUIET_TURNS = 3;
const STUCK_AFTER_MS = 3_000;

export function fakeClock() {
  let now = Date.parse('2026-05-04T03:00:00Z');
  let moves = 0;
  let held = 0;
  let driving = false;
  /** In the order of their time. */
  const sleepers: { due: number; wake(): void }[] = [];
  const running = new Set<(error: Error) => void>();

  function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    checkTimer(milliseconds);
    moves++;
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = () => {
        signal?.removeEventListener('abort', cancel);
        resolve();
      };
      const sleeper = { due: now + Math.max(0, milliseconds), wake };
      const cancel = () => {
        sleepers.splice(sleepers.indexOf(sleeper), 1);
        moves++;
        resolve();
      };
      const later = sleepers.findIndex((other) => other.due > sleeper.due);
      sleepers.splice(later < 0 ? sleepers.length : later, 0, sleeper);
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /** Moves time to the next sleeper and wakes everyone due then. */
  function jump(): boolean {
    const first = sleepers[0];
    if (held > 0 || !first) return false;
    now = first.due;
    moves++;
    while (sleepers[0] && sleepers[0].due <= now) sleepers.shift()?.wake();
    return true;
  }

  async function settle(): Promise<void> {
    let seen = moves;
    for (let quiet = 0; quiet < QUIET_TURNS && running.size > 0; quiet++) {
      await turn();
      if (moves !== seen) quiet = -1;
      seen = moves;
    }
  }

  async function waitForRealWork(): Promise<void> {
    const seen = moves;
    const works = running.size;
    const since = Date.now();
    while (moves === seen && running.size === works) {
      await turn();
      if (Date.now() - since < STUCK_AFTER_MS) continue;
      const error = new Error(`stuck: at ${new Date(now).toISOString()} nothing moves and no timer is pending`);
      for (const fail of running) fail(error);
      running.clear();
    }
  }

  async function drive(): Promise<void> {
    driving = true;
    while (running.size > 0) {
      await settle();
      if (running.size > 0 && !jump()) await waitForRealWork();
    }
    driving = false;
  }

  /** Drives `work` to its end. Several may run side by side: time moves only when all of them wait. */
  function run<T>(work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      running.add(reject);
      const end = () => running.delete(reject);
      Promise.resolve().then(work).finally(end).then(resolve, reject);
      if (!driving) drive();
    });
  }

  async function hold<T>(work: Promise<T>): Promise<T> {
    held++;
    try {
      return await work;
    } finally {
      held--;
      moves++;
    }
  }

  /** Lets that much time pass, waking every sleeper on the way. */
  const advance = (milliseconds: number) =>
    run(async () => {
      await sleep(milliseconds);
      // Others who woke at the same instant get their turn before the caller looks.
      await turn();
      await turn();
    });

  return { now: () => now, sleep, hold, run, advance };
}

export const realClock: Clock = {
  now: () => Date.now(),
  sleep: async (milliseconds, signal) => {
    checkTimer(milliseconds);
    await setTimeout(milliseconds, undefined, signal && { signal }).catch(() => {});
  },
};

/** A timer of JavaScript asked to wait longer than this fires at once, so a sleep that asks for it is a mistake. */
function checkTimer(milliseconds: number): void {
  if (!(milliseconds <= LONGEST_TIMER)) throw new RangeError(`a timer cannot wait ${milliseconds} ms`);
}

/** One turn of the real event loop. In workerd promises of streams and of WebCrypto settle within one. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
