/** Checks a client assertion as the sign-in service does (certificate-credentials.md), with none of the Worker's code. */
import { X509Certificate } from 'node:crypto';
import { SignInRefusal } from './errors';
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
  if (!typed || !isRecord(header) || !isRecord(claims))
    throw refused(50027, 'JWT token is invalid or malformed.');

  const certificate =
    expected.certificate === undefined ? undefined : new X509Certificate(expected.certificate);
  if (!certificate || header['x5t#S256'] !== (await thumbprint(certificate)))
    throw unregistered(header, expected);
  const signed = new TextEncoder().encode(`${head}.${payload}`);
  const genuine = header['alg'] === 'PS256' && header['typ'] === 'JWT';
  if (!genuine || !(await verify(certificate, bytes(signature), signed))) throw badSignature();
  checkCertificateDates(certificate, expected.now);
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
  if (
    !numbers ||
    nbf > now + SKEW_SECONDS ||
    iat > now + SKEW_SECONDS ||
    exp <= now ||
    exp - nbf > LONGEST_SECONDS
  )
    throw refused(
      700024,
      `Client assertion is not within its valid time range. Current time: ${iso(now)}, assertion valid from ${iso(nbf)}, expiry time of assertion ${iso(exp)}. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .`,
    );
  // "(a Guid)", "a unique identifier for the JWT"; that the service refuses one it has seen is inferred.
  if (typeof jti !== 'string' || !isGuid(jti) || expected.usedAssertions.has(jti))
    throw refused(50027, 'JWT token is invalid or malformed: jti.');
  expected.usedAssertions.add(jti);
}

const iso = (seconds: unknown) => new Date(Number(seconds ?? 0) * 1000).toISOString();

/** (observed) passport-azure-ad and others: "[Reason - The key used is expired., Thumbprint ...]" */
function checkCertificateDates({ validFrom, validTo }: X509Certificate, now: number): void {
  if (now < Date.parse(validFrom) || now >= Date.parse(validTo))
    throw refused(
      700027,
      'Client assertion contains an invalid signature. [Reason - The key used is expired.]',
    );
}

const refused = (code: number, text: string) => new SignInRefusal(401, 'invalid_client', code, text);

// reference-error-codes.md
const badSignature = () => refused(700027, 'Client assertion failed signature validation.');

/** (observed) AzureAD/microsoft-authentication-library-for-js#8339 */
function unregistered(header: Record<string, unknown>, { clientId }: Expected): SignInRefusal {
  return refused(
    700027,
    `The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '${String(header['x5t#S256'])}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '${clientId}'.]`,
  );
}

const der = ({ raw }: X509Certificate) => new Uint8Array(raw);

async function thumbprint(certificate: X509Certificate): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', der(certificate)));
  return btoa(String.fromCharCode(...hash))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** PS256: RSASSA-PSS with SHA-256 and a salt as long as the hash (RFC 7518, 3.5). */
async function verify(
  certificate: X509Certificate,
  signature: Uint8Array,
  signed: Uint8Array,
): Promise<boolean> {
  const spki = new Uint8Array(certificate.publicKey.export({ type: 'spki', format: 'der' }));
  const key = await crypto.subtle.importKey('spki', spki, { name: 'RSA-PSS', hash: 'SHA-256' }, false, [
    'verify',
  ]);
  return crypto.subtle.verify({ name: 'RSA-PSS', saltLength: 32 }, key, signature, signed);
}

/** Base64url; what is none gives nothing, which then fits nothing. */
function bytes(text: string): Uint8Array<ArrayBuffer> {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) return new Uint8Array();
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (byte) => byte.charCodeAt(0));
}

const decode = (text: string) => new TextDecoder().decode(bytes(text));
