import type { Mesh } from '../tables/mesh.js';
import { BUDGET, FIELD_FRAME } from '../words/budget.js';
import type { ExternalPort, ExternalService, PodExternalPort } from '../words/external-service.js';
import { bundleNamed } from '../words/server-validation.js';
import { trustedAuthorities } from './trusted-authorities.js';

/** The certificates of authorities that a pod is told, each list once: that of the web takes much, and many name it. */
export class PodAuthorities {
  readonly lists: (readonly Uint8Array[])[] = [];
  readonly #mesh: Mesh;
  readonly #places = new Map<string, number>();
  #bytes = 0;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
  }

  /** A port of an ExternalService, with what its servers have to prove where requests go out in TLS. */
  port({ ref }: ExternalService, { tls, ...rest }: ExternalPort): PodExternalPort {
    if (tls === undefined) return rest;
    const proof = { port: tls.port, dnsNames: tls.names.dns, uris: tls.names.uris };
    const name = JSON.stringify([tls.wellKnown, tls.authorities.map((one) => bundleNamed({ ref }, one))]);
    const known = this.#places.get(name);
    if (known !== undefined) return { ...rest, tls: { ...proof, authorities: known } };
    const { authorities, refused } = trustedAuthorities(this.#mesh, {
      ref,
      validation: tls,
      field: tls.field,
    });
    const place = refused === undefined ? this.#place(name, authorities) : undefined;
    if (place !== undefined) return { ...rest, tls: { ...proof, authorities: place } };
    const why = refused ?? TOO_MANY;
    return { ...rest, tls: { ...proof, refused: why } };
  }

  /** Undefined: they are more than a pod is told. */
  #place(name: string, authorities: readonly Uint8Array[]): number | undefined {
    const bytes = authorities.reduce((total, { length }) => total + length + FIELD_FRAME, 0);
    if (this.#bytes + bytes > BUDGET.tlsBytes) return undefined;
    this.#bytes += bytes;
    const place = this.lists.push(authorities) - 1;
    this.#places.set(name, place);
    return place;
  }
}

/** Why requests are refused that these authorities were to prove a server for. */
export const TOO_MANY = `the ExternalServices of this namespace name more than ${BUDGET.tlsBytes} bytes of certificates together; name fewer authorities`;
