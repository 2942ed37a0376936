/** Faults by chance: every documented way to fail, each only where it can happen. */
import type { Call } from './exchange';
import { broken, cutBody, endlessBody, type Fault, hang, html, status, throttled } from './faults';

interface Kind {
  fits(call: Call): boolean;
  make(random: () => number, call: Call): Fault;
}

const read = (call: Call) => call.method === 'GET';
const write = (call: Call) => call.method !== 'GET' && !call.login;
const graph = (call: Call) => !call.login;
const any = () => true;
const whole = (call: Call) => !call.part;

/** The write may have happened although the answer says nothing of it. */
const maybe = (random: () => number) => random() < 0.5;

function plain(code: number, fits: Kind['fits'], headers?: Record<string, string>): Kind {
  const more = headers ? { headers } : {};
  return {
    fits,
    make: (random, call) => status(code, { ...more, applied: write(call) && code >= 500 && maybe(random) }),
  };
}

// concepts/throttling.md, concepts/errors.md; facts 3.4, 5.2, 5.3
const KINDS = {
  throttled: {
    fits: any,
    // throttling-limits: "don't return a Retry-After header" for Identity Protection
    make: (random, call) =>
      call.path.startsWith('/identityProtection')
        ? throttled()
        : throttled(['1', '2.128', '5'][Math.floor(random() * 3)] ?? '1'),
  },
  throttledBare: { fits: any, make: () => throttled() },
  unauthorized: plain(401, graph),
  notFound: plain(404, (call) => graph(call) && call.path.startsWith('/groups/')),
  timeout: plain(408, any),
  concurrency: plain(409, write),
  internal: plain(500, any),
  gateway: plain(502, any),
  unavailable: plain(503, any, { 'Retry-After': '2' }),
  unavailableBare: plain(503, any),
  gatewayTimeout: plain(504, any),
  broken: { fits: whole, make: (random, call) => broken({ applied: write(call) && maybe(random) }) },
  hang: { fits: whole, make: (random, call) => hang({ applied: write(call) && maybe(random) }) },
  endless: { fits: (call) => whole(call) && read(call), make: endlessBody },
  html: { fits: (call) => whole(call) && read(call), make: html },
  cut: { fits: (call) => whole(call) && read(call), make: cutBody },
} satisfies Record<string, Kind>;

export type ChaosKind = keyof typeof KINDS;
export const CHAOS: Record<ChaosKind, Kind> = KINDS;
