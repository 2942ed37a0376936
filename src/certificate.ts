/** The certificate credential: PEM texts -> an imported key with its thumbprint, or what is wrong with them. */
import { X509Certificate } from 'node:crypto';

const RENEWAL_WARNING_DAYS = 14;
const MILLISECONDS_PER_DAY = 86_400_000;
/** PS256 of learn.microsoft.com/entra/identity-platform/certificate-credentials. */
const ALGORITHM = { name: 'RSA-PSS', hash: 'SHA-256' } as const;
const SALT_BYTES = 32;

const NEW_PAIR =
  'Make a new pair: openssl req -x509 -newkey rsa:2048 -noenc -keyout key.pem -out certificate.pem -days 365 -subj "/CN=risky-users"';
const CONVERT_KEY = 'Convert it: openssl pkcs8 -topk8 -nocrypt -in key.pem -out key-pkcs8.pem';

export interface CertificateCredential {
  kind: 'certificate';
  key: CryptoKey;
  /** The `x5t#S256` of the certificate. */
  thumbprint: string;
  notAfterMilliseconds: number;
}

/** What a warm isolate remembers, so that key and certificate are read once. */
export interface CertificateMemory {
  certificate?: { pems: string; credential: CertificateCredential; notBeforeMilliseconds: number };
}

/** Days left if the certificate ends within two weeks, otherwise undefined. */
export function daysUntilRenewal(
  credential: CertificateCredential,
  nowMilliseconds: number,
): number | undefined {
  const days = Math.floor((credential.notAfterMilliseconds - nowMilliseconds) / MILLISECONDS_PER_DAY);
  return days < RENEWAL_WARNING_DAYS ? days : undefined;
}

/**
 * Reads the pair. Line ends may be real or written `\n`; of a chain the first certificate counts. Faults name the
 * setting and the openssl command that mends it.
 */
export async function readCertificate(
  certificateText: string,
  keyText: string,
  nowMilliseconds: number,
  memory: CertificateMemory,
): Promise<CertificateCredential | { faults: string[] }> {
  const pems = `${certificateText}\n${keyText}`;
  if (memory.certificate?.pems !== pems) {
    const read = await readPair(certificateText, keyText);
    if ('faults' in read) return read;
    memory.certificate = { pems, ...read };
  }
  const { credential, notBeforeMilliseconds } = memory.certificate;
  if (nowMilliseconds >= credential.notAfterMilliseconds) {
    return {
      faults: [`AZURE_AD_CLIENT_CERTIFICATE expired on ${day(credential.notAfterMilliseconds)}. ${NEW_PAIR}`],
    };
  }
  if (nowMilliseconds < notBeforeMilliseconds) {
    return {
      faults: [`AZURE_AD_CLIENT_CERTIFICATE is not valid before ${day(notBeforeMilliseconds)}. ${NEW_PAIR}`],
    };
  }
  return credential;
}

type Pair = { credential: CertificateCredential; notBeforeMilliseconds: number };

async function readPair(certificateText: string, keyText: string): Promise<Pair | { faults: string[] }> {
  const certificate = parseCertificate(certificateText);
  const key = await parsePrivateKey(keyText);
  const faults: string[] = [];
  if (certificate === undefined) {
    faults.push(`AZURE_AD_CLIENT_CERTIFICATE is not a PEM certificate ("BEGIN CERTIFICATE"). ${NEW_PAIR}`);
  }
  if ('fault' in key) faults.push(`AZURE_AD_CLIENT_PRIVATE_KEY ${key.fault}`);
  if (certificate === undefined || 'fault' in key) return { faults };
  if (!(await belongTogether(certificate, key.key))) {
    return {
      faults: [
        `AZURE_AD_CLIENT_PRIVATE_KEY does not belong to AZURE_AD_CLIENT_CERTIFICATE. Set both from one pair, or make a new one. ${NEW_PAIR}`,
      ],
    };
  }
  const digest = await crypto.subtle.digest('SHA-256', certificate.raw);
  return {
    credential: {
      kind: 'certificate',
      key: key.key,
      thumbprint: base64Url(new Uint8Array(digest)),
      notAfterMilliseconds: Date.parse(certificate.validTo),
    },
    notBeforeMilliseconds: Date.parse(certificate.validFrom),
  };
}

function parseCertificate(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(withLineEnds(text));
  } catch {
    return undefined;
  }
}

async function parsePrivateKey(text: string): Promise<{ key: CryptoKey } | { fault: string }> {
  const pem = withLineEnds(text);
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    return { fault: `is encrypted, and the Worker has no passphrase. ${CONVERT_KEY}` };
  }
  if (pem.includes('BEGIN RSA PRIVATE KEY'))
    return { fault: `is PKCS#1 ("BEGIN RSA PRIVATE KEY"). ${CONVERT_KEY}` };
  const base64 = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/.exec(pem)?.[1];
  if (base64 === undefined) return { fault: `is not a PEM private key ("BEGIN PRIVATE KEY"). ${NEW_PAIR}` };
  try {
    const der = Uint8Array.from(atob(base64.replace(/\s/g, '')), (character) => character.charCodeAt(0));
    return { key: await crypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']) };
  } catch {
    return { fault: `is not a whole RSA key. ${NEW_PAIR}` };
  }
}

/** By signing and verifying, because `checkPrivateKey` of this workerd answers wrongly. */
async function belongTogether(certificate: X509Certificate, key: CryptoKey): Promise<boolean> {
  const probe = new TextEncoder().encode('risky-users');
  const parameters = { name: ALGORITHM.name, saltLength: SALT_BYTES };
  try {
    const spki = certificate.publicKey.export({ format: 'der', type: 'spki' });
    const publicKey = await crypto.subtle.importKey('spki', spki, ALGORITHM, false, ['verify']);
    const signature = await crypto.subtle.sign(parameters, key, probe);
    return await crypto.subtle.verify(parameters, publicKey, signature, probe);
  } catch {
    return false;
  }
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

function withLineEnds(text: string): string {
  return text.replace(/(\\r)?\\n/g, '\n');
}

function day(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}
