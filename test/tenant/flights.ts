/** Which requests are under way: at most six of a client, and one writer to a group. */
import type { Service } from './world';

export interface Flight {
  /** The groups that the request changes. */
  writes(groups: readonly string[]): void;
  end(): void;
}

export interface Flights {
  start(client: string): Flight;
}

// Cloudflare docs, workers/platform/limits: six connections may wait for response headers at once.
const MOST_IN_FLIGHT = 6;

export function createFlights(world: Service & { maxInFlight: number }): Flights {
  const flying = new Set<{ client: string; groups: readonly string[] }>();

  function start(client: string): Flight {
    const flight = { client, groups: [] as readonly string[] };
    flying.add(flight);
    const own = [...flying].filter((other) => other.client === client).length;
    world.maxInFlight = Math.max(world.maxInFlight, own);
    if (own > MOST_IN_FLIGHT) world.violation(`${own} requests of ${client} in flight`);
    return {
      writes: (groups) => {
        const others = [...flying].filter((other) => other !== flight && other.client === client);
        const shared = groups.find((group) => others.some((other) => other.groups.includes(group)));
        if (shared) world.violation(`two writers to group ${shared} at once`);
        flight.groups = groups;
      },
      end: () => void flying.delete(flight),
    };
  }

  return { start };
}
