import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deploy, inPod, namespace } from '../support/app.js';
import { apply, eventually, get, kubectl } from '../support/run.js';
import { installWeft } from '../support/weft.js';
import { weftObject } from '../support/policy.js';

const NS = 'e2e-jwt';
const ISSUER = 'https://id.example';
const SERVER = `http://server.${NS}:8080/`;

const weft = (kind: string, name: string, spec: object): object => weftObject(kind, NS, name, spec);

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

function token(claims: object, key: KeyObject = privateKey): string {
  const text = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 600;
  const payload = { iss: ISSUER, aud: 'shop', exp, groups: ['staff'], ...claims };
  const signed = `${text({ alg: 'ES256', kid: 'a' })}.${text(payload)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** Status and reason of one request with a token. */
async function ask(caller: string, bearer?: string): Promise<string> {
  const headers = bearer === undefined ? [] : ['-headers', `authorization=Bearer ${bearer}`];
  const said = await inPod(NS, `deploy/${caller}`, 'request', '-url', SERVER, ...headers);
  const { status, headers: answered } = JSON.parse(said) as {
    status: number;
    headers: Readonly<Record<string, string>>;
  };
  return `${status} ${answered['x-weft-reason'] ?? ''}`.trim();
}

const condition = async (kind: string, name: string, type: string): Promise<string> => {
  const { status } = await get<{
    status?: { conditions?: { type: string; status: string; reason: string }[] };
  }>(kind, name, '-n', NS);
  const found = status?.conditions?.find((one) => one.type === type);
  return `${found?.status ?? ''} ${found?.reason ?? ''}`;
};

beforeAll(async () => {
  await apply([namespace(NS)]);
  await deploy(
    { namespace: NS, name: 'server' },
    { namespace: NS, name: 'web' },
    { namespace: NS, name: 'other' },
  );
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'a' };
  await apply([
    weft('JwtIssuer', 'staff', {
      issuer: ISSUER,
      audiences: ['shop'],
      jwks: { inline: JSON.stringify({ keys: [jwk] }) },
    }),
    weft('MeshRole', 'caller', { rules: [{ services: ['server'], ports: [8080] }] }),
    weft('MeshRoleBinding', 'staff-calls', {
      subjects: [
        {
          allOf: [
            { serviceAccount: { name: 'web' } },
            { jwt: { issuer: ISSUER, claims: [{ path: ['groups'], anyOf: ['staff'] }] } },
          ],
        },
      ],
      roleRef: { kind: 'MeshRole', name: 'caller' },
    }),
  ]);
  await kubectl('label', 'namespace', NS, 'weft.dev/default-access=Deny', '--overwrite');
  await eventually(
    'nobody is let in without a token',
    async () => (await ask('web')) === '401 token-required',
  );
});

afterAll(async () => {
  await kubectl('delete', 'namespace', NS, '--wait=false');
});

test('a user of the right claims is let in, through the right workload only', async () => {
  expect(await ask('web', token({}))).toBe('200');
  expect(await ask('web', token({ groups: ['guests'] }))).toBe('403 access-denied');
  expect(await ask('other', token({}))).toBe('403 access-denied');
});

test.each([
  ['expired', token({ exp: 1 })],
  ['for others', token({ aud: 'bank' })],
  ['of another issuer', token({ iss: 'https://id.example.evil' })],
  ['signed by a stranger', token({}, stranger)],
  ['no token', 'x'],
])('a token that is %s is refused', async (_name, bearer) => {
  expect(await ask('web', bearer)).toBe('401 invalid-token');
});

describe('the API server as an identity provider', () => {
  const audience = 'e2e-jwt';
  const url = 'https://kubernetes.default.svc/openid/v1/jwks';
  let issuer: string;

  beforeAll(async () => {
    const { spec } = await get<{ spec: { clusterIPs: string[] } }>('service', 'kubernetes', '-n', 'default');
    const networks = spec.clusterIPs.map((ip) => `${ip}/${ip.includes(':') ? 128 : 32}`);
    await installWeft(`jwt.privateNetworks={${networks.join(',')}}`);
    await apply({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'e2e-jwt-issuer-discovery' },
      roleRef: {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'ClusterRole',
        name: 'system:service-account-issuer-discovery',
      },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:unauthenticated' }],
    });
    const discovery = await kubectl('get', '--raw', '/.well-known/openid-configuration');
    ({ issuer } = JSON.parse(discovery) as { issuer: string });
    const ca = await get<{ data: Record<string, string> }>('configmap', 'kube-root-ca.crt', '-n', NS);
    await apply([
      weft('JwtIssuer', 'cluster', {
        issuer,
        audiences: [audience],
        jwks: { url, caBundle: ca.data['ca.crt'] },
      }),
      weft('MeshRoleBinding', 'other-calls', {
        subjects: [
          {
            jwt: {
              issuer,
              claims: [{ path: ['kubernetes.io', 'serviceaccount', 'name'], anyOf: ['other'] }],
            },
          },
        ],
        roleRef: { kind: 'MeshRole', name: 'caller' },
      }),
    ]);
  });

  afterAll(async () => {
    await kubectl('delete', 'clusterrolebinding', 'e2e-jwt-issuer-discovery');
    await installWeft();
  });

  test('its keys are fetched, and its tokens believed for their audience', async () => {
    await eventually('its keys are there', async () =>
      (await condition('jwtissuer', 'cluster', 'ResolvedRefs')).startsWith('True'),
    );
    const made = async (account: string, audienceOf: string): Promise<string> =>
      (await kubectl('create', 'token', account, '-n', NS, `--audience=${audienceOf}`)).trim();
    const good = await made('other', audience);
    await eventually('it is let in', async () => (await ask('web', good)) === '200');
    expect(await ask('web', await made('web', audience))).toBe('403 access-denied');
    expect(await ask('web', await made('other', 'bank'))).toBe('401 invalid-token');
  });
});
