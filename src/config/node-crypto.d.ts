/** The one thing taken from node:crypto, typed by hand so that the rest of Node stays out of sight in src. */
declare module 'node:crypto' {
  export class X509Certificate {
    constructor(der: Uint8Array | string);
    readonly raw: Uint8Array<ArrayBuffer>;
    readonly validFrom: string;
    readonly validTo: string;
    readonly publicKey: { export(options: { format: 'der'; type: 'spki' }): Uint8Array<ArrayBuffer> };
  }
}
