import { createPublicKey, type KeyObject } from 'node:crypto';
import * as z from 'zod';
import type { JwtKey, KeyMaterial } from '../words/jwt-issuer.js';

/** What is in a JSON Web Key Set. */
export interface ReadKeys {
  readonly keys: readonly JwtKey[];
  /** Why others of its keys are not used. */
  readonly skipped: readonly string[];
}

/** Keys of one issuer. */
const MOST_KEYS = 32;

const jwk = z.looseObject({
  kty: z.string(),
  kid: z.string().max(1024).optional(),
  use: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
  alg: z.string().optional(),
  crv: z.string().optional(),
  n: z.string().optional(),
  e: z.string().optional(),
  x: z.string().optional(),
  y: z.string().optional(),
});

const keySet = z.looseObject({ keys: z.array(z.unknown()) });

/**
 * Reads a JSON Web Key Set (RFC 7517). A key that is not for verifying signatures, or whose kind is not known, is left out, as
 * the RFC wants it; keys that cannot be told apart all are. A text is why there is no set at all.
 */
export function toJwtKeys(text: string): ReadKeys | string {
  const set = parsed(text);
  if (set === undefined) return 'is not a JSON Web Key Set; it is JSON with a list `keys`';
  if (set.length > MOST_KEYS)
    return `has ${set.length} keys, of ${MOST_KEYS} at most; remove those of the past`;
  const read = set.map((key, index) => toKey(key, `keys[${index}]`));
  if (read.some((one) => one === PRIVATE))
    return 'has a private or secret key, which must not be used any more now; make a new one, and publish its public half only';
  const keys = read.filter((one) => typeof one === 'object');
  const skipped = read.filter((one) => typeof one === 'string');
  const clashing = keys.filter((key, index) => keys.some((other, at) => at !== index && clashes(key, other)));
  return {
    keys: keys.filter((key) => !clashing.includes(key)),
    skipped: [
      ...skipped,
      ...new Set(
        clashing.map(({ id }) => `several keys are named ${JSON.stringify(id)}; none of them is used`),
      ),
    ],
  };
}

const PRIVATE = Symbol('private');

function parsed(text: string): readonly unknown[] | undefined {
  try {
    return keySet.parse(JSON.parse(text)).keys;
  } catch {
    return undefined;
  }
}

function clashes(a: JwtKey, b: JwtKey): boolean {
  return a.id !== '' && a.id === b.id && a.algorithms.some((name) => b.algorithms.includes(name));
}

function toKey(value: unknown, at: string): JwtKey | string | typeof PRIVATE {
  const { success, data } = jwk.safeParse(value);
  if (!success) return `${at} is not a JSON Web Key`;
  if (['d', 'k', 'p', 'q', 'dp', 'dq', 'qi'].some((member) => member in data)) return PRIVATE;
  if (!verifies(data)) return `${at} is not for verifying signatures`;
  const family = familyOf(data);
  if (family === undefined) return `${at} is of a kind that is not supported`;
  const algorithms = algorithmsOf(data, family);
  if (algorithms.length === 0) return `${at} is for an algorithm that is not supported, or does not fit it`;
  const material = materialOf(data, family.kind);
  return material === undefined
    ? `${at} is not a valid key, or one of less than 2048 or more than 8192 bits`
    : { id: data.kid ?? '', algorithms, material };
}

function verifies({ use, key_ops: operations }: Jwk): boolean {
  return (use === undefined || use === 'sig') && (operations?.includes('verify') ?? true);
}

function algorithmsOf({ alg }: Jwk, { all, byDefault }: Family): readonly string[] {
  return alg === undefined ? byDefault : all.filter((name) => name === alg || name === ALIASES[alg]);
}

type Jwk = z.infer<typeof jwk>;

interface Family {
  readonly kind: KeyMaterial['kind'];
  readonly all: readonly string[];
  /** Where the key does not say. */
  readonly byDefault: readonly string[];
}

/** RFC 9864 gives one algorithm of EdDSA a name of its own. */
const ALIASES: Readonly<Record<string, string>> = { Ed25519: 'EdDSA' };

const PKCS1 = ['RS256', 'RS384', 'RS512'];

const FAMILIES: Readonly<Record<string, Family>> = {
  // A key that does not say so is not for both paddings.
  RSA: { kind: 'rsa', all: [...PKCS1, 'PS256', 'PS384', 'PS512'], byDefault: PKCS1 },
  'EC P-256': { kind: 'p256', all: ['ES256'], byDefault: ['ES256'] },
  'EC P-384': { kind: 'p384', all: ['ES384'], byDefault: ['ES384'] },
  'OKP Ed25519': { kind: 'ed25519', all: ['EdDSA'], byDefault: ['EdDSA'] },
};

function familyOf({ kty, crv }: Jwk): Family | undefined {
  const name = kty === 'RSA' ? kty : `${kty} ${crv ?? ''}`;
  return Object.hasOwn(FAMILIES, name) ? FAMILIES[name] : undefined;
}

/** As the proxy wants it, once OpenSSL has taken it for a key. */
function materialOf({ kty, crv, n, e, x, y }: Jwk, kind: KeyMaterial['kind']): KeyMaterial | undefined {
  const members = Object.entries({ kty, crv, n, e, x, y }).filter(([, value]) => value !== undefined);
  try {
    const key = createPublicKey({ key: Object.fromEntries(members), format: 'jwk' });
    const known = exported.parse(key.export({ format: 'jwk' }));
    switch (kind) {
      case 'rsa':
        return isSound(key) ? { kind, modulus: known.n, exponent: known.e } : undefined;
      case 'ed25519':
        return { kind, point: known.x };
      case 'p256':
      case 'p384':
        return { kind, point: uncompressed(known) };
    }
  } catch {
    return undefined;
  }
}

/** Members that a key has, as its kind wants. */
const exported = z.object({
  n: z.string().default(''),
  e: z.string().default(''),
  x: z.string().default(''),
  y: z.string().default(''),
});

/** A point as SEC 1 writes it. */
function uncompressed({ x, y }: { readonly x: string; readonly y: string }): string {
  const coordinates = [x, y].map((text) => Buffer.from(text, 'base64url'));
  return Buffer.concat([Buffer.from([4]), ...coordinates]).toString('base64url');
}

/** Whether proxies take it: others are broken, or cost too much. */
function isSound({
  asymmetricKeyDetails: { modulusLength = 0, publicExponent = 0n } = {},
}: KeyObject): boolean {
  const isOdd = publicExponent % 2n === 1n;
  return (
    modulusLength >= 2048 &&
    modulusLength <= 8192 &&
    isOdd &&
    publicExponent >= 3n &&
    publicExponent < 2n ** 33n
  );
}
