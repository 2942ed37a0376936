/** Provisioning to Cloudflare: synchronization jobs, their schema, on-demand provisioning, and who has arrived there. */
import type { SynchronizationJob, SynchronizationSchema } from '@microsoft/microsoft-graph-types';
import { GraphRefusal, notFound } from './errors';
import { type Answer, type Call, ok, pick, readBody, readQuery, readSelect } from './exchange';
import { MOST_CALLS, onDemandResult, readOnDemand, WINDOW_MS } from './on-demand';
import type { Route } from './routes';
import type { World } from './world';

export interface ProvisioningOptions {
  /** How long one on-demand call takes ("typically takes less than 30 seconds", provision-on-demand.md). */
  delayMs?: number;
  /** One active job with one rule for users and groups unless said. */
  jobs?: readonly ProvisioningJob[];
}

export interface ProvisioningJob {
  id?: string;
  schedule?: 'Active' | 'Disabled' | 'Paused';
  code?: 'NotConfigured' | 'NotRun' | 'Active' | 'Paused' | 'Quarantine';
  rules?: readonly {
    id?: string;
    name?: string;
    mappings: readonly { source: string; enabled?: boolean }[];
  }[];
}

export interface OnDemandCall {
  at: number;
  groupId: string;
  members: string[];
  result: string;
}

export interface Provisioning {
  servicePrincipalId: string;
  /** Of the first job that is active and maps groups, or else of the first. */
  jobId: string;
  ruleId: string;
  /** Users of the group on the Cloudflare side, sorted. */
  arrived(groupId: string): string[];
  readonly calls: readonly OnDemandCall[];
  /** Groups that are not assigned to the enterprise application, so that nobody in them is provisioned. */
  readonly unassigned: Set<string>;
}

export interface ProvisioningDesk {
  add(options?: ProvisioningOptions): Provisioning;
  /** The regular cycle: Cloudflare gets all additions and removals. */
  cycle(): void;
  readonly routes: readonly Route[];
}

interface Application extends Provisioning {
  delayMs: number;
  jobs: { job: SynchronizationJob; schema: SynchronizationSchema }[];
  calls: OnDemandCall[];
  started: number[];
  target: Map<string, Set<string>>;
}

// learn:synchronization-synchronizationjob-provisionondemand, -list and -schema-get, permissions
const WRITE = ['Synchronization.ReadWrite.All', 'Application.ReadWrite.OwnedBy'];
const READ = [...WRITE, 'Synchronization.Read.All'];

