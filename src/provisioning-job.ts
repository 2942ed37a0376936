/** Which provisioning job of the enterprise application carries groups to Cloudflare, and by which of its rules. */
import * as v from 'valibot';
import { type Graph, refusal } from './graph';

export interface Job {
  jobId: string;
  ruleId: string;
}
/** The trouble that it is when there is none to go by. */
export type MissingJob = 'provisioning-no-job' | 'provisioning-quarantine';

const Jobs = v.object({
  id: v.string(),
  schedule: v.nullish(v.object({ state: v.nullish(v.string()) })),
  status: v.nullish(v.object({ code: v.nullish(v.string()) })),
});
const Mapping = v.object({ enabled: v.optional(v.unknown()), sourceObjectName: v.nullish(v.string()) });
const Schema = v.object({
  synchronizationRules: v.array(
    v.object({ id: v.string(), objectMappings: v.nullish(v.array(Mapping), []) }),
  ),
});

/**
 * The active job with a rule that maps groups (learn: synchronization-synchronizationjob-list, -synchronizationschema-get).
 * Throws as Graph does.
 */
export async function findJob(graph: Graph, servicePrincipalId: string): Promise<Job | MissingJob> {
  const started = (await graph.readAll(jobsPath(servicePrincipalId), Jobs)).filter(
    ({ schedule }) => schedule?.state === 'Active',
  );
  const healthy = started.filter(({ status }) => status?.code !== 'Quarantine');
  if (started.length > 0 && healthy.length === 0) return 'provisioning-quarantine';
  for (const { id: jobId } of healthy) {
    const answer = await graph.send({ method: 'GET', path: `${jobPath(servicePrincipalId, jobId)}/schema` });
    if (answer.status !== 200) throw refusal(answer);
    const schema = v.safeParse(Schema, answer.body);
    const rule = schema.success ? schema.output.synchronizationRules.find(mapsGroups) : undefined;
    if (rule !== undefined) return { jobId, ruleId: rule.id };
  }
  return 'provisioning-no-job';
}

/** Ids of jobs are no GUIDs, and come from Graph. */
export function jobPath(servicePrincipalId: string, jobId: string): string {
  return `${jobsPath(servicePrincipalId)}/${encodeURIComponent(jobId)}`;
}

function jobsPath(servicePrincipalId: string): string {
  return `/servicePrincipals/${servicePrincipalId}/synchronization/jobs`;
}

function mapsGroups({
  objectMappings,
}: v.InferOutput<typeof Schema>['synchronizationRules'][number]): boolean {
  return objectMappings.some((one) => one.enabled === true && one.sourceObjectName === 'Group');
}
