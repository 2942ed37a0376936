/** The certificate credential: PEM texts -> an imported key with its thumbprint, or what is wrong with them. */

const RENEWAL_WARNING_DAYS = 14;
const MS_PER_DAY = 86_400_000;
/** PS256 of learn.microsoft.com/entra/identity-platform/certificate-credentials. */
const ALGORITHM = { name: 'RSA-PSS', hash: 'SHA-256' } as const;
const SIGNATURE = { name: 'RSA-PSS', saltLength: 32 } as const;
const CERTIFICATE = 'AZURE_AD_CLIENT_CERTIFICATE';
const PRIVATE_KEY = 'AZURE_AD_CLIENT_PRIVATE_KEY';
const NEW_PAIR =
  'Make a new pair: openssl req -x509 -newkey rsa:2048 -noenc -keyout key.pem -out certificate.pem -days 365 -subj "/CN=risky-users"; upload the certificate to the app registration, and set both secrets.';
const CONVERT_KEY =
  'Convert it: openssl pkcs8 -topk8 -nocrypt -in key.pem -out key-pkcs8.pem; then: npx wrangler secret put AZURE_AD_CLIENT_PRIVATE_KEY < key-pkcs8.pem';

const PROBLEMS = {
  exchanged: `${CERTIFICATE} and ${PRIVATE_KEY} are exchanged: the first holds the private key, the second the certificate. Set each to the other.`,
  certificateIsKey: `${CERTIFICATE} holds a private key, not a certificate ("BEGIN CERTIFICATE"). ${NEW_PAIR}`,
  certificate: `${CERTIFICATE} is not a whole PEM certificate ("BEGIN CERTIFICATE") of an RSA key. ${NEW_PAIR}`,
  encrypted: `${PRIVATE_KEY} is encrypted, and the Worker has no passphrase. ${CONVERT_KEY}`,
  pkcs1: `${PRIVATE_KEY} is PKCS#1 ("BEGIN RSA PRIVATE KEY"). ${CONVERT_KEY}`,
  keyIsCertificate: `${PRIVATE_KEY} holds a certificate, not a private key ("BEGIN PRIVATE KEY"). ${NEW_PAIR}`,
  noKey: `${PRIVATE_KEY} is not a whole PEM private key ("BEGIN PRIVATE KEY"). ${NEW_PAIR}`,
  key: `${PRIVATE_KEY} is not a whole RSA key. ${NEW_PAIR}`,
  apart: `${PRIVATE_KEY} does not belong to ${CERTIFICATE}. Set both from one pair, or make a new one. ${NEW_PAIR}`,
} as const;

/** What is wrong, each a sentence that begins with the setting's name. */
export type Problems = readonly string[];

export interface CertificateCredential {
  kind: 'certificate';
  key: CryptoKey;
  /** The `x5t#S256` of the certificate. */
  thumbprint: string;
  notBeforeMs: number;
  notAfterMs: number;
}

/** What a warm isolate remembers, so that key and certificate are read once. */
export type CertificateCache = { certificate?: { pems: string; credential: CertificateCredential } };

/** Days left if the certificate ends within two weeks, otherwise undefined. */
export function daysUntilRenewal({ notAfterMs }: CertificateCredential, nowMs: number): number | undefined {
  const days = Math.floor((notAfterMs - nowMs) / MS_PER_DAY);
  return days < RENEWAL_WARNING_DAYS ? days : undefined;
}

/** Reads the pair; of a chain the first certificate counts. Problems name the setting and the openssl command to run. */
export async function readCertificate(
  pair: { certificate: string; privateKey: string },
  nowMs: number,
  cache: CertificateCache,
): Promise<CertificateCredential | Problems> {
  const pems = `${pair.certificate}\n${pair.privateKey}`;
  if (cache.certificate?.pems !== pems) {
    const read = await readPair(oneLine(pair.certificate), oneLine(pair.privateKey));
    if (!('key' in read)) return read;
    cache.certificate = { pems, credential: read };
  }
  const { credential } = cache.certificate;
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  if (nowMs >= credential.notAfterMs) return [`${CERTIFICATE} expired on ${day(credential.notAfterMs)}. ${NEW_PAIR}`];
  if (nowMs >= credential.notBeforeMs) return credential;
  return [`${CERTIFICATE} is not valid before ${day(credential.notBeforeMs)}. ${NEW_PAIR}`];
}

