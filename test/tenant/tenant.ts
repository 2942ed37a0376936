/** A stand-in for a Microsoft Entra tenant, in memory, behind a `fetch` function. */
import { type Admin, createAdmin } from './admin';
import { answerBatch, groupsWritten, isBatch, readParts } from './batch';
import type { ChaosKind } from './chaos';
import type { Clock } from './clock';
import { type Cloud, HOSTS, type Hosts } from './clouds';
import { createDirectory } from './directory';
import type { Answer, Call } from './exchange';
import { createFaultBook } from './fault-book';
import type { FaultRule } from './faults';
import { createFlights, type Flights } from './flights';
import { createFrontDoor, type Fetch, type Hook, type RecordedRequest } from './front-door';
import { guidSource } from './guids';
import { createPages } from './pages';
import { createProvisioning, type Provisioning, type ProvisioningOptions } from './provisioning';
import { settled } from './refuse';
import { answerGraph } from './routes';
import { createSignIn } from './token-endpoint';
import { checkClientRequestId, toCall, toResponse } from './wire';
import { type Knobs, unexpected, type World } from './world';

export type { RecordedRequest } from './front-door';

export interface TenantOptions {
  clock: Clock;
  cloud?: Cloud;
  tenantId?: string;
  /** Verified domains, by which the tenant may be addressed as well. */
  domains?: readonly string[];
  clientId?: string;
  clientSecret?: string;
  /** What one request takes. */
  latencyMs?: number | (() => number);
  /** The certificate registered with the application. */
  certificate?: { pem: string };
  /** At least 0, less than 1: the order of a batch and of chaos. */
  random?: () => number;
  permissions?: readonly string[];
  licensed?: boolean;
  /** Between two Identity Protection calls; a little less than a second where real clocks differ. */
  identityProtectionMs?: number;
}

export interface Tenant extends Knobs, Admin {
  /** What the Worker is given instead of the world's `fetch`. */
  fetch: Fetch;
  /** The same for one of several Workers; the rules about one client hold for each. */
  client(name: string): Fetch;
  readonly ids: { tenantId: string; clientId: string; clientSecret: string };
  readonly hosts: Hosts;
  /** To be shared with the stand-in Cloudflare: six requests in flight are six to both. */
  readonly flights: Flights;
  revokeTokens(): void;

  readonly requests: readonly RecordedRequest[];
  /** What no Worker may ever do; a test that leaves any here has failed. */
  readonly violations: readonly string[];
  /** Empties `requests` and `maxInFlight`. */
  forgetRequests(): void;

  fault(rule: FaultRule): { remove(): void; hits(): number };
  /** Faults by chance for this share of all requests, or of those that `on` tells; 0 ends it. */
  chaos(probability: number, kinds?: readonly ChaosKind[], on?: FaultRule['on']): void;
  /** An enterprise application that provisions all groups to Cloudflare. */
  addProvisioning(options?: ProvisioningOptions): Provisioning;
  /** Its regular cycle: all additions and removals. */
  provisioningCycle(): void;
  before(hook: Hook): void;
  after(hook: Hook): void;
}

const PERMISSIONS = [
  ...['IdentityRiskyUser.Read.All', 'GroupMember.ReadWrite.All', 'GroupMember.Read.All', 'Group.Create'],
];

export function createTenant(options: TenantOptions): Tenant {
  const { clock, random = Math.random, latencyMs = 0 } = options;
  const hosts = HOSTS[options.cloud ?? 'global'];
  const newId = guidSource(20260504);
  const ids = {
    tenantId: options.tenantId ?? '7d1c6f0e-2b5a-4c38-9f64-0a1be2c9d753',
    clientId: options.clientId ?? '3f9e8b21-64d7-4a0c-8c15-52b7ad90e416',
    clientSecret: options.clientSecret ?? 'Xy8~the.secret+of&this=app%/with \u00fc',
  };
  const violations: string[] = [];
  const world: World = {
    ...{ clock, random, newId, hosts },
    directory: createDirectory(clock, newId),
    pages: createPages(newId),
    writable: new Set(),
    violation: (text) => void violations.push(text),
    lag: { groupListedAfterMs: 0, groupReachableAfterMs: 0, membersVisibleAfterMs: 0 },
    pageSizes: {},
    permissions: options.permissions ?? PERMISSIONS,
    licensed: options.licensed ?? true,
    homeCloud: options.cloud ?? 'global',
    quota: {},
    hiddenGroups: new Set(),
    ...{
      bulkAddForbidden: false,
      rejectRiskFilter: false,
      upnForbidden: false,
      secretExpired: false,
      nicknamesUnique: false,
      secretKnownFrom: 0,
      signInClockAheadMs: 0,
      tokenSeconds: 3599,
      maxInFlight: 0,
    },
  };
  const { tenantId, ...application } = ids;
  const signIn = createSignIn(
    {
      tenantId,
      domains: options.domains ?? ['contoso.example'],
      ...application,
      certificate: options.certificate?.pem,
    },
    world,
  );

  const provisioning = createProvisioning(world);

  async function truth(call: Call): Promise<Answer> {
    checkClientRequestId(call.headers);
    if (!call.login) return answerGraph(call, world, provisioning.routes);
    if (call.method === 'POST' && call.path === '/token') return signIn.answer(call);
    throw unexpected(world, `no such route: ${call.method} ${call.path}`);
  }

  async function handle(
    call: Call,
    signal: AbortSignal | undefined,
    record: RecordedRequest,
  ): Promise<Answer> {
    return door.answer(call, signal, async () => {
      if (!call.login) call.roles = signIn.authorize(call.headers);
      if (!isBatch(call)) return truth(call);
      record.batch = [];
      return answerBatch(readParts(call, world), world, async (part) => {
        const answer = await door.answer(part, signal, () => truth(part));
        record.batch?.push({ method: part.method, path: part.path, status: answer.status });
        return answer;
      });
    });
  }

  const faults = createFaultBook(world);
  const flights = createFlights(world);
  const door = createFrontDoor({
    ...{ world, faults, flights, handle, groupsWritten },
    dialect: {
      hosts: [hosts.login, hosts.graph],
      toCall: (request, client) => toCall(request, client, world),
      toResponse: (call, answer) => toResponse(call, answer, world),
      settled: (call, work) => settled(call, world, work),
    },
    latency: typeof latencyMs === 'number' ? () => latencyMs : latencyMs,
    identityProtectionMs: options.identityProtectionMs ?? 1000,
  });

  return Object.assign(world, {
    ...createAdmin(world),
    ...{
      ids,
      flights,
      violations,
      client: door.client,
      fetch: door.client('worker'),
      revokeTokens: signIn.revoke,
    },
    ...{ requests: door.requests, fault: faults.add, chaos: faults.chaos },
    ...{ addProvisioning: provisioning.add, provisioningCycle: provisioning.cycle },
    forgetRequests: () => {
      door.requests.length = 0;
      world.maxInFlight = 0;
    },
    before: (hook: Hook) => door.addHook('before', hook),
    after: (hook: Hook) => door.addHook('after', hook),
  });
}
