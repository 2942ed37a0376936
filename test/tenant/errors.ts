/** The refusals of Graph and of the sign-in service, worded as documented or as seen in the wild. */

/** Thrown by a route and answered as `{"error":{...}}` (concepts/errors.md). */
export class GraphRefusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Record<string, string>;

  constructor(status: number, code: string, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Thrown by the token endpoint; `code` is the number of the AADSTS error. */
export class SignInRefusal extends Error {
  readonly status: number;
  readonly error: string;
  readonly code: number;

  constructor(status: number, error: string, code: number, text: string) {
    super(`AADSTS${code}: ${text}`);
    this.status = status;
    this.error = error;
    this.code = code;
  }
}

/** A request that no Worker may ever send. It has been noted as a violation, too. */
export class UnexpectedRequest extends Error {}

/** What `fetch` of workerd rejects with when a connection breaks (observed). */
export const connectionLost = () => new Error('Network connection lost.');

export const badRequest = (message: string) => new GraphRefusal(400, 'Request_BadRequest', message);

// facts 3.4; terraform-provider-azuread and GMM match on these sentences.
export const notFound = (id: string) =>
  new GraphRefusal(
    404,
    'Request_ResourceNotFound',
    `Resource '${id}' does not exist or one of its queried reference-property objects are not present.`,
  );

// learn:group-post-members
export const alreadyMember = () =>
  badRequest(
    "One or more added object references already exist for the following modified properties: 'members'.",
  );

// learn:permissions-overview, facts 3.5
export const insufficientPrivileges = () =>
  new GraphRefusal(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.');

// (observed) facts 1.1
export const notLicensed = () =>
  new GraphRefusal(403, 'Forbidden', 'Your tenant is not licensed for this feature.');

// concepts/errors.md, facts 5.3
export const expiredToken = () =>
  new GraphRefusal(401, 'InvalidAuthenticationToken', 'Lifetime validation failed, the token is expired.');

// (observed)
export const noToken = () => new GraphRefusal(401, 'InvalidAuthenticationToken', 'Access token is empty.');
export const unknownToken = () =>
  new GraphRefusal(401, 'InvalidAuthenticationToken', 'Access token validation failure.');

// concepts/throttling.md; identityProtection sends no Retry-After with it (throttling-limits).
export const tooManyRequests = () => new GraphRefusal(429, 'TooManyRequests', 'Please retry again later.');

/** What Graph says with a bare status. Codes: concepts/errors.md; 409: (observed) facts 3.4. */
const USUAL: Record<number, [code: string, message: string]> = {
  400: ['Request_BadRequest', 'Bad Request.'],
  401: ['InvalidAuthenticationToken', 'Access token has expired or is not yet valid.'],
  403: ['Authorization_RequestDenied', 'Insufficient privileges to complete the operation.'],
  404: ['Request_ResourceNotFound', 'Resource not found.'],
  408: ['RequestTimeout', 'The request timed out.'],
  409: [
    'Directory_ConcurrencyViolation',
    'Error due to concurrent requests being made to the tenant. Please wait briefly and retry.',
  ],
  429: ['TooManyRequests', 'Please retry again later.'],
  500: ['InternalServerError', 'An internal server error occurred.'],
  502: ['BadGateway', 'Bad gateway.'],
  503: ['ServiceUnavailable', 'The service is temporarily unavailable.'],
  504: ['GatewayTimeout', 'The gateway timed out.'],
};

export function usualRefusal(
  status: number,
  error?: { code: string; message: string },
  headers: Record<string, string> = {},
): GraphRefusal {
  const [code, message] = USUAL[status] ?? ['UnknownError', ''];
  return new GraphRefusal(status, error?.code ?? code, error?.message ?? message, headers);
}