async function readPair(certificatePem: string, keyPem: string): Promise<CertificateCredential | Problems> {
  if (holdsOnly(certificatePem, 'PRIVATE KEY') && holdsOnly(keyPem, 'CERTIFICATE')) return [PROBLEMS.exchanged];
  const certificate = await parseCertificate(certificatePem);
  const key = await parsePrivateKey(keyPem);
  if (typeof certificate === 'string' || typeof key === 'string')
    return [certificate, key].filter((one) => typeof one === 'string');
  const { raw, spki, validFrom, validTo } = certificate;
  if (!(await belongTogether(spki, key))) return [PROBLEMS.apart];
  const thumbprint = base64Url(await crypto.subtle.digest('SHA-256', raw));
  return { kind: 'certificate', key, thumbprint, notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) };
}

/** The certificate, or what is wrong with it. */
async function parseCertificate(pem: string) {
  const problem = PROBLEMS[holdsOnly(pem, 'PRIVATE KEY') ? 'certificateIsKey' : 'certificate'];
  try {
    // Only who has a certificate pays for loading it.
    const { X509Certificate } = await import('node:crypto');
    const { raw, publicKey, validFrom, validTo } = new X509Certificate(derOf(pem, 'CERTIFICATE') ?? '');
    return { raw, spki: publicKey.export({ format: 'der', type: 'spki' }), validFrom, validTo };
  } catch {
    return problem;
  }
}

/** The key, or what is wrong with it. */
async function parsePrivateKey(pem: string): Promise<CryptoKey | string> {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: ?4,ENCRYPTED/.test(pem)) return PROBLEMS.encrypted;
  if (pem.includes('-----BEGIN RSA PRIVATE KEY-----')) return PROBLEMS.pkcs1;
  try {
    const der = derOf(pem, 'PRIVATE KEY');
    if (der === undefined) return PROBLEMS[holdsOnly(pem, 'CERTIFICATE') ? 'keyIsCertificate' : 'noKey'];
    return await crypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
  } catch {
    return PROBLEMS.key;
  }
}

/** By signing and verifying, because `checkPrivateKey` of this workerd answers wrongly. */
async function belongTogether(spki: Uint8Array<ArrayBuffer>, key: CryptoKey): Promise<boolean> {
  const probe = new TextEncoder().encode('risky-users');
  try {
    const publicKey = await crypto.subtle.importKey('spki', spki, ALGORITHM, false, ['verify']);
    return await crypto.subtle.verify(SIGNATURE, publicKey, await crypto.subtle.sign(SIGNATURE, key, probe), probe);
  } catch {
    return false;
  }
}

/** A PEM text in one line, whatever became of its line ends: real, written as `\n`, doubled, lost, or blanks. */
function oneLine(text: string): string {
  return text.replace(/\p{Cf}/gu, '').replace(/\\+[rn]?|\s/g, ' ');
}

/** Whether it has blocks, and none whose label ends otherwise. */
function holdsOnly(pem: string, end: string): boolean {
  const begins = pem.match(/-----BEGIN [A-Z0-9 ]+-----/g) ?? [];
  return begins.length > 0 && begins.every((begin) => begin.endsWith(`${end}-----`));
}

/** The bytes of the first whole block of that label, undefined without one. Throws for what is no base64. */
function derOf(pem: string, label: string): Uint8Array<ArrayBuffer> | undefined {
  const base64 = new RegExp(`-----BEGIN ${label}-----(.*?)-----END ${label}-----`).exec(pem)?.[1];
  return base64 === undefined ? undefined : Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function base64Url(bytes: ArrayBuffer): string {
  const base64 = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
