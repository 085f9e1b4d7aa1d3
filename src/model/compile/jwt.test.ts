import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { aMesh, aPolicy, aPort, aService, aWorkload, anAddress, anEndpointSet } from '../../testing/mesh.js';
import { policiesAbout } from '../judge/about.js';
import { isJwtIssuerInForce, judgeJwtIssuer, judgeRoleBinding } from '../judge/judge-access.js';
import { judge } from '../judge/judge.js';
import { toJwtIssuer } from '../read/to-jwt-issuer.js';
import { toJwtKeys } from '../read/to-jwt-keys.js';
import { toRole } from '../read/to-role.js';
import { toRoleBinding } from '../read/to-role-binding.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import { compileWorkload } from './compile-workload.js';
import { claimOf, placeOfClaim } from './counted-claims.js';

const object = (kind: string, name: string, spec: object, createdAt = '2026-01-01T00:00:00Z'): object => ({
  apiVersion: 'weft.dev/v1alpha1',
  kind,
  metadata: { namespace: 'shop', name, uid: `${kind}/${name}`, generation: 1, creationTimestamp: createdAt },
  spec,
});
const ec = (curve = 'P-256'): object =>
  generateKeyPairSync('ec', { namedCurve: curve }).publicKey.export({ format: 'jwk' });
const rsa = (bits: number): object =>
  generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' });
const set = (...keys: object[]): string => JSON.stringify({ keys });
const INLINE = set({ ...ec(), kid: 'a' });
const issuer = (name: string, spec: object = {}, createdAt?: string) =>
  toJwtIssuer(
    object(
      'JwtIssuer',
      name,
      { issuer: 'https://id.example', audiences: ['shop'], jwks: { inline: INLINE }, ...spec },
      createdAt,
    ),
  );
const STAFF = { jwt: { issuer: 'https://id.example', claims: [{ path: ['groups'], anyOf: ['staff'] }] } };
const STAFF_READ = {
  kind: 'jwt',
  issuer: 'https://id.example',
  claims: [{ path: ['groups'], anyOf: ['staff'] }],
};
const binding = (spec: object) =>
  toRoleBinding(
    object('MeshRoleBinding', 'staff-reads', {
      subjects: [STAFF],
      roleRef: { kind: 'MeshRole', name: 'reader' },
      ...spec,
    }),
  ).binding!;

/** Service shop/reviews, 8080 to 9080, with one pod. */
function aShop(appProtocol = 'http'): MeshTables {
  const mesh = aMesh();
  mesh.services.set(aService({ selector: { app: 'reviews' }, ports: [aPort({ appProtocol })] }));
  mesh.workloads.set(aWorkload('a', '10.244.0.1', { labels: { app: 'reviews' } }));
  mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.1', 'a')]));
  mesh.roles.set(
    toRole(object('MeshRole', 'reader', { rules: [{ services: ['reviews'], ports: [8080] }] })).role!,
  );
  return mesh;
}
const accessOf = (mesh: MeshTables) => compileWorkload(mesh, 'a')?.workload.access;

test('an issuer goes to proxies where a binding asks for its tokens, with a feature that old ones refuse', () => {
  const mesh = aShop();
  mesh.jwtIssuers.set(issuer('id').issuer!);
  expect(accessOf(mesh)).toBeUndefined();
  mesh.roleBindings.set(binding({}));
  const { workload, sources } = compileWorkload(mesh, 'a')!;
  expect(workload.criticalFeatures).toEqual(['workload.access', 'workload.access.jwt']);
  expect(workload.access?.subjects.map(({ allOf }) => allOf)).toEqual([[STAFF_READ]]);
  expect(workload.access?.jwtIssuers?.map(({ keys }) => keys.map(({ id }) => id))).toEqual([['a']]);
  expect(sources.map(({ uid }) => uid)).toContain('JwtIssuer/id');
  mesh.jwtIssuers.delete('JwtIssuer/id');
  expect(accessOf(mesh)?.jwtIssuers).toBeUndefined();
});

