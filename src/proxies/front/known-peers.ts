import { X509Certificate, hash } from 'node:crypto';
import { setLatest } from '../../base/index.js';
import { canonicalAddress } from '../../base/listener/index.js';
import type { Peer } from '../service.js';

/** What is read of a certificate. Absent: nothing can be. */
type Read = { readonly subjectAltName: string | undefined; readonly fingerprint256: string } | undefined;

/** Certificates whose contents are known, each a few hundred bytes. */
const MOST_KNOWN = 1_024;

/**
 * Who is at the other end of streams. A certificate is parsed once and not for each stream that comes with it, as whoever has one may
 * open many.
 */
export class KnownPeers {
  /** By the certificate's digest; who came last is last. */
  readonly #known = new Map<string, Read>();

  /** How many certificates are known. */
  get size(): number {
    return this.#known.size;
  }

  /** The peer of this address, with the certificate (DER) that the front has verified. */
  of(address: string, certificate: Uint8Array): Peer {
    return { address: canonicalAddress(address) ?? '', certificate: this.#certificate(certificate) };
  }

  #certificate(certificate: Uint8Array): Peer['certificate'] {
    const read = this.#read(certificate);
    if (read === undefined) return undefined;
    // Of its own: what arrived is a part of much more, and this lives until the proxy is admitted.
    let der: Uint8Array | undefined = Uint8Array.from(certificate);
    const take = (): Uint8Array | undefined => {
      const once = der;
      der = undefined;
      return once;
    };
    return { ...read, der: take };
  }

  #read(certificate: Uint8Array): Read {
    const digest = hash('sha256', certificate, 'base64');
    // Of one that cannot be read that is what is known.
    const read = this.#known.has(digest) ? this.#known.get(digest) : parse(certificate);
    setLatest(this.#known, digest, read, MOST_KNOWN);
    return read;
  }
}

function parse(certificate: Uint8Array): Read {
  try {
    const { subjectAltName, fingerprint256 } = new X509Certificate(certificate);
    return { subjectAltName, fingerprint256 };
  } catch {
    // Nobody is admitted without one.
    return undefined;
  }
}
