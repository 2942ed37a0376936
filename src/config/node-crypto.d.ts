/** The one thing taken from node:crypto, typed by hand so that the rest of Node stays out of sight in src. */
declare module 'node:crypto' {
  type PublicKey = { export(options: { format: 'der'; type: 'spki' }): Uint8Array<ArrayBuffer> };
  type X509Certificate = { raw: Uint8Array<ArrayBuffer>; validFrom: string; validTo: string; publicKey: PublicKey };
  export const X509Certificate: new (der: Uint8Array | string) => X509Certificate;
}