describe('a token of an issuer that is not known', () => {
  const compiled = (spec: object): unknown => {
    const mesh = aShop();
    const bound = binding(spec);
    mesh.roleBindings.set(bound);
    expect(judgeRoleBinding(mesh, bound).map(({ reason }) => reason)).toEqual(['IssuerNotFound']);
    return accessOf(mesh)?.subjects.map(({ allOf }) => allOf);
  };
  const web = { serviceAccount: { name: 'web' } };
  const read = { kind: 'serviceAccount', trustDomain: 'cluster.local', namespace: 'shop', name: 'web' };

  test('lets nobody in, not even who does not have it', () => {
    expect(compiled({})).toBeUndefined();
    expect(compiled({ subjects: [{ allOf: [{ not: STAFF }, web] }, web] })).toEqual([[read]]);
  });

  test('keeps everybody out whom the other conditions are about', () => {
    expect(compiled({ effect: 'Deny' })).toEqual([[{ kind: 'anyone' }]]);
    expect(compiled({ effect: 'Deny', subjects: [{ allOf: [{ not: STAFF }, web] }] })).toEqual([[read]]);
  });
});

test('at a port of bytes a token allows nothing, and what it might deny is denied', () => {
  for (const [effect, subjects] of [
    ['Allow', undefined],
    ['Deny', [[{ kind: 'anyone' }]]],
  ] as const) {
    const mesh = aShop('tcp');
    mesh.jwtIssuers.set(issuer('id').issuer!);
    mesh.roleBindings.set(binding({ effect }));
    expect(accessOf(mesh)?.subjects.map(({ allOf }) => allOf)).toEqual(subjects);
  }
});

test('of two issuers of the same tokens the older counts', () => {
  const mesh = aShop();
  const young = issuer('young', { audiences: ['everybody'] }, '2026-02-01T00:00:00Z').issuer!;
  mesh.jwtIssuers.set(young);
  mesh.jwtIssuers.set(issuer('old').issuer!);
  mesh.roleBindings.set(binding({}));
  expect(accessOf(mesh)?.jwtIssuers?.map(({ issuer: { audiences } }) => audiences)).toEqual([['shop']]);
  expect(judgeJwtIssuer(mesh, young).map(({ reason }) => reason)).toEqual(['Conflicted']);
});

test('keys that are fetched count for the place they came from, and until then there are none', () => {
  const mesh = aShop();
  const url = 'https://id.example/keys';
  const fetching = issuer('id', { jwks: { url } }).issuer!;
  mesh.jwtIssuers.set(fetching);
  mesh.roleBindings.set(binding({}));
  const keysOf = () => accessOf(mesh)?.jwtIssuers?.flatMap(({ keys }) => keys.map(({ id }) => id));
  const reasons = () => judgeJwtIssuer(mesh, fetching).map(({ reason }) => reason);
  const read = toJwtKeys(set({ ...ec(), kid: 'b' }));
  const { keys } = typeof read === 'string' ? { keys: [] } : read;
  expect([keysOf(), reasons()]).toEqual([[], ['KeysMissing']]);
  expect(mesh.setKeySets(new Map([['JwtIssuer/id', { url, keys, fetchedAt: 0 }]]))).toEqual(
    new Set(['access/shop']),
  );
  expect([keysOf(), reasons()]).toEqual([['b'], []]);
  mesh.setKeySets(new Map([['JwtIssuer/id', { url, keys, fetchedAt: 0, failure: 'it is slow' }]]));
  expect([keysOf(), reasons()]).toEqual([['b'], ['KeysStale']]);
  mesh.setKeySets(new Map([['JwtIssuer/id', { url: 'https://else.example/', keys, fetchedAt: 0 }]]));
  expect([keysOf(), reasons()]).toEqual([[], ['KeysMissing']]);
});

