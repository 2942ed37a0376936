/** Up to twenty Graph requests sent as one, each with an answer of its own. */
import * as v from 'valibot';
import { OutOfTime } from './errors';
import { describe, type Graph, type GraphAnswer, type GraphRequest, refusal } from './graph';
import { type Deadline, shareOf } from './http';
import type { Io } from './io';
import { decideRetry } from './retry';

/** learn.microsoft.com/graph/json-batching */
export const BATCH_PARTS = 20;

/**
 * Sends at most 20 requests as one and each part again as RETRY says. `settled` is told of each part as soon as its
 * answer is final, undefined if none came, so that nothing is forgotten when this throws as `Graph.send`. `share` as
 * in HttpOptions.
 */
export type Batch = (
  parts: readonly GraphRequest[],
  settled: (index: number, answer: GraphAnswer | undefined) => void,
  share?: number,
) => Promise<void>;

const BatchBody = v.object({
  responses: v.array(
    v.object({
      id: v.string(),
      status: v.number(),
      headers: v.optional(v.unknown()),
      body: v.optional(v.unknown()),
    }),
  ),
});

/** The batches of one run. */
export function createBatch(graph: Graph, io: Io, deadline: Deadline): Batch {
  return async (parts, settled, size = 1) => {
    const share = shareOf(deadline, size);
    let open = parts.map((part, index) => ({ part, id: String(index), index }));
    for (let attempt = 1; open.length > 0; attempt += 1) {
      const requests = open.map(({ part: { method, path: url, body }, id }) =>
        body === undefined
          ? { id, method, url }
          : { id, method, url, body, headers: { 'Content-Type': 'application/json' } },
      );
      const whole = await graph.send({ method: 'POST', path: '/$batch', body: { requests }, share: size });
      if (whole.status !== 200) throw refusal(whole);
      const parsed = v.safeParse(BatchBody, whole.body);
      const responses = parsed.success
        ? new Map(parsed.output.responses.map((one) => [one.id, one]))
        : undefined;

      const again: typeof open = [];
      let waitMilliseconds = 0;
      let outOfTime: OutOfTime | undefined;
      for (const entry of open) {
        const response = responses?.get(entry.id);
        const header = (name: string) => partHeader(response?.headers, name);
        const verdict = decideRetry({
          status: response?.status,
          retryAfter: header('retry-after'),
          attempt,
          repeatable: true,
          nowMilliseconds: io.now(),
          timeLeftMilliseconds: share.leftMilliseconds(response?.status),
          random: io.random(),
        });
        if (verdict.kind === 'wait') {
          again.push(entry);
          waitMilliseconds = Math.max(waitMilliseconds, verdict.milliseconds);
        } else if (verdict.why === 'deadline' && share.endsRun(response?.status)) {
          outOfTime = new OutOfTime('deadline', { throttled: verdict.throttled });
        } else settled(entry.index, response && describe(response.status, header, response.body));
      }
      if (outOfTime) throw outOfTime;
      if (again.length > 0) await io.sleep(waitMilliseconds);
      open = again;
    }
  };
}

function partHeader(headers: unknown, name: string): string | null {
  const found = Object.entries(headers ?? {}).find(([key]) => key.toLowerCase() === name);
  return found === undefined ? null : String(found[1]);
}
