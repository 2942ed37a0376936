/** Which fault befalls which request: scripted rules, chance, and the cache of every Retry-After that was given. */
import { type Answer, type Call, isRiskCall } from './exchange';
import * as faults from './faults';
import type { Service } from './world';

/** Of faults by chance: every documented way to fail, each only where it can happen. */
type Kind = { fits(call: Call): boolean; make(random: () => number, call: Call): faults.Fault };

const any = () => true;
const notLogin = (call: Call) => !call.login;
const write = (call: Call) => call.method !== 'GET' && !call.login;
const whole = (call: Call) => !call.part;
const wholeRead = (call: Call) => !call.part && call.method === 'GET';
/** 408 and 409 are not known of Cloudflare. */
const microsoft = ({ href }: Call) => !href.startsWith('https://api.cloudflare.com/');

/** The write may have happened although the answer says nothing of it. */
const maybe = (random: () => number, call: Call) => ({ applied: write(call) && random() < 0.5 });

const plain = (code: number, fits: Kind['fits'], headers: Record<string, string> = {}): Kind => ({
  fits,
  make: (random, call) => faults.status(code, { headers, ...(code >= 500 ? maybe(random, call) : {}) }),
});

// concepts/throttling.md, concepts/errors.md; facts 3.4, 5.2, 5.3
const KINDS: readonly Kind[] = [
  {
    fits: any,
    // throttling-limits: "don't return a Retry-After header" for Identity Protection
    make: (random, call) =>
      faults.throttled(isRiskCall(call) ? undefined : ['1', '2.128', '5'][Math.floor(random() * 3)]),
  },
  ...[plain(429, any), plain(401, notLogin), plain(404, ({ path }) => path.startsWith('/groups/'))],
  ...[plain(408, microsoft), plain(409, (call) => write(call) && microsoft(call)), plain(500, any), plain(502, any)],
  ...[plain(503, any, { 'Retry-After': '2' }), plain(503, any), plain(504, any)],
  { fits: whole, make: (random, call) => faults.broken(maybe(random, call)) },
  { fits: whole, make: (random, call) => faults.hang(maybe(random, call)) },
  ...[faults.endlessBody, faults.html, faults.cutBody].map((make) => ({ fits: wholeRead, make })),
];

/** Timers and clocks of two processes differ a little; no Worker that waits as told comes earlier than this. */
export const TOLERANCE_MS = 2;
// concepts/throttling.md: "Avoid immediate retries, because all requests accrue against your usage limits."
const AT_ONCE_MS = 100;

export function createFaultBook(world: Service) {
  const rules = new Set<{ rule: faults.FaultRule; seen: number; hits: number }>();
  const windows = new Map<string, { until: number; milliseconds: number; answer?: Answer }>();
  let probability = 0;
  let struck: faults.FaultRule['on'] = () => true;

  function add(rule: faults.FaultRule) {
    const entry = { rule, seen: 0, hits: 0 };
    rules.add(entry);
    return { remove: () => void rules.delete(entry), hits: () => entry.hits };
  }

  function pick(call: Call): faults.Fault | undefined {
    const target = targetOf(call);
    for (const entry of rules) {
      const { on, give, times = Number.POSITIVE_INFINITY, after = 0 } = entry.rule;
      if (entry.hits >= times || (call.part && !give.inBatch) || !fits(on, target)) continue;
      if (entry.seen++ < after) continue;
      entry.hits++;
      return give;
    }
    return fits(struck, target) ? byChance(call) : undefined;
  }

  function byChance(call: Call): faults.Fault | undefined {
    if (probability === 0 || world.random() >= probability) return undefined;
    const possible = KINDS.filter((kind) => kind.fits(call));
    const fault = possible[Math.floor(world.random() * possible.length)]?.make(world.random, call);
    return fault && (fault.inBatch || !call.part) ? fault : undefined;
  }

  /** The refusal once more, for a request that comes before the Retry-After of its last answer is over. */
  function early(call: Call): Answer | undefined {
    const window = windows.get(keyOf(call));
    if (!window || world.clock.now() >= window.until) return undefined;
    const how = window.answer ? 'came back before Retry-After was over' : 'asked again at once when throttled';
    world.violations.push(`${how}: ${call.method} ${call.path}`);
    window.until = world.clock.now() + window.milliseconds;
    return window.answer;
  }

  function remember(call: Call, answer: Answer): void {
    windows.delete(keyOf(call));
    const value = Object.entries(answer.headers).find(([name]) => name.toLowerCase() === 'retry-after')?.[1] ?? '';
    const now = world.clock.now();
    const pause = Number.isNaN(Number(value)) ? Date.parse(value) - now : Number(value) * 1000;
    const milliseconds = pause > 0 ? pause - TOLERANCE_MS : AT_ONCE_MS;
    // What is no pause, negative or of the past, is no refusal of what comes next.
    if (pause > 0) windows.set(keyOf(call), { until: now + milliseconds, milliseconds, answer });
    else if (answer.status === 429) windows.set(keyOf(call), { until: now + milliseconds, milliseconds });
  }

  /** Faults by chance for this share of all requests, or of those that `on` tells; 0 ends it. */
  function chaos(chance: number, _?: undefined, on: faults.FaultRule['on'] = () => true): void {
    [probability, struck] = [chance, on];
  }

  return { add, chaos, early, pick, remember };
}

function targetOf({ method, path, client, part, text: body, href }: Call): faults.FaultTarget {
  const options = [...new URL(href).searchParams].map(([name, value]) => `${name}=${value}`);
  return { method, path, client, part, body, query: options.length > 0 ? `?${options.join('&')}` : '' };
}

function fits(on: faults.FaultRule['on'], target: faults.FaultTarget): boolean {
  return typeof on === 'function' ? on(target) : on.test(`${target.method} ${target.path}${target.query}`);
}

/** The same request again: its client, method, address and body. Another client knows nothing of it. */
const keyOf = ({ client, method, href, text }: Call) => [client, method, href, text].join(' ');
