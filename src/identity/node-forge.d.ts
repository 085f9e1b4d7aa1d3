/** The part of node-forge that reads PKCS#12. It handles bytes as strings of one character a byte. */
declare module 'node-forge' {
  /** A parsed ASN.1 value, opaque to us. */
  interface Asn1 {
    readonly tagClass: number;
    readonly type: number;
  }

  interface Bag {
    /** Object identifier of what is in it. */
    readonly type: string;
    /** An RSA key or certificate, which the library understands. */
    readonly key?: object | null;
    readonly cert?: object | null;
    /** Everything else, as it is in the file. */
    readonly asn1?: Asn1;
  }

  const forge: {
    readonly asn1: {
      fromDer(bytes: string, strict?: boolean): Asn1;
      toDer(value: Asn1): { getBytes(): string };
    };
    readonly pki: {
      readonly oids: Readonly<Record<'certBag' | 'keyBag' | 'pkcs8ShroudedKeyBag', string>>;
      certificateToAsn1(certificate: object): Asn1;
      privateKeyToAsn1(key: object): Asn1;
      wrapRsaPrivateKey(key: Asn1): Asn1;
    };
    readonly pkcs12: {
      pkcs12FromAsn1(
        file: Asn1,
        strict: boolean,
        password: string,
      ): { readonly safeContents: readonly { readonly safeBags: readonly Bag[] }[] };
    };
  };
  export = forge;
}
