/** On-demand provisioning: hands newcomers to Cloudflare at once. It is a help only, and never fails a run. */
import * as v from 'valibot';
import { attempt, type Context } from '../context';
import { StepError } from '../errors';
import { type GraphOptions, parserOf, plain } from '../graph/graph';
import { readList } from '../graph/many';
import { parseJson } from '../http/http';
import { people } from '../log/events';
import type { UserId } from '../plan';

/** learn.microsoft.com/graph/api/synchronization-synchronizationjob-provisionondemand and entra provision-on-demand. */
const ON_DEMAND = {
  membersPerCall: 5,
  /** More within ten seconds would be refused. */
  calls: 5,
  timeoutMs: 40_000,
  /** A call takes half a minute, so it is worth a moment until the new memberships are known (entra: a few seconds). */
  settleMs: 6_000,
} as const;
/** Nothing left to do for Cloudflare (documented example of provisionOnDemand). */
const ALREADY_THERE = 'RedundantExport';

/** Users who were added to a group. */
export type Newcomers = { groupId: string; users: readonly UserId[] };

const word = v.nullish(v.string());
const State = v.nullish(v.object({ state: word, code: word }));
const jobOf = parserOf(v.object({ id: v.pipe(v.string(), v.regex(/^[\w.-]+$/)), schedule: State, status: State }));
const Mapping = v.object({ enabled: v.optional(v.unknown()), sourceObjectName: word });
const Rule = v.object({ id: v.string(), objectMappings: v.nullish(v.array(Mapping), []) });
const schemaOf = parserOf(v.object({ synchronizationRules: v.array(Rule) }));
const Result = v.object({ result: v.string(), details: v.optional(v.object({ errorCode: word }), {}) });
const resultOf = parserOf(v.object({ key: v.pipe(v.string(), v.transform(parseJson), Result) }));

/**
 * Offers newcomers, in order of urgency, to the enterprise application SCIM_SERVICE_PRINCIPAL_ID, if it is set, in one
 * wave of five calls of five users; the others wait for the regular cycle. What goes wrong is a warning. Throws SignInError.
 */
export async function provision(context: Context, newcomers: readonly Newcomers[]): Promise<void> {
  const { config, graph, io, log, cache, endMs } = context;
  const warn = (error: StepError) => {
    cache.provisioning = undefined;
    log.warn([401, 403].includes(error.trace.status) ? 'provisioning-refused' : 'provisioning-failed', { error });
  };
  const fives = newcomers.flatMap(inFives);
  if (config.SCIM_SERVICE_PRINCIPAL_ID === undefined || fives.length === 0 || io.now() + ON_DEMAND.settleMs >= endMs)
    return;
  const options = { untilMs: endMs, optional: true };
  const find = cache.provisioning ?? attempt(findJob(context, config.SCIM_SERVICE_PRINCIPAL_ID, options), warn);
  const [job] = await Promise.all([find, io.sleep(ON_DEMAND.settleMs)]);
  cache.provisioning = job;
  if (job === undefined) return;

  const once = { ...options, timeoutMs: ON_DEMAND.timeoutMs, attempts: 1 };
  const offer = async ({ groupId, users }: Newcomers) => {
    const members = users.map((objectId) => ({ objectId, objectTypeName: 'User' }));
    const subjects = [{ objectId: groupId, objectTypeName: 'Group', links: { members } }];
    const body = { parameters: [{ ruleId: job.ruleId, subjects }] };
    const path = `${job.path}/provisionOnDemand`;
    const { status, trace, ...response } = await graph.send({ method: 'POST', path, body }, once);
    return status === 200 ? { users, code: whySkipped(response.body) } : { users, error: new StepError(trace) };
  };
  const offered = await Promise.all(fives.slice(0, ON_DEMAND.calls).map(offer));
  const count = (some: readonly { users: readonly UserId[] }[]) => some.flatMap(({ users }) => users).length;
  const handed = count(offered.filter(({ code, error }) => !code && !error));
  const left = count(fives) - handed;
  const others = left > 0 ? ` ${people(left)} wait for the regular cycle.` : '';
  log.info(`Handed ${people(handed)} to Cloudflare by on-demand provisioning.${others}`, { provisioned: handed });
  const [error] = offered.flatMap((one) => one.error ?? []);
  if (error) warn(error);
  const codes = new Set(offered.flatMap(({ code }) => code ?? []));
  if (codes.size > 0) log.warn('provisioning-skipped', { codes: [...codes].join(', ') });
}

/** The active job with a rule for groups (learn: synchronization-synchronizationjob-list, -synchronizationschema-get). */
async function findJob({ graph, log }: Context, servicePrincipalId: string, options: GraphOptions) {
  const jobsPath = `/servicePrincipals/${servicePrincipalId}/synchronization/jobs`;
  const started = (await readList(graph, jobsPath, jobOf, options)).filter((job) => job.schedule?.state === 'Active');
  const healthy = started.filter(({ status }) => status?.code !== 'Quarantine');
  for (const { id } of healthy) {
    const path = `${jobsPath}/${id}`;
    const { status, body, trace } = await graph.send({ method: 'GET', path: `${path}/schema` }, options);
    if (status !== 200) throw new StepError(trace);
    const rule = schemaOf(body)?.synchronizationRules.find(({ objectMappings }) =>
      objectMappings.some(({ enabled, sourceObjectName }) => enabled === true && sourceObjectName === 'Group'),
    );
    if (rule !== undefined) return { path, ruleId: rule.id };
  }
  const isQuarantined = started.length > 0 && healthy.length === 0;
  log.warn(isQuarantined ? 'provisioning-quarantine' : 'provisioning-no-job', undefined);
  return undefined;
}

function inFives({ groupId, users }: Newcomers): Newcomers[] {
  const starts = users.flatMap((_, index) => (index % ON_DEMAND.membersPerCall === 0 ? [index] : []));
  return starts.map((start) => ({ groupId, users: users.slice(start, start + ON_DEMAND.membersPerCall) }));
}

/** HTTP 200 is not success: `key` is JSON as text, and says what happened. Undefined for success. */
function whySkipped(body: unknown): string | undefined {
  const { key } = resultOf(body) ?? {};
  const code = key && (plain(key.details.errorCode) ?? plain(key.result) ?? 'no code');
  return key?.result === 'Success' || code === ALREADY_THERE ? undefined : (code ?? 'no result');
}