describe('a key set', () => {
  const read = (...keys: object[]): unknown => {
    const found = toJwtKeys(set(...keys));
    return typeof found === 'string' ? found : found.keys.map(({ id, algorithms }) => [id, ...algorithms]);
  };
  const kept = ec();

  test.each([
    ['an elliptic curve', { ...kept, kid: 'a' }, ['a', 'ES256']],
    ['one that does not say which of both paddings', rsa(2048), ['', 'RS256', 'RS384', 'RS512']],
    ['one that says so', { ...rsa(2048), alg: 'PS384' }, ['', 'PS384']],
    ['Ed25519 by its new name', { ...ed25519(), alg: 'Ed25519' }, ['', 'EdDSA']],
    ['P-384', ec('P-384'), ['', 'ES384']],
  ])('has %s', (_name, key, expected) => {
    expect(read(key)).toEqual([expected]);
  });

  test.each([
    ['for encryption', { ...ec(), use: 'enc' }],
    ['for signing only', { ...ec(), key_ops: ['sign'] }],
    ['of another curve', ec('P-521')],
    ['of an algorithm for other keys', { ...ec(), alg: 'RS256' }],
    ['of an algorithm of secrets', { ...rsa(2048), alg: 'HS256' }],
    ['that is too short', rsa(1024)],
    ['off its curve', { ...ec(), y: 'AAAA' }],
    ['of no kind', { kid: 'x' }],
    ['of an inherited kind', { kty: 'constructor' }],
  ])('is used without a key %s', (_name, key) => {
    expect(read(key, { ...kept, kid: 'good' })).toEqual([['good', 'ES256']]);
  });

  test('has no keys that cannot be told apart', () => {
    expect(read({ ...ec(), kid: 'a' }, { ...ec(), kid: 'a' }, { ...ec(), kid: 'b' })).toEqual([
      ['b', 'ES256'],
    ]);
  });

  test.each([
    ['{', /is not a JSON Web Key Set/],
    ['{"keys":{}}', /is not a JSON Web Key Set/],
    [set({ kty: 'oct', k: 'c2VjcmV0' }), /private or secret key/],
    [
      set(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })),
      /private or secret key/,
    ],
    [set(...Array<object>(33).fill({ kty: 'x' })), /33 keys, of 32 at most/],
  ])('%p is none', (text, reason) => {
    expect(toJwtKeys(text)).toMatch(reason);
    expect(issuer('id', { jwks: { inline: text } }).problems.map(({ field }) => field)).toEqual([
      'spec.jwks.inline',
    ]);
  });
});

function ed25519(): object {
  return generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
}

test.each([
  [{ jwks: {} }, /exactly one of inline and url/],
  [{ jwks: { inline: INLINE, url: 'https://id.example/' } }, /exactly one of inline and url/],
  [{ jwks: { url: 'http://id.example/' } }, /./],
  [{ jwks: { url: 'https://user@id.example/' } }, /./],
  [{ clockSkew: '61s' }, /more than a minute/],
  [{ location: { header: 'Authorization' } }, /meaning of its own/],
  [{ location: { header: 'x', cookie: 'x' } }, /exactly one of header and cookie/],
  [{ audiences: [] }, /./],
  [{ jwks: { inline: INLINE, caBundle: 'x' } }, /there is none; remove it/],
])('an issuer with %j is refused', (spec, reason) => {
  const read = issuer('id', spec);
  expect(read.issuer).toBeUndefined();
  expect(read.problems.map(({ message }) => message).join()).toMatch(reason);
});

