/** Checks a client assertion as the sign-in service does (certificate-credentials.md), with none of the Worker's code. */
import { createHash, X509Certificate } from 'node:crypto';
import { signInRefusal as refused } from './errors';
import { isRecord, parseJson } from './exchange';
import { isGuid } from './guids';

interface Expected {
  clientId: string;
  certificate: string | undefined;
  /** The token endpoint by each of the tenant's names. */
  audiences: readonly string[];
  usedAssertions: Set<string>;
  /** By the clock of the service. */
  now: number;
}

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
// "5-10 minutes after `nbf` at most"; the service does not enforce it today, but the advice is a rule here.
const LONGEST_SECONDS = 600;
// The service allows for clocks that differ; how much is not documented, so it is little here.
const SKEW_SECONDS = 30;

export async function checkAssertion(form: URLSearchParams, expected: Expected): Promise<void> {
  const [head = '', payload = '', signature = '', ...rest] = (form.get('client_assertion') ?? '').split('.');
  const header = parseJson(decode(head));
  const claims = parseJson(decode(payload));
  const typed = form.get('client_assertion_type') === TYPE && rest.length === 0;
  // AADSTS50027: "JWT token is invalid or malformed" (reference-error-codes.md)
  if (!typed || !isRecord(header) || !isRecord(claims)) throw refused(50027, 'JWT token is invalid or malformed.');

  const certificate = expected.certificate === undefined ? undefined : new X509Certificate(expected.certificate);
  // (observed) AzureAD/microsoft-authentication-library-for-js#8339
  if (!certificate || header['x5t#S256'] !== thumbprint(certificate))
    throw refused(700027, 'The certificate is not registered. [Reason - The key was not found.]');
  const signed = Buffer.from(`${head}.${payload}`);
  const genuine = header['alg'] === 'PS256' && header['typ'] === 'JWT';
  // reference-error-codes.md
  if (!genuine || !(await verify(certificate, bytes(signature), signed)))
    throw refused(700027, 'Client assertion failed signature validation.');
  // (observed) passport-azure-ad and others: "[Reason - The key used is expired., Thumbprint ...]"
  if (expected.now < Date.parse(certificate.validFrom) || expected.now >= Date.parse(certificate.validTo))
    throw refused(700027, 'Invalid signature. [Reason - The key used is expired.]');
  checkClaims(claims, expected);
}

function checkClaims(claims: Record<string, unknown>, expected: Expected): void {
  const { aud, iss, sub, jti, nbf, iat, exp } = claims;
  // (observed) AzureAD/microsoft-authentication-library-for-dotnet#2746
  if (!expected.audiences.includes(String(aud)))
    throw refused(700023, 'Client assertion audience claim does not match Realm issuer.');
  // reference-error-codes.md
  if (iss !== expected.clientId || sub !== expected.clientId)
    throw refused(700021, "Client assertion application identifier doesn't match 'client_id' parameter.");
  const now = expected.now / 1000;
  const numbers = typeof nbf === 'number' && typeof exp === 'number' && typeof iat === 'number';
  // (observed) microsoft-authentication-library-for-dotnet#4951
  if (!numbers || nbf > now + SKEW_SECONDS || iat > now + SKEW_SECONDS || exp <= now || exp - nbf > LONGEST_SECONDS)
    throw refused(700024, `Client assertion is not within its valid time range: ${nbf} to ${exp}, and it is ${now}.`);
  // "(a Guid)", "a unique identifier for the JWT"; that the service refuses one it has seen is inferred.
  if (typeof jti !== 'string' || !isGuid(jti) || expected.usedAssertions.has(jti))
    throw refused(50027, 'JWT token is invalid or malformed: jti.');
  expected.usedAssertions.add(jti);
}

const thumbprint = ({ raw }: X509Certificate) => createHash('sha256').update(raw).digest('base64url');

/** PS256: RSASSA-PSS with SHA-256 and a salt as long as the hash (RFC 7518, 3.5). */
async function verify(certificate: X509Certificate, signature: Uint8Array, signed: Uint8Array): Promise<boolean> {
  const spki = new Uint8Array(certificate.publicKey.export({ type: 'spki', format: 'der' }));
  const scheme = { name: 'RSA-PSS', hash: 'SHA-256', saltLength: 32 };
  const key = await crypto.subtle.importKey('spki', spki, scheme, false, ['verify']);
  return crypto.subtle.verify(scheme, key, signature, signed);
}

/** Base64url; what is none gives nothing, which then fits nothing. */
const bytes = (text: string) => Buffer.from(/^[\w-]*$/.test(text) && text.length % 4 !== 1 ? text : '', 'base64url');
const decode = (text: string) => bytes(text).toString();
