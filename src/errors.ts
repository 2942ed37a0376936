/** The errors. A response is a value; a StepError ends a step, the others end the run. */

/** What is known of a response; all of it is safe to log. */
export interface Trace {
  service: 'Graph' | 'Cloudflare';
  /** 0 where no whole response came. */
  status: number;
  /** The codes of the service itself, as far as they look like codes. */
  code?: string | undefined;
  requestId?: string | undefined;
  /** What it means, where that is known: see the causes of graph/ and cloudflare/. */
  cause?: string | undefined;
  /** Which page of a list it was, from 1. */
  page?: number;
  /** The numbers of Entra's AADSTS codes. */
  aadsts?: readonly number[] | undefined;
}

function describe({ service, status, code, cause }: Trace): string {
  if (cause === 'unreachable') return `Cloudflare could not reach ${service}: status ${status}`;
  if (status === 0) return cause === 'no answer' ? 'no whole answer came' : (cause ?? 'not tried');
  return `${service} answered ${status}${code ? ` ${code}` : ''}`;
}

class ResponseError extends Error {
  readonly trace: Trace;
  constructor(trace: Trace, message = describe(trace)) {
    super(message);
    this.trace = trace;
  }
}

/** A step with Graph or Cloudflare ended in a response that it has no use for. The message names nobody. */
export class StepError extends ResponseError {
  override readonly name = 'StepError';
}

/** Entra did not sign the Worker in. */
export class SignInError extends ResponseError {
  override readonly name = 'SignInError';
}

/** Settings that cannot be used. Each problem begins with the setting's name and says what to do. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join(' '));
    this.problems = problems;
  }
}

/** What the handler throws, so that Cron Events shows the run as failed. */
export class RunFailed extends Error {
  override readonly name = 'RunFailed';
}