describe('a limit that counts by a claim', () => {
  const claim = { issuer: 'https://id.example', path: ['sub'] };
  const limits = (...claims: (typeof claim)[]) =>
    aPolicy('limits', {
      rateLimits: claims.map((counted, index) => ({
        name: `limit-${index}`,
        requests: 1,
        perMs: 1_000,
        burst: 1,
        key: [{ claim: counted }],
        scope: 'Pod',
        dryRun: false,
      })),
    });
  /** What goes to the proxy, as far as limits concern it. */
  const wired = (mesh: MeshTables) => {
    const { inboundPorts, access } = compileWorkload(mesh, 'a')!.workload;
    const claims = access?.countedClaims ?? [];
    const places = inboundPorts.flatMap(({ rateLimits = [] }) =>
      rateLimits.flatMap(({ key }) => key.flatMap(claimOf).map((one) => placeOfClaim(claims, one))),
    );
    return { places, claims, issuers: (access?.jwtIssuers ?? []).map(({ issuer: { issuer } }) => issuer) };
  };

  test('has its issuer believed where no binding names it, and lets everybody in as before', () => {
    const mesh = aShop();
    const { issuer: id } = issuer('id');
    mesh.jwtIssuers.set(id!);
    expect(isJwtIssuerInForce(mesh, id!)).toBe(false);
    mesh.policies.set(limits(claim));
    const { workload, sources } = compileWorkload(mesh, 'a')!;
    expect(workload.criticalFeatures).toEqual([
      'workload.access',
      'workload.access.jwt',
      'workload.rate-limits.claim',
      'workload.rate-limits',
    ]);
    expect(workload.access).toMatchObject({ default: 'allow', subjects: [], countedClaims: [claim] });
    expect(sources.map(({ uid }) => uid)).toEqual(['shop/limits', 'JwtIssuer/id']);
    expect(isJwtIssuerInForce(mesh, id!)).toBe(true);
    expect(wired(mesh)).toMatchObject({
      places: [0],
      issuers: ['https://id.example'],
    });
  });

  test('adds what rules do not ask for, each issuer and claim once, and leaves the rules as they are', () => {
    const mesh = aShop();
    mesh.jwtIssuers.set(issuer('id').issuer!);
    mesh.jwtIssuers.set(issuer('b', { issuer: 'https://b.example' }).issuer!);
    mesh.roleBindings.set(binding({}));
    const { subjects } = accessOf(mesh)!;
    const org = { issuer: 'https://b.example', path: ['org', 'id'] };
    mesh.policies.set(limits(claim, org, claim));
    expect(accessOf(mesh)?.subjects).toEqual(subjects);
    expect(wired(mesh)).toMatchObject({
      places: [1, 0, 1],
      issuers: ['https://id.example', 'https://b.example'],
      claims: [org, claim],
    });
  });

  test('counts all together while nobody knows the issuer, and says so until one comes', () => {
    const mesh = aShop();
    const policy = limits(claim);
    mesh.policies.set(policy);
    expect(wired(mesh)).toEqual({ places: [-1], issuers: [], claims: [] });
    expect(compileWorkload(mesh, 'a')?.workload.criticalFeatures).toEqual(['workload.rate-limits']);
    const problem = { reason: 'IssuerNotFound', field: 'spec.rateLimit[0].key[0].claim.issuer' };
    expect(judge(mesh, policy)).toMatchObject([problem]);
    const { depends } = compileWorkload(mesh, 'a')!;
    const dirty = mesh.jwtIssuers.set(issuer('id').issuer!);
    expect(depends.some((key) => dirty.has(key))).toBe(true);
    expect(policiesAbout(mesh, dirty)).toEqual([policy]);
    expect(judge(mesh, policy)).toEqual([]);
  });

  test('tells requests apart by sixteen claims at most', () => {
    const mesh = aShop();
    mesh.jwtIssuers.set(issuer('id').issuer!);
    mesh.policies.set(
      limits(...Array.from({ length: 17 }, (_, index) => ({ ...claim, path: [`c-${index}`] }))),
    );
    const { places, claims } = wired(mesh);
    expect([claims.length, places.filter((place) => place === -1).length]).toEqual([16, 1]);
  });
});
