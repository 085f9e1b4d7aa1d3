import { create } from '@bufbuild/protobuf';
import type {
  AccessCondition,
  CountedClaim,
  JwtKey,
  TokenLocation,
  TrustedIssuer,
} from '../../model/index.js';
import {
  type CountedClaim as WireCountedClaim,
  CountedClaimSchema,
  JwtClaimSchema,
  type JwtCondition,
  JwtConditionSchema,
  JwtForwarding,
  type JwtIssuer as WireIssuer,
  JwtIssuerSchema,
  type JwtKey as WireKey,
  JwtKeySchema,
  RsaPublicKeySchema,
} from '../../wire/gen/weft/v1/access_pb.js';

/** A condition on tokens, which names its issuer by the place among `issuers`; counted from one, zero is none. */
export function toWireJwtCondition(
  { issuer, claims }: Extract<AccessCondition, { readonly kind: 'jwt' }>,
  issuers: readonly TrustedIssuer[],
): JwtCondition {
  return create(JwtConditionSchema, {
    issuer: issuers.findIndex((known) => known.issuer.issuer === issuer) + 1,
    claims: claims.map(({ path, anyOf }) => create(JwtClaimSchema, { path: [...path], anyOf: [...anyOf] })),
  });
}

/** A claim by which limits count, which names its issuer in the same way. */
export function toWireCountedClaim(
  { issuer, path }: CountedClaim,
  issuers: readonly TrustedIssuer[],
): WireCountedClaim {
  return create(CountedClaimSchema, {
    issuer: issuers.findIndex((known) => known.issuer.issuer === issuer) + 1,
    path: [...path],
  });
}

/** An issuer with its keys. */
export function toWireJwtIssuer({ issuer, keys }: TrustedIssuer): WireIssuer {
  const { ref, audiences, skewSeconds, location, forwarding } = issuer;
  return create(JwtIssuerSchema, {
    name: `${ref.namespace}/${ref.name}`,
    issuer: issuer.issuer,
    audiences: [...audiences],
    keys: keys.map(toWireKey),
    clockSkewSeconds: skewSeconds,
    location: toWireLocation(location),
    forwarding: forwarding === 'remove' ? JwtForwarding.REMOVE : JwtForwarding.KEEP,
  });
}

function toWireLocation(location: TokenLocation): WireIssuer['location'] {
  switch (location.kind) {
    case 'bearer':
      return { case: 'bearer', value: true };
    case 'header':
    case 'cookie':
      return { case: location.kind, value: location.name };
  }
}

function toWireKey({ id, algorithms, material }: JwtKey): WireKey {
  return create(JwtKeySchema, { keyId: id, algorithms: [...algorithms], material: toWireMaterial(material) });
}

function toWireMaterial(material: JwtKey['material']): WireKey['material'] {
  if (material.kind !== 'rsa') return { case: material.kind, value: bytes(material.point) };
  const [modulus, exponent] = [bytes(material.modulus), bytes(material.exponent)];
  return { case: 'rsa', value: create(RsaPublicKeySchema, { modulus, exponent }) };
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64url'));
}
