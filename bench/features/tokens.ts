import { type KeyObject, generateKeyPairSync, sign } from 'node:crypto';
import { type EnvoyExtras, TYPES } from '../envoy.js';
import { type Stored, denied, granted, issuer } from './objects.js';

const ISSUER = 'https://id.example';
const AUDIENCE = 'shop';
const HOURS = 3600;

/** Keys of an issuer that lives as long as a run, and a token of its for all requests. */
export interface Tokens {
  readonly jwks: string;
  readonly token: string;
}

export function tokens(): Tokens {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'ES256', use: 'sig' };
  return { jwks: JSON.stringify({ keys: [jwk] }), token: signed(privateKey) };
}

function signed(key: KeyObject): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'user',
    groups: ['staff'],
    iat: now,
    exp: now + 2 * HOURS,
  };
  const text = `${part({ alg: 'ES256', kid: 'bench', typ: 'JWT' })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

/** Whoever has a token is let in, as objects of Weft. */
export function users({ jwks }: Tokens): readonly Stored[] {
  return [
    denied(),
    issuer({ issuer: ISSUER, audiences: [AUDIENCE], jwks: { inline: jwks } }),
    ...granted('users', [{}], [{ jwt: { issuer: ISSUER } }]),
  ];
}

/** As Envoy's filter, which remembers tokens too. */
export function jwtAuthn({ jwks }: Tokens): EnvoyExtras {
  const provider = {
    issuer: ISSUER,
    audiences: [AUDIENCE],
    forward: true,
    local_jwks: { inline_string: jwks },
    jwt_cache_config: { jwt_cache_size: 1000 },
  };
  const typed = {
    '@type': `${TYPES}.filters.http.jwt_authn.v3.JwtAuthentication`,
    providers: { issuer: provider },
    rules: [{ match: { prefix: '/' }, requires: { provider_name: 'issuer' } }],
  };
  return { filters: [{ name: 'envoy.filters.http.jwt_authn', typed_config: typed }] };
}
