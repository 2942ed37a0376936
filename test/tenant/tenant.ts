/** A stand-in for a Microsoft Entra tenant, in cache, behind a `fetch` function. */
import { createAdmin } from './admin';
import { answerBatch, groupsWritten, isBatch, readParts } from './batch';
import type { Clock } from './clock';
import { createDirectory } from './directory';
import type { Answer, Call } from './exchange';
import { createFlights, createFrontDoor } from './front-door';
import { guidSource } from './guids';
import { createProvisioning } from './provisioning';
import { answerGraph } from './routes';
import { createSignIn } from './token-endpoint';
import { placeOf, settled } from './wire';
import { type Cloud, HOSTS, type Knobs, unexpected, type World } from './world';

export type { RecordedRequest } from './front-door';

export interface TenantOptions {
  clock: Clock;
  clientSecret?: string;
  cloud?: Cloud;
  /** What one request takes. */
  latencyMs?: number | (() => number);
  /** The certificate registered with the application. */
  certificate?: { pem: string };
  /** At least 0, less than 1: the order of a batch and of chaos. */
  random?: () => number;
  permissions?: readonly string[];
  /** Between two Identity Protection calls; a little less than a second where real clocks differ. */
  identityProtectionMs?: number;
}

export type Tenant = ReturnType<typeof createTenant>;

const PERMISSIONS = 'IdentityRiskyUser.Read.All GroupMember.ReadWrite.All GroupMember.Read.All Group.Create'.split(' ');

export function createTenant(options: TenantOptions) {
  const { clock, random = Math.random } = options;
  const hosts = HOSTS[options.cloud ?? 'global'];
  const newId = guidSource(20260504);
  const ids = {
    tenantId: '7d1c6f0e-2b5a-4c38-9f64-0a1be2c9d753',
    clientId: '3f9e8b21-64d7-4a0c-8c15-52b7ad90e416',
    clientSecret: options.clientSecret ?? 'Xy8~the.secret+of&this=app%/with \u00fc',
  };
  const world: World = {
    ...{ clock, random, newId, hosts, violations: [], maxInFlight: 0 },
    ...{ directory: createDirectory(clock, newId), nextLinks: new Map(), writable: new Set() },
    lag: { groupListedAfterMs: 0, groupReachableAfterMs: 0, membersVisibleAfterMs: 0 },
    ...{ permissions: options.permissions ?? PERMISSIONS, licensed: true, homeCloud: options.cloud ?? 'global' },
    ...{ pageSizes: {}, quota: {}, hiddenGroups: new Set(), rejectRiskFilter: false, upnForbidden: false },
    ...{ secretExpired: false, nicknamesUnique: false, secretKnownFrom: 0, signInClockAheadMs: 0, tokenSeconds: 3599 },
  };
  const signIn = createSignIn({ ...ids, certificate: options.certificate?.pem }, world);
  const provisioning = createProvisioning(world);

  async function truth(call: Call): Promise<Answer> {
    if (!call.login) return answerGraph(call, world, provisioning.routes);
    if (call.method === 'POST' && call.path === '/token') return signIn.answer(call);
    throw unexpected(world, `no such route: ${call.method} ${call.path}`);
  }

  const flights = createFlights(world);
  const door = createFrontDoor({
    ...{ world, flights, groupsWritten, latencyMs: options.latencyMs, settled },
    identityProtectionMs: options.identityProtectionMs ?? 1000,
    hosts: [hosts.login, hosts.graph],
    contentType: 'application/json;odata.metadata=minimal;charset=utf-8',
    place: (url) => placeOf(url, world),
    headers: ({ requestId: id }) => ({ 'request-id': id, 'client-request-id': id }),
    handle: (call, signal, record) =>
      door.answer(call, signal, async () => {
        if (!call.login) call.roles = signIn.authorize(call.headers);
        if (!isBatch(call)) return truth(call);
        const parts = readParts(call, world);
        record.batch = parts.map(({ call: { method, path } }) => ({ method, path }));
        return answerBatch(parts, world, (part) => door.answer(part, signal, () => truth(part)));
      }),
  });

  /** What others may turn and see of it. */
  const shown: Knobs & Pick<World, 'hosts' | 'maxInFlight'> = world;
  return Object.assign(shown, {
    ...{ ...createAdmin(world), ...door.controls, ids, revokeTokens: signIn.revoke },
    /** To be shared with the stand-in Cloudflare: six requests in flight are six to both. */
    flights,
    /** What the Worker is given instead of the world's `fetch`. */
    fetch: door.controls.client('worker'),
    /** An enterprise application that provisions all groups to Cloudflare. */
    addProvisioning: provisioning.add,
    /** Its regular cycle: all additions and removals. */
    provisioningCycle: provisioning.cycle,
  });
}
