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

/** What `fetch` of workerd rejects with when a connection breaks (observed). */
export const connectionLost = () => new Error('Network connection lost.');

/** What Graph says with a bare status. Codes: concepts/errors.md; 409: (observed) facts 3.4. */
const USUAL: Record<number, [code: string, message: string]> = {
  400: ['Request_BadRequest', 'Bad Request.'],
  401: ['InvalidAuthenticationToken', 'Access token has expired or is not yet valid.'],
  403: ['Authorization_RequestDenied', 'Insufficient privileges to complete the operation.'],
  404: ['Request_ResourceNotFound', 'Resource not found.'],
  408: ['RequestTimeout', 'The request timed out.'],
  409: ['Directory_ConcurrencyViolation', 'Error due to concurrent requests being made to the tenant.'],
  429: ['TooManyRequests', 'Please retry again later.'],
  500: ['InternalServerError', 'An internal server error occurred.'],
  502: ['BadGateway', 'Bad gateway.'],
  503: ['ServiceUnavailable', 'The service is temporarily unavailable.'],
  504: ['GatewayTimeout', 'The gateway timed out.'],
};

type Said = { code: string; message: string };

/** Where no `error` is given, with the code and message that Graph usually gives with this status. */
export function usualRefusal(status: number, error?: Said, headers: Record<string, string> = {}): GraphRefusal {
  const [code, message] = USUAL[status] ?? ['UnknownError', ''];
  return new GraphRefusal(status, error?.code ?? code, error?.message ?? message, headers);
}

const saying = (status: number, code: string) => (message: string) => new GraphRefusal(status, code, message);

/** Of Graph's front, before the directory sees the request. */
export const malformed = saying(400, 'BadRequest');
export const unsupportedQuery = saying(400, 'Request_UnsupportedQuery');
export const badRequest = saying(400, 'Request_BadRequest');
const missing = saying(404, 'Request_ResourceNotFound');
const denied = saying(403, 'Authorization_RequestDenied');
const overQuota = saying(403, 'Directory_QuotaExceeded');

// facts 3.4; terraform-provider-azuread and GMM match on these sentences.
export const notFound = (id: string) =>
  missing(`Resource '${id}' does not exist or one of its queried reference-property objects are not present.`);

/** What is there; what is not is answered with 404. */
export function found<T>(value: T | undefined, id: string): T {
  if (value === undefined) throw notFound(id);
  return value;
}

// learn:group-post-members
export const alreadyMember = () =>
  badRequest("One or more added object references already exist for the following modified properties: 'members'.");

// learn:permissions-overview, facts 3.5
export const insufficientPrivileges = () => usualRefusal(403);

// (observed) of what Graph says of groups that only administrators of the unit may change
export const restrictedUnit = () =>
  denied('Target object is a member of a restricted management administrative unit; others alone may modify it.');

// (observed) facts 3.4
export const quotaExceeded = (count: number, most: number) =>
  overQuota(`Unable to perform operation as '${count}' would exceed the maximum quota count '${most}'.`);

// (observed) microsoft-graph-docs#5122
export const nicknameExists = () =>
  badRequest('Another object with the same value for property mailNickname already exists.');

// (observed) oauth2-azure#88, psoxy#875: consent is missing
export const identityNotFound = () =>
  saying(401, 'Authorization_IdentityNotFound')('The identity of the calling application could not be established.');

// (observed) terraform-provider-azuread#1645, azure-docs#32957: the tenant or the cloud is another
export const organizationNotFound = (tenantId: string) =>
  saying(401, 'OrganizationFromTenantGuidNotFound')(`The tenant for tenant guid '${tenantId}' does not exist.`);

// (observed) microsoft-graph-docs-contrib#8800, zerotrustassessment#1382: synchronization jobs without the permission
export const unknownError = () => usualRefusal(401, { code: 'UnknownError', message: '' });

// (observed) msgraph-sdk-dotnet#2254, cartography#2853
export const expiredPageToken = () =>
  saying(400, 'Directory_ExpiredPageToken')('The specified page token value has expired.');

// (observed) facts 1.1
export const notLicensed = () => saying(403, 'Forbidden')('Your tenant is not licensed for this feature.');

// concepts/errors.md, facts 5.3; of one that was not issued here the words differ, and nobody reads them
export const expiredToken = () => usualRefusal(401);

/** The word by number of the AADSTS error; all others are `invalid_client`. */
const SIGN_IN_ERRORS: Record<number, string> = {
  ...{ 90002: 'invalid_request', 900144: 'invalid_request', 900382: 'invalid_request' },
  ...{ 700016: 'unauthorized_client', 700038: 'unauthorized_client', 70003: 'unsupported_grant_type' },
  70011: 'invalid_scope',
};

/** What the token endpoint says (v2-oauth2-client-creds-grant-flow.md, reference-error-codes.md); its words are cut short. */
export function signInRefusal(code: number, text: string): GraphRefusal {
  const word = SIGN_IN_ERRORS[code] ?? 'invalid_client';
  return new GraphRefusal(word === 'invalid_client' ? 401 : 400, word, `AADSTS${code}: ${text}`);
}