export function createProvisioning(world: World): ProvisioningDesk {
  const applications = new Map<string, Application>();

  function add({ delayMs = 20_000, jobs: wanted = [{}] }: ProvisioningOptions = {}): Provisioning {
    const servicePrincipalId = world.newId();
    world.directory.others.set(servicePrincipalId, 'servicePrincipal');
    const jobs = wanted.map((job) => describe(job, world));
    const ready =
      jobs.find(({ job, schema }) => job.status?.code === 'Active' && groupRule(schema)) ?? jobs[0];
    const target = new Map<string, Set<string>>();
    const application: Application = {
      ...{ servicePrincipalId, delayMs, jobs, target, calls: [], started: [], unassigned: new Set() },
      jobId: ready?.job.id ?? '',
      ruleId: (ready && (groupRule(ready.schema) ?? ready.schema.synchronizationRules?.[0]))?.id ?? '',
      arrived: (groupId) => [...(target.get(groupId) ?? [])].sort(),
    };
    applications.set(servicePrincipalId, application);
    return application;
  }

  function find(id: string): Application {
    const application = applications.get(id.toLowerCase());
    if (!application) throw notFound(id);
    return application;
  }

  function findJob(id: string, encoded: string) {
    const jobId = decodeURIComponent(encoded);
    const found = find(id).jobs.find(({ job }) => job.id === jobId);
    // Code and text are inferred.
    if (!found)
      throw new GraphRefusal(404, 'ResourceNotFound', `The synchronization job ${jobId} was not found.`);
    return found;
  }

  /** learn:synchronization-synchronizationjob-list */
  function listJobs(call: Call, _: World, id: string): Answer {
    const known = ['id', 'schedule', 'status', 'templateId', 'synchronizationJobSettings'];
    const select = readSelect(readQuery(call, ['$select']), known, 'microsoft.graph.synchronizationJob');
    return ok({
      '@odata.context': `https://${world.hosts.graph}/v1.0/$metadata#servicePrincipals('${id}')/synchronization/jobs`,
      value: find(id).jobs.map(({ job }) => pick(job, select)),
    });
  }

  /** learn:synchronization-synchronizationschema-get */
  function getSchema(call: Call, _: World, id: string, jobId: string): Answer {
    readQuery(call, []);
    return ok({
      '@odata.context': `https://${world.hosts.graph}/v1.0/$metadata#schema/$entity`,
      ...findJob(id, jobId).schema,
    });
  }

  /** learn:synchronization-synchronizationjob-provisionondemand */
  async function provisionOnDemand(call: Call, _: World, id: string, encoded: string): Promise<Answer> {
    const application = find(id);
    const { job, schema } = findJob(id, encoded);
    const rules = schema.synchronizationRules ?? [];
    const subject = readOnDemand(readBody(call), job.id ?? '', rules);
    const now = world.clock.now();
    application.started = application.started.filter((at) => now - at < WINDOW_MS);
    // "The rate limit for this API is 5 requests per 10 seconds"; that Retry-After comes with it is inferred.
    if (application.started.length >= MOST_CALLS)
      throw new GraphRefusal(429, 'TooManyRequests', 'Please retry again later.', { 'Retry-After': '10' });
    application.started.push(now);
    // That a job that is paused or in quarantine refuses is inferred: the documents do not say.
    if (job.status?.code === 'Quarantine' || job.schedule?.state !== 'Active')
      throw new GraphRefusal(400, 'BadRequest', 'The synchronization job is not running.');

    const seen = onDemandResult(world, application, subject);
    const made: OnDemandCall = {
      at: now,
      groupId: subject.groupId,
      members: subject.members,
      result: 'under way',
    };
    application.calls.push(made);
    await world.clock.sleep(application.delayMs);
    const there = application.target.get(subject.groupId) ?? new Set();
    application.target.set(subject.groupId, there);
    for (const member of seen.exported) there.add(member);
    made.result = seen.errorCode ?? seen.result;
    return ok(seen.body);
  }

  function cycle(): void {
    for (const { target, unassigned } of applications.values()) {
      for (const group of world.directory.groups.values()) {
        const users = [...group.members].flatMap(([id, { kind }]) => (kind === 'user' ? id : []));
        if (!unassigned.has(group.id)) target.set(group.id, new Set(users));
      }
    }
  }

  const jobs = '^/servicePrincipals/([0-9A-Za-z-]+)/synchronization/jobs';
  return {
    ...{ add, cycle },
    routes: [
      { method: 'GET', path: new RegExp(`${jobs}$`), roles: READ, handle: listJobs },
      { method: 'GET', path: new RegExp(`${jobs}/([^/]+)/schema$`), roles: READ, handle: getSchema },
      {
        method: 'POST',
        path: new RegExp(`${jobs}/([^/]+)/provisionOnDemand$`),
        roles: WRITE,
        handle: provisionOnDemand,
      },
    ],
  };
}

const groupRule = ({ synchronizationRules }: SynchronizationSchema) =>
  synchronizationRules?.find((rule) =>
    rule.objectMappings?.some((mapping) => mapping.enabled && mapping.sourceObjectName === 'Group'),
  );

/** learn:resources/synchronization-synchronizationjob and -synchronizationschema */
function describe({ id, schedule = 'Active', code = 'Active', rules }: ProvisioningJob, { newId }: World) {
  // Ids of jobs are no GUIDs: "scim.<hex>.<guid>" (observed).
  const jobId = id ?? `scim.${newId().replaceAll('-', '')}.${newId()}`;
  const job: SynchronizationJob = {
    id: jobId,
    templateId: 'scim',
    // "approximately every 40 minutes" (known-issues.md)
    schedule: { expiration: null, interval: 'PT40M', state: schedule },
    status: { code, countSuccessiveCompleteFailures: 0, escrowsPruned: false },
    synchronizationJobSettings: [],
  };
  const schema: SynchronizationSchema = {
    id: jobId,
    version: `v1.${newId()}`,
    synchronizationRules: (rules ?? [{ mappings: [{ source: 'User' }, { source: 'Group' }] }]).map(
      (rule) => ({
        id: rule.id ?? newId(),
        name: rule.name ?? 'Provision to SCIM',
        editable: true,
        priority: 1,
        sourceDirectoryName: 'Azure Active Directory',
        targetDirectoryName: 'customappsso',
        objectMappings: rule.mappings.map(({ source, enabled = true }) => ({
          enabled,
          name: `Provision Azure Active Directory ${source}s`,
          sourceObjectName: source,
          targetObjectName: `urn:ietf:params:scim:schemas:core:2.0:${source}`,
          attributeMappings: [],
        })),
      }),
    ),
    directories: [],
  };
  return { job, schema };
}
