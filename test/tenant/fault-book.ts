/** Which fault befalls which request: scripted rules, chance, and the memory of every Retry-After that was given. */
import { CHAOS, type ChaosKind } from './chaos';
import type { Answer, Call } from './exchange';
import type { Fault, FaultRule, FaultTarget } from './faults';
import type { Service } from './world';

export interface FaultBook {
  add(rule: FaultRule): { remove(): void; hits(): number };
  chaos(probability: number, kinds?: readonly ChaosKind[], on?: FaultRule['on']): void;
  /** The refusal once more, for a request that comes before the Retry-After of its last answer is over. */
  early(call: Call): Answer | undefined;
  pick(call: Call): Fault | undefined;
  remember(call: Call, answer: Answer): void;
}

// Timers and clocks of two processes differ a little; no Worker that waits as told comes earlier than this.
const TOLERANCE_MS = 2;

export function createFaultBook(world: Service): FaultBook {
  const rules = new Set<{ rule: FaultRule; seen: number; hits: number }>();
  const windows = new Map<string, { until: number; milliseconds: number; answer: Answer }>();
  let probability = 0;
  let kinds: readonly ChaosKind[] = [];
  let struck: FaultRule['on'] = () => true;

  function add(rule: FaultRule) {
    const entry = { rule, seen: 0, hits: 0 };
    rules.add(entry);
    return { remove: () => void rules.delete(entry), hits: () => entry.hits };
  }

  function pick(call: Call): Fault | undefined {
    const target = targetOf(call);
    for (const entry of rules) {
      const { on, give, times = Number.POSITIVE_INFINITY, after = 0 } = entry.rule;
      if (entry.hits >= times || (call.part && !give.inBatch)) continue;
      if (!fits(on, target)) continue;
      if (entry.seen++ < after) continue;
      entry.hits++;
      return give;
    }
    return fits(struck, target) ? byChance(call) : undefined;
  }

  function byChance(call: Call): Fault | undefined {
    if (probability === 0 || world.random() >= probability) return undefined;
    const possible = kinds.filter((kind) => CHAOS[kind].fits(call));
    const kind = possible[Math.floor(world.random() * possible.length)];
    const fault = kind && CHAOS[kind].make(world.random, call);
    return fault && (fault.inBatch || !call.part) ? fault : undefined;
  }

  function early(call: Call): Answer | undefined {
    const window = windows.get(keyOf(call));
    if (!window || world.clock.now() >= window.until - TOLERANCE_MS) return undefined;
    world.violation(`came back before Retry-After was over: ${call.method} ${call.path}`);
    window.until = world.clock.now() + window.milliseconds;
    return window.answer;
  }

  function remember(call: Call, answer: Answer): void {
    windows.delete(keyOf(call));
    const value = Object.entries(answer.headers).find(([name]) => name.toLowerCase() === 'retry-after')?.[1];
    if (value === undefined) return;
    const now = world.clock.now();
    const milliseconds = Number.isNaN(Number(value)) ? Date.parse(value) - now : Number(value) * 1000;
    // What is no pause, negative or of the past, opens no window.
    if (!(milliseconds > 0)) return;
    windows.set(keyOf(call), { until: now + milliseconds, milliseconds, answer });
  }

  return {
    ...{ add, early, pick, remember },
    chaos: (chance, some = Object.keys(CHAOS).filter(isKind), on = () => true) => {
      probability = chance;
      kinds = some;
      struck = on;
    },
  };
}

const isKind = (name: string): name is ChaosKind => name in CHAOS;

function targetOf(call: Call): FaultTarget {
  const query = new URL(call.href).search.replaceAll('+', ' ');
  const { method, path, client, part, text } = call;
  return { method, path, client, part, body: text, query: decode(query) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const fits = (on: FaultRule['on'], target: FaultTarget) =>
  typeof on === 'function' ? on(target) : matches(on, target);

/** A pattern with the g or y flag remembers where it stopped; here every test starts anew. */
function matches(pattern: RegExp, { method, path, query }: FaultTarget): boolean {
  return new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, '')).test(`${method} ${path}${query}`);
}

/** The same request again: its client, method, address and body. Another client knows nothing of it. */
const keyOf = ({ client, method, href, text }: Call) => [client, method, href, text].join(' ');
