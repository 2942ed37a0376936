/** The routes of Graph that a Worker may use, with the application permissions each asks for. */
import { insufficientPrivileges } from './errors';
import type { Answer, Call } from './exchange';
import { createGroup, listGroups } from './groups';
import { addMember, listMembers, removeMember } from './members';
import { listRiskyUsers } from './risky-users';
import { unexpected, type World } from './world';

export interface Route {
  method: string;
  path: RegExp;
  /** Any of these will do. */
  roles: readonly string[];
  handle(call: Call, world: World, ...ids: string[]): Answer | Promise<Answer>;
}

// learn: the permissions tables of each page; [perm] facts 2.1, 3.1, 3.2, 3.3, 3.5
const READ_GROUP = [
  ...['Group.ReadBasic.All', 'GroupMember.Read.All', 'Group.Read.All', 'Group.ReadWrite.All'],
  ...['Directory.Read.All', 'Directory.ReadWrite.All'],
];
const READ_MEMBERS = [...READ_GROUP.slice(1), 'GroupMember.ReadBasic.All', 'GroupMember.ReadWrite.All'];
const WRITE_MEMBERS = ['GroupMember.ReadWrite.All', 'Group.ReadWrite.All', 'Directory.ReadWrite.All'];
const CREATE_GROUP = ['Group.Create', 'Group.ReadWrite.All', 'Directory.ReadWrite.All'];
const READ_RISK = ['IdentityRiskyUser.Read.All', 'IdentityRiskyUser.ReadWrite.All'];

const ID = '([0-9A-Za-z-]+)';
const path = (pattern: string) => new RegExp(`^${pattern.replaceAll('ID', ID).replaceAll('$', '\\$')}$`);

const ROUTES: readonly Route[] = [
  { method: 'GET', path: path('/identityProtection/riskyUsers'), roles: READ_RISK, handle: listRiskyUsers },
  { method: 'GET', path: path('/groups'), roles: READ_GROUP, handle: listGroups },
  { method: 'POST', path: path('/groups'), roles: CREATE_GROUP, handle: createGroup },
  { method: 'GET', path: path('/groups/ID/members'), roles: READ_MEMBERS, handle: listMembers },
  { method: 'POST', path: path('/groups/ID/members/$ref'), roles: WRITE_MEMBERS, handle: addMember },
  { method: 'DELETE', path: path('/groups/ID/members/ID/$ref'), roles: WRITE_MEMBERS, handle: removeMember },
];

/** Answers by the first route that fits; a request that fits none is one that no Worker may send. */
export async function answerGraph(call: Call, world: World, more: readonly Route[] = []): Promise<Answer> {
  for (const route of [...ROUTES, ...more]) {
    const match = route.method === call.method ? route.path.exec(call.path) : null;
    if (!match) continue;
    if (!route.roles.some((role) => call.roles?.includes(role))) throw insufficientPrivileges();
    return route.handle(call, world, ...match.slice(1));
  }
  throw unexpected(world, `no such route: ${call.method} ${call.path}`);
}
