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

// (observed) the sentence of Graph for groups that only administrators of the unit may change
export const restrictedUnit = () =>
  new GraphRefusal(
    403,
    'Authorization_RequestDenied',
    'Insufficient privileges to complete the operation. Target object is a member of a restricted management administrative unit and can only be modified by administrators scoped to that administrative unit. Check that you are assigned a role that has permission to perform the operation for this restricted management administrative unit. Learn more: https://go.microsoft.com/fwlink/?linkid=2197831',
  );

// (observed) facts 3.4
export const quotaExceeded = (count: number, most: number) =>
  new GraphRefusal(
    403,
    'Directory_QuotaExceeded',
    `Unable to perform operation as '${count}' would exceed the maximum quota count '${most}' for forward-link members.`,
  );

// (observed) onedrivecmd#67, active-directory-dotnet-graphapi-console#45
export const directoryFull = () =>
  new GraphRefusal(
    403,
    'Directory_QuotaExceeded',
    'The directory object quota limit for the Tenant has been exceeded. Please ask your administrator to increase the quota limit or delete objects to reduce the used quota.',
  );

// (observed) microsoft-graph-docs#5122
export const nicknameExists = () =>
  badRequest('Another object with the same value for property mailNickname already exists.');

// (observed) oauth2-azure#88, psoxy#875: consent is missing
export const identityNotFound = () =>
  new GraphRefusal(
    401,
    'Authorization_IdentityNotFound',
    'The identity of the calling application could not be established.',
  );

// (observed) terraform-provider-azuread#1645, azure-docs#32957: the tenant or the cloud is another
export const organizationNotFound = (tenantId: string) =>
  new GraphRefusal(
    401,
    'OrganizationFromTenantGuidNotFound',
    `The tenant for tenant guid '${tenantId}' does not exist.`,
  );

// (observed) microsoft-graph-docs-contrib#8800, zerotrustassessment#1382: synchronization jobs without the permission
export const unknownError = () => new GraphRefusal(401, 'UnknownError', '');

// (observed) msgraph-sdk-dotnet#2254, cartography#2853
export const expiredPageToken = () =>
  new GraphRefusal(
    400,
    'Directory_ExpiredPageToken',
    'The specified page token value has expired and can no longer be included in your request.',
  );

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
