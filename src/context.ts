/** What every step is given, and what a destination must be able to do. */
import type { CertificateCache } from './config/certificate';
import type { Config } from './config/config';
import type { DestinationName } from './config/schema';
import { StepError } from './errors';
import type { Graph } from './graph/graph';
import type { Io } from './io';
import type { Log } from './log/log';
import { type Membership, RISK_LEVELS, type RiskLevel, type RiskReading, type Told, type UserId } from './plan';

/** What a warm isolate remembers between runs: plain data that only saves time. */
export interface Cache extends CertificateCache {
  token?: { value: string; renewAfterMs: number } | undefined;
  created?: Partial<Record<RiskLevel, { id: string; atMs: number }>>;
  checkedPins?: string;
  done?: Told;
  /** The job that carries groups to Cloudflare, and its rule for them. */
  provisioning?: { path: string; ruleId: string } | undefined;
}

export interface Context {
  config: Config;
  io: Io;
  log: Log;
  graph: Graph;
  cache: Cache;
  /** When the run must have ended, in milliseconds since the epoch. */
  endMs: number;
}

/** Of the time left, for a step that others wait behind: a part, but at least so much (I7). */
const STEP = { part: 1 / 2, leastMs: 5_000 } as const;

/** When such a step must have ended, in milliseconds since the epoch. */
export function partMs({ endMs, io }: Context): number {
  return Math.min(endMs, io.now() + Math.max(STEP.leastMs, (endMs - io.now()) * STEP.part));
}

/** The name of a level's group or list. */
export const nameOf = (level: RiskLevel): string => `IdentityProtection-RiskyUser-RiskLevel-${level}`;

/** What all destinations share: the two readings of the users at risk, undefined if they failed. */
export interface Risk {
  first: Promise<RiskReading | undefined>;
  /** Begun by whoever first has somebody to release. The log has said why if it failed. */
  second(): Promise<RiskReading | undefined>;
  /** Those that have been read so far. */
  readonly readings: readonly RiskReading[];
}

export interface LevelState extends Membership {
  /** There is no group or list yet. */
  isMissing?: boolean;
  /** Tells why so many may not be removed here, though users may be added. */
  holdRemovals?: ((count: number) => void) | undefined;
}

/** A level that is not in here is left alone in this run; the log has said why. */
export type Levels = ReadonlyMap<RiskLevel, LevelState>;

/** Where users are isolated. Whatever fails is in the log; only what ends the run is thrown. */
export interface Destination {
  readonly name: DestinationName;
  /** `risk` as soon as it is read, undefined if it could not be. */
  read(risk: Risk['first']): Promise<Levels>;
  /** Makes the empty group or list of a level that is missing. */
  create(level: RiskLevel): Promise<void>;
  /** Gives the users who were added, as far as that is known for sure. */
  add(level: RiskLevel, users: readonly UserId[], untilMs: number): Promise<UserId[]>;
  /** Whether this run knows that the user stands there, so that they may be removed elsewhere. */
  holds(level: RiskLevel, user: UserId): boolean;
  /** Gives the users who were removed. `readings` are all that this run has of the users at risk. */
  remove(level: RiskLevel, users: readonly UserId[], untilMs: number, readings: Risk['readings']): Promise<UserId[]>;
  /** What only helps those who were added, after all else. */
  hurry?(): Promise<void>;
  /** What the last line of the log tells of it. */
  summary(): Readonly<Record<string, unknown>>;
}

/** The one place where the error of a step is caught: undefined after `report`. What ends the run is thrown on. */
export function attempt<Result>(step: Promise<Result>, report: (error: StepError) => void) {
  return step.catch((error: unknown) => {
    if (!(error instanceof StepError)) throw error;
    report(error);
    return undefined;
  });
}

/** What a lookup says of the groups or lists of a level's name. */
export type Finding<Found> =
  /** `others` have the same name: they must neither be used nor stop the sync. */
  | { kind: 'found'; it: Found; others: readonly string[] }
  | { kind: 'unusable'; tell(log: Log): void }
  | { kind: 'none' };
export type Findings<Found> = ReadonlyMap<RiskLevel, Finding<Found>>;

/** One incomplete answer must not make a duplicate: a name that is not found is looked up again after this. */
const SECOND_LOOKUP_AFTER_MS = 2_000;

const MISSING: LevelState = { isMissing: true, members: new Set(), complete: new Set() };

/** Finds what is kept for each level, twice where it seems to be missing, and reads it. */
export async function readLevels<Found extends { id: string }>(
  { io, endMs, log: all }: Context,
  find: () => Promise<Findings<Found> | undefined>,
  read: (level: RiskLevel, found: Found) => Promise<LevelState | undefined>,
): Promise<Levels> {
  const first = await find();
  let second: ReturnType<typeof find> | undefined;
  const states = RISK_LEVELS.map(async (level) => {
    const log = all.with({ level });
    let finding = first?.get(level);
    if (finding?.kind === 'none') {
      second ??= io.sleep(Math.max(0, Math.min(SECOND_LOOKUP_AFTER_MS, endMs - io.now()))).then(find);
      finding = (await second)?.get(level);
    }
    if (finding?.kind === 'none') return [[level, MISSING] as const];
    if (finding?.kind === 'unusable') finding.tell(log);
    if (finding?.kind !== 'found') return [];
    const { it, others } = finding;
    if (others.length > 0) log.warn('duplicate-names', { what: nameOf(level), id: it.id }, others);
    const state = await read(level, it);
    return state ? [[level, state] as const] : [];
  });
  return new Map((await Promise.all(states)).flat());
}
