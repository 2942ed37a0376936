/** The monitoring service that the heartbeat of a history goes to, and the rules for who may ping it when. */
import type { Io } from '../../src/io';
import type { Clock } from '../tenant/clock';
import type { History } from './history';

/** A secret, like any such address. */
export const HEARTBEAT_URL = 'https://beat.example/ping/5d0b7c1e-heartbeat';

/** Stands before the fetch of one run; everything but the heartbeat goes on to `inner`. */
export function heartbeatDesk(kind: History['heartbeat'], clock: Clock, inner: Io['fetch']) {
  let pings = 0;
  const late: string[] = [];
  return {
    async fetch(url: string, init: RequestInit): Promise<Response> {
      if (url !== HEARTBEAT_URL) {
        if (pings > 0) late.push(`${init.method} ${url} after the heartbeat`);
        return inner(url, init);
      }
      pings += 1;
      if (kind === 'never answers') await clock.sleep(3_600_000, init.signal ?? undefined);
      if (kind === 'breaks off' || kind === 'never answers') throw new TypeError(`lost: ${HEARTBEAT_URL}`);
      return new Response(null, { status: kind === 'takes it' ? 200 : 500 });
    },
    /** What is wrong with the pings of a run that ended so. */
    wrong: (due: boolean) =>
      pings === Number(due) ? late : [...late, `I11: ${pings} heartbeats where ${Number(due)} was due`],
  };
}
