/** The few errors of a run; everything expected is a value instead. */

/** Settings that cannot be used. `faults` names each setting and how to mend it. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super();
    this.faults = faults;
  }
}

/** Entra did not sign the Worker in. `aadsts` holds the numbers of its AADSTS codes; without a status, no answer came. */
export class SignInError extends Error {
  override readonly name = 'SignInError';
  readonly aadsts: readonly number[];
  readonly status: number | undefined;

  constructor(status: number | undefined, aadsts: readonly number[], options?: ErrorOptions) {
    const numbers = aadsts.map((number) => `AADSTS${number}`).join(', ');
    super(
      `sign-in refused: ${numbers || (status === undefined ? 'no answer' : `status ${status}`)}`,
      options,
    );
    this.status = status;
    this.aadsts = aadsts;
  }
}

/** What Graph said of itself in an answer that was no success; safe to log. */
export interface GraphTrace {
  status?: number | undefined;
  code?: string | undefined;
  requestId?: string | undefined;
}

/** A request to Graph ended in something the caller has no use for; without a status, no whole answer came. */
export class GraphError extends Error {
  override readonly name = 'GraphError';
  readonly trace: GraphTrace;
  /** Graph's own sentence. It may name people: never log it. */
  readonly graphMessage: string;

  constructor(what: string, trace: GraphTrace = {}, options?: ErrorOptions & { graphMessage?: string }) {
    super(what, options);
    this.trace = trace;
    this.graphMessage = options?.graphMessage ?? '';
  }
}

/** The run may do no more: its time is up or would be, or the runtime refuses further requests. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
  readonly limit: 'deadline' | 'requests';
  /** Graph asks for a longer wait than the run has left. */
  readonly throttled: boolean;

  constructor(limit: 'deadline' | 'requests', options: ErrorOptions & { throttled?: boolean } = {}) {
    const { throttled = false } = options;
    const deadline = throttled
      ? 'Graph asks for a longer pause than the run has left'
      : 'The deadline of the run is reached';
    super(limit === 'deadline' ? deadline : 'The runtime refuses further requests', options);
    this.limit = limit;
    this.throttled = throttled;
  }
}

/** What the handler throws, so that Cron Events shows the run as failed. */
export class RunFailed extends Error {
  override readonly name = 'RunFailed';
}

/** What a run must expect to meet. Anything else is a fault of the Worker itself. */
export type Trouble = GraphError | OutOfTime | SignInError;

export function isTrouble(error: unknown): error is Trouble {
  return error instanceof GraphError || error instanceof OutOfTime || error instanceof SignInError;
}

/** The runtime refuses further requests, so that nothing more can be done in this run. */
export function isOutOfRequests(result: unknown): result is OutOfTime {
  return result instanceof OutOfTime && result.limit === 'requests';
}

/** A result or the trouble that prevented it, as a value; a fault of the Worker is still thrown. */
export async function orTrouble<Result>(promise: Promise<Result>): Promise<Result | Trouble> {
  try {
    return await promise;
  } catch (error) {
    if (isTrouble(error)) return error;
    throw error;
  }
}

/** A request that ended badly, as a value; whatever ends the run is still thrown. */
export async function orGraphError<Result>(promise: Promise<Result>): Promise<Result | GraphError> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof GraphError) return error;
    throw error;
  }
}
