/** On-demand provisioning: hands newcomers to Cloudflare at once. It is a help only, and never fails a run. */
import * as v from 'valibot';
import type { Group } from './directory';
import { isTrouble, OutOfTime, orTrouble } from './errors';
import { type Graph, type GraphAnswer, plain, refusal } from './graph';
import { type Deadline, parseJson } from './http';
import type { Io } from './io';
import type { UserId } from './plan';
import { findJob, type Job, jobPath, type MissingJob } from './provisioning-job';
import type { Report } from './report';
import { people, reasonOf, traceOf } from './trouble';

/** learn.microsoft.com/graph/api/synchronization-synchronizationjob-provisionondemand and entra provision-on-demand. */
const ON_DEMAND = {
  membersPerCall: 5,
  callsPerWindow: 5,
  windowMilliseconds: 10_100,
  callLimitMilliseconds: 40_000,
  /** A call takes half a minute, so it is worth a moment until the new memberships are known (entra: a few seconds). */
  settleMilliseconds: 6_000,
  offerAgainAfterMilliseconds: 10_000,
} as const;

/** Nothing left to do for Cloudflare (documented example of provisionOnDemand). */
const ALREADY_THERE = 'RedundantExport';
/** Out of scope (entra how-provisioning-works); of a newcomer it may only mean that his membership has not arrived. */
const NOT_IN_SCOPE = 'NotEffectivelyEntitled';

export interface Newcomers {
  group: Group;
  users: readonly UserId[];
}

/** Never throws; what went wrong is a warning, and left to the regular cycle. `newcomers` in order of urgency. */
export type Provision = (newcomers: readonly Newcomers[]) => Promise<void>;

/** The job and its rule, kept for the life of the isolate. */
export interface ProvisioningMemory {
  provisioning?: Job | undefined;
}

interface Offer {
  groupId: string;
  users: readonly UserId[];
  notBeforeMilliseconds: number;
}

const Result = v.object({
  result: v.string(),
  details: v.optional(v.object({ errorCode: v.nullish(v.string()) }), {}),
});
const OnDemand = v.object({ key: v.pipe(v.string(), v.transform(parseJson), Result) });

/** On-demand provisioning by the enterprise application of that object id, for one run. */
export function createProvisioning(
  servicePrincipalId: string,
  graph: Graph,
  io: Io,
  deadline: Deadline,
  report: Report,
  memory: ProvisioningMemory,
): Provision {
  async function findJobOnce(): Promise<Job | MissingJob> {
    if (memory.provisioning) return memory.provisioning;
    const job = await findJob(graph, servicePrincipalId);
    if (typeof job === 'object') memory.provisioning = job;
    return job;
  }

  function send({ jobId, ruleId }: Job, { groupId, users }: Offer): Promise<GraphAnswer> {
    const members = users.map((objectId) => ({ objectId, objectTypeName: 'User' }));
    const subjects = [{ objectId: groupId, objectTypeName: 'Group', links: { members } }];
    return graph.send({
      method: 'POST',
      path: `${jobPath(servicePrincipalId, jobId)}/provisionOnDemand`,
      body: { parameters: [{ ruleId, subjects }] },
      attempts: 1,
      limitMilliseconds: ON_DEMAND.callLimitMilliseconds,
    });
  }

  function warn(error: unknown): void {
    const trace = { ...traceOf(error) };
    if (traceOf(error).status === 403) report.warn('provisioning-refused', undefined, trace);
    else report.warn('provisioning-failed', { reason: reasonOf(error) }, trace);
  }

  /** Gives every offer its turn, five at a time; tells what became of each of them. */
  async function offerAll(job: Job, open: Offer[]) {
    const starts: number[] = [];
    const skipped = new Map<string, number>();
    let done = 0;
    let left = 0;
    let ended = false;

    /** Waits for it. False if there is no time for it, or if another call has ended it all meanwhile. */
    async function turnOf({ notBeforeMilliseconds }: Offer): Promise<boolean> {
      // In order, so that the fifth last is the earliest of five.
      const free = (starts.at(-ON_DEMAND.callsPerWindow) ?? -Infinity) + ON_DEMAND.windowMilliseconds;
      const start = Math.max(io.now(), notBeforeMilliseconds, starts.at(-1) ?? 0, free);
      const pause = start - io.now();
      if (ended || pause >= deadline.leftMilliseconds()) return false;
      starts.push(start);
      await io.sleep(pause);
      return !ended;
    }

    async function offer(one: Offer): Promise<void> {
      const answer = (await turnOf(one)) ? await orTrouble(send(job, one)) : undefined;
      if (answer === undefined) {
        left += one.users.length;
        return;
      }
      if (isTrouble(answer) || answer.status !== 200) {
        left += one.users.length;
        if (!ended && !(answer instanceof OutOfTime)) warn(isTrouble(answer) ? answer : refusal(answer));
        ended = true;
        memory.provisioning = undefined;
        return;
      }
      const errorCode = whySkipped(answer);
      if (errorCode === undefined || errorCode === ALREADY_THERE) done += one.users.length;
      else if (errorCode === NOT_IN_SCOPE) {
        open.push({ ...one, notBeforeMilliseconds: io.now() + ON_DEMAND.offerAgainAfterMilliseconds });
      } else skipped.set(errorCode, (skipped.get(errorCode) ?? 0) + one.users.length);
    }

    async function takeTurns(): Promise<void> {
      for (let one = open.shift(); one !== undefined; one = open.shift()) await offer(one);
    }
    await Promise.all(Array.from({ length: ON_DEMAND.callsPerWindow }, takeTurns));
    return { done, left, skipped };
  }

  return async (newcomers) => {
    const settled = io.now() + ON_DEMAND.settleMilliseconds;
    const open = newcomers.flatMap(({ group, users }) => inFives(group.id, users, settled));
    if (open.length === 0) return;
    const job = await orTrouble(findJobOnce());
    if (job instanceof OutOfTime) return report.warn('provisioning-left', { count: countUsers(open) });
    if (isTrouble(job)) return warn(job);
    if (typeof job === 'string') return report.warn(job, undefined);
    const { done, left, skipped } = await offerAll(job, open);
    if (done > 0)
      report.info(`Handed ${people(done)} to Cloudflare by on-demand provisioning.`, { provisioned: done });
    for (const [errorCode, count] of skipped) report.warn('provisioning-skipped', { errorCode, count });
    if (left > 0) report.warn('provisioning-left', { count: left });
  };
}

function inFives(groupId: string, users: readonly UserId[], notBeforeMilliseconds: number): Offer[] {
  const offers: Offer[] = [];
  for (let start = 0; start < users.length; start += ON_DEMAND.membersPerCall) {
    const five = users.slice(start, start + ON_DEMAND.membersPerCall);
    offers.push({ groupId, users: five, notBeforeMilliseconds });
  }
  return offers;
}

function countUsers(offers: readonly Offer[]): number {
  return offers.reduce((sum, { users }) => sum + users.length, 0);
}

/** HTTP 200 is not success: `key` is JSON as text, and says what happened. Undefined for success. */
function whySkipped({ body }: GraphAnswer): string | undefined {
  const answer = v.safeParse(OnDemand, body);
  if (!answer.success) return 'no result';
  const { result, details } = answer.output.key;
  return result === 'Success' ? undefined : (plain(details.errorCode) ?? plain(result) ?? 'no code');
}
