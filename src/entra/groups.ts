/** The destination `groups`: three Entra security groups, which SCIM carries to Cloudflare. */
import { attempt, type Context, type Destination, type LevelState, nameOf, partMs, readLevels } from '../context';
import { StepError } from '../errors';
import { recordOf } from '../graph/many';
import type { Verb } from '../log/events';
import { RISK_LEVELS, type RiskLevel, shuffled, toldAfter, type UserId } from '../plan';
import { createPinCheck, findByName, findPinned, type Group, objectIdOf } from './lookup';
import { changeMembers, readMembers } from './members';
import { type Newcomers, provision } from './provisioning';

/** A group of ours, and whom this run knows to be in it: read there, or added. */
type Known = { group: Group; members: ReadonlySet<UserId>; isCreated?: boolean };

const DESCRIPTION = 'Members browse in isolation. Kept in sync with Entra ID Protection by the risky-users Worker.';

/** The groups as one run sees them. */
export function createGroups(runContext: Context): Destination {
  const context = { ...runContext, log: runContext.log.with({ destination: 'groups' }) };
  const { config, io, log, graph, cache } = context;
  const pins = config.GROUP_IDS;
  const checkPin = pins ? createPinCheck(context, pins) : async () => ({});
  const known = new Map<RiskLevel, Known>();
  const newcomers: Newcomers[] = [];
  const logOf = (level: RiskLevel) => log.with({ level });

  const find = async () =>
    pins ? findPinned(pins) : attempt(findByName(context), (error) => log.fail('groups-unread', { error }));

  async function read(level: RiskLevel, group: Group): Promise<LevelState | undefined> {
    const tell = (error: StepError) => logOf(level).fail('members-unread', { what: nameOf(level), error });
    const reading = attempt(readMembers(context, group.id), tell);
    const [members, check] = await Promise.all([reading, checkPin(level)]);
    // Whoever is in a group that is not ours is isolated by nothing.
    if (members === undefined || check === undefined) return undefined;
    // Whom this isolate removed may be listed still (microsoft-graph-docs#8896), and that is no knowledge (I4).
    const removed = new Set(cache.done?.[`remove ${group.id}`]);
    const complete = new Set([...members].filter((user) => !removed.has(user)));
    known.set(level, { group, members: complete });
    return { members, complete, ...check };
  }

  async function change(verb: Verb, level: RiskLevel, users: readonly UserId[], untilMs: number) {
    const ours = known.get(level);
    if (ours === undefined) return [];
    const doubted = new Set(cache.done?.[`${verb} ${ours.group.id}`]);
    const isKnown = (user: UserId) => [...known.values()].some(({ members }) => members.has(user));
    const some = shuffled(users, io.random);
    const outcome = await changeMembers(context, { ...ours, verb, users: some, doubted, untilMs, isKnown });
    const { done, gone, failed, contradicted, groupIsGone, members = ours.members } = outcome;
    cache.done = toldAfter(cache.done, verb, ours.group.id, outcome.told);
    if (verb === 'add') ours.members = new Set([...members, ...done]);
    // What was read of a group is no knowledge any more, once the group has turned out to be gone.
    if (groupIsGone) known.delete(level);
    const [what, told, open] = [nameOf(level), logOf(level), failed.map(({ user }) => user)];
    if (gone.length > 0) told.warn('users-gone', { what, count: gone.length }, gone);
    if (contradicted.length > 0) told.fail('contradicted', { what, verb, count: contradicted.length }, contradicted);
    if (groupIsGone) told.fail('group-gone', { what }, open);
    else told.refused(verb, what, failed, done.length > 0);
    return done;
  }

  return {
    name: 'groups',
    read: () => readLevels(context, find, read),

    /** learn: group-post-groups. No owner is sent: nobody but an administrator shall change who is isolated. */
    async create(level) {
      const what = nameOf(level);
      const kind = { mailEnabled: false, mailNickname: what, securityEnabled: true };
      const body = { displayName: what, description: DESCRIPTION, ...kind };
      const options = { untilMs: partMs(context), repeat: 'if not done' } as const;
      const { status, trace, ...answer } = await graph.send({ method: 'POST', path: '/groups', body }, options);
      const id = status === 201 ? objectIdOf(recordOf(answer.body)['id']) : undefined;
      if (status === 400) trace.cause ??= 'name taken';
      const error = new StepError(trace, status === 201 ? 'Graph answered 201 and gave no id' : undefined);
      if (id === undefined) return logOf(level).fail('group-not-created', { what, error });
      cache.created = { ...cache.created, [level]: { id, atMs: io.now() } };
      known.set(level, { group: { id, isYoung: true }, members: new Set(), isCreated: true });
      logOf(level).warn('group-created', { what, id });
    },

    async add(level, users, untilMs) {
      const added = await change('add', level, users, untilMs);
      const ours = known.get(level);
      // Nobody can have assigned a group to the enterprise application that this run created.
      if (ours && !ours.isCreated) newcomers.push({ groupId: ours.group.id, users: added });
      return added;
    },

    holds: (level, user) => known.get(level)?.members.has(user) === true,
    remove: (level, users, untilMs) => change('remove', level, users, untilMs),

    hurry: () => provision(context, newcomers),

    /** The ids to pin, where all were found by name. */
    summary() {
      if (pins || known.size < RISK_LEVELS.length) return {};
      return { GROUP_IDS: RISK_LEVELS.map((level) => `${level}=${known.get(level)?.group.id}`).join(',') };
    },
  };
}
