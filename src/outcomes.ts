/** What an answer to a membership write means, decided without doing anything (facts: learn group-post-members). */
import type { GraphTrace } from './errors';
import type { GraphAnswer } from './graph';

/** Only whether a 400 is worth reporting hangs on these words (observed; facts of the tests' stand-in tenant). */
const ALREADY_SO = /already exist|references do not exist/i;

/** `unknown`: Graph said 400, which does not tell whether he is a member now. `gone`: there is no such user. */
export type JoinOutcome = 'joined' | 'unknown' | 'gone' | Refused;
export type LeaveOutcome = 'left' | 'no member' | Refused;
export interface Refused {
  refused: GraphTrace;
}
/** Why no more is tried with this group in this run. */
export type GroupStop =
  | { why: 'group gone' }
  | { why: 'all refused'; trace: GraphTrace }
  | { why: 'trouble' };

/** Whether the answers to those who did not join speak of the group, or of Graph, and not of the users. */
export function groupStop(answers: readonly GraphAnswer[], tried: number): GroupStop | undefined {
  const first = answers[0];
  if (first === undefined || answers.length < tried) return undefined;
  if (answers.every(isRefusal)) return { why: 'all refused', trace: first.trace };
  return answers.every(({ status }) => status < 400 || status > 404) ? { why: 'trouble' } : undefined;
}

/** The group will say the same of anybody else. */
export function isRefusal({ status, message }: GraphAnswer): boolean {
  return status === 403 || (status === 400 && !ALREADY_SO.test(message));
}

export function joinOutcome(answer: GraphAnswer, groupIsThere: boolean): JoinOutcome {
  if (answer.status === 404 && groupIsThere) return 'gone';
  return answer.status === 400 && !isRefusal(answer) ? 'unknown' : { refused: answer.trace };
}

export function leaveOutcome(answer: GraphAnswer | undefined): LeaveOutcome {
  if (answer?.status === 204) return 'left';
  const notAMember = answer?.status === 404 || (answer?.status === 400 && !isRefusal(answer));
  return notAMember ? 'no member' : { refused: answer?.trace ?? {} };
}

/** What the group says to all who are to leave it, once it has said so to `enough` and let none go. */
export function refusalOfAll(outcomes: readonly LeaveOutcome[], enough: number): GraphTrace | undefined {
  const refusals = outcomes.flatMap((outcome) => (typeof outcome === 'object' ? [outcome.refused] : []));
  return refusals.length >= enough && refusals.length === outcomes.length ? refusals[0] : undefined;
}
