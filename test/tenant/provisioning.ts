/** Provisioning to Cloudflare: synchronization jobs, their schema, on-demand provisioning, and who has arrived there. */
import type { SynchronizationJob, SynchronizationSchema } from '@microsoft/microsoft-graph-types';
import { found, malformed, usualRefusal } from './errors';
import { type Answer, type Call, ok, readBody, readQuery } from './exchange';
import { MOST_CALLS, onDemandResult, readOnDemand, WINDOW_MS } from './on-demand';
import { context } from './pages';
import type { Route } from './routes';
import type { World } from './world';

export interface ProvisioningOptions {
  /** How long one on-demand call takes ("typically takes less than 30 seconds", provision-on-demand.md). */
  delayMs?: number;
  /** One active job with one rule for users and groups unless said. */
  jobs?: readonly ProvisioningJob[];
}

interface ProvisioningJob {
  schedule?: 'Active' | 'Disabled' | 'Paused';
  code?: 'Active' | 'Quarantine';
  rules?: readonly { mappings: readonly { source: string; enabled?: boolean }[] }[];
}

export type Provisioning = ReturnType<typeof createApplication>;

// learn:synchronization-synchronizationjob-provisionondemand, -list and -schema-get, permissions
const WRITE = ['Synchronization.ReadWrite.All', 'Application.ReadWrite.OwnedBy'];
const READ = [...WRITE, 'Synchronization.Read.All'];
const USUAL_RULE = { mappings: ['User', 'Group'].map((source) => ({ source, enabled: true })) };

export function createProvisioning(world: World) {
  const applications = new Map<string, Provisioning>();

  function add(options: ProvisioningOptions = {}): Provisioning {
    const application = createApplication(options, world);
    applications.set(application.servicePrincipalId, application);
    return application;
  }

  const find = (id: string) => found(applications.get(id.toLowerCase()), id);
  function findJob(id: string, encoded: string) {
    const one = find(id).jobs.find(({ job }) => job.id === decodeURIComponent(encoded));
    return found(one, encoded);
  }

  /** learn:synchronization-synchronizationjob-list */
  function listJobs(call: Call, _: World, id: string): Answer {
    readQuery(call, []);
    const value = find(id).jobs.map(({ job }) => job);
    return ok({ ...context(world, `servicePrincipals('${id}')/synchronization/jobs`), value });
  }

  /** learn:synchronization-synchronizationschema-get */
  function getSchema(call: Call, _: World, id: string, jobId: string): Answer {
    readQuery(call, []);
    return ok({ ...context(world, 'schema/$entity'), ...findJob(id, jobId).schema });
  }

  /** learn:synchronization-synchronizationjob-provisionondemand */
  async function provisionOnDemand(call: Call, _: World, id: string, encoded: string): Promise<Answer> {
    const application = find(id);
    const { job, schema } = findJob(id, encoded);
    const subject = readOnDemand(readBody(call), schema.synchronizationRules ?? []);
    const now = world.clock.now();
    // "The rate limit for this API is 5 requests per 10 seconds"; that Retry-After comes with it is inferred.
    if (application.calls.filter(({ at }) => now - at < WINDOW_MS).length >= MOST_CALLS)
      throw usualRefusal(429, undefined, { 'Retry-After': '10' });
    // That a job that is paused or in quarantine refuses is inferred: the documents do not say.
    if (job.status?.code === 'Quarantine' || job.schedule?.state !== 'Active')
      throw malformed('The synchronization job is not running.');

    const seen = onDemandResult(world, application, subject);
    const made = { at: now, ...subject, result: 'under way' };
    application.calls.push(made);
    await world.clock.sleep(application.delayMs);
    const there = application.target.get(subject.groupId) ?? [];
    application.target.set(subject.groupId, new Set([...there, ...seen.exported]));
    made.result = seen.outcome;
    return ok(seen.body);
  }

  /** The regular cycle: Cloudflare gets all additions and removals. */
  function cycle(): void {
    for (const group of world.directory.groups.values()) {
      const users = [...group.members].flatMap(([id, { kind }]) => (kind === 'user' ? id : []));
      for (const { target, unassigned } of applications.values())
        if (!unassigned.has(group.id)) target.set(group.id, new Set(users));
    }
  }

  const path = (rest: string) => new RegExp(`^/servicePrincipals/([0-9A-Za-z-]+)/synchronization/jobs${rest}$`);
  const routes: readonly Route[] = [
    { method: 'GET', path: path(''), roles: READ, handle: listJobs },
    { method: 'GET', path: path('/([^/]+)/schema'), roles: READ, handle: getSchema },
    { method: 'POST', path: path('/([^/]+)/provisionOnDemand'), roles: WRITE, handle: provisionOnDemand },
  ];
  return { add, cycle, routes };
}

function createApplication({ delayMs = 20_000, jobs = [{}] }: ProvisioningOptions, world: World) {
  const servicePrincipalId = world.newId();
  const target = new Map<string, Set<string>>();
  const calls: { at: number; groupId: string; members: string[]; result: string }[] = [];
  return {
    ...{ servicePrincipalId, delayMs, target, calls, jobs: jobs.map((job) => describe(job, world)) },
    /** Users of the group on the Cloudflare side, sorted. */
    arrived: (groupId: string) => [...(target.get(groupId) ?? [])].sort(),
    /** Groups that are not assigned to the enterprise application, so that nobody in them is provisioned. */
    unassigned: new Set<string>(),
  };
}

/** learn:resources/synchronization-synchronizationjob and -synchronizationschema */
function describe(wanted: ProvisioningJob, { newId }: World) {
  const { schedule: state = 'Active', code = 'Active', rules = [USUAL_RULE] } = wanted;
  // Ids of jobs are no GUIDs: "scim.<hex>.<guid>" (observed).
  const id = `scim.${newId().replaceAll('-', '')}.${newId()}`;
  const job: SynchronizationJob = { id, templateId: 'scim', schedule: { state }, status: { code } };
  const schema: SynchronizationSchema = {
    id,
    synchronizationRules: rules.map(({ mappings }) => ({
      ...{ id: newId(), name: 'Provision to SCIM' },
      objectMappings: mappings.map(({ source, enabled = true }) => ({ enabled, sourceObjectName: source })),
    })),
  };
  return { job, schema };
}
