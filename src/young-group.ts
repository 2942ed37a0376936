/** What is special about a group that was created a moment ago: parts of Entra may not have heard of it. */
import type { Group } from './directory';
import { type Deadline, wait } from './http';
import type { Io } from './io';

/** A new group is tried again after this (learn: group-post-members, "a few seconds"), so long. */
const WAIT_MILLISECONDS = 2_000;
const PATIENCE_MILLISECONDS = 12_000;

/** Acts, and again while the group is young and the result says that it is too early. Throws OutOfTime. */
export async function whileYoung<Result>(
  group: Group,
  isTooEarly: (result: Result) => boolean,
  act: () => Promise<Result>,
  io: Io,
  deadline: Deadline,
): Promise<Result> {
  for (let waited = 0; ; waited += WAIT_MILLISECONDS) {
    const result = await act();
    const patient = io.now() < group.youngUntilMilliseconds && waited < PATIENCE_MILLISECONDS;
    if (!patient || !isTooEarly(result)) return result;
    await wait(io, deadline, WAIT_MILLISECONDS);
  }
}
