import { createHmac, createSign } from 'node:crypto';
import { Metrics, createLogger, names, systemClock, watched } from '../../../src/base/index.js';
import { connectGrpc } from '../../../src/grpc/index.js';
import {
  Authority,
  controlPlaneName,
  issueCertificate,
  podDirectory,
  startIdentityServer,
} from '../../../src/identity/index.js';
import { connectKube, tokenReviewer } from '../../../src/kube/index.js';
import { aMesh, aWorkload } from '../../../src/testing/mesh-fixture.js';
import { testCa } from '../../../src/testing/test-ca.js';
import { testCsr } from '../../../src/testing/test-csr.js';
import { IdentityAuthority } from '../../../src/wire/gen/weft/identity/v1/identity_pb.js';
import { ISSUER, type RealApiServer } from '../api-server.js';
import type { Row } from '../row.js';

const NAMESPACE = 'tokens';
const OWN = '127.0.0.1';
const FOREIGN = '127.0.0.66';
const URI = `spiffe://cluster.local/ns/${NAMESPACE}/sa/web`;

/** What is shown to the authority, and from where. */
interface Attempt {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly from?: string;
  readonly uri?: string;
}

/** The row about who gets a certificate. */
export function tokenRows(server: RealApiServer): readonly Row[] {
  return [
    {
      area: 'Issuance hardening',
      name: 'a certificate is issued for the token of a pod that lives, from its address, and for no other',
      play: async () => {
        const pods = await preparePods(server);
        const authority = await startAuthority(server, pods);
        const right = await pods.token('web', 'web-1', { audiences: ['weft'] });
        const attempts = await attemptsWith(server, pods, right);
        const wrong: string[] = [];
        for (const attempt of attempts)
          if (await authority.certify(attempt)) wrong.push(`${attempt.name}: a certificate was issued`);
        const twin = await authority.certify({ name: 'twin', headers: bearer(right) });
        if (!twin) wrong.push('the right token from the right address got no certificate');
        authority.close();
        return { attempts: attempts.length, twins: 1, wrong };
      },
    },
  ];
}

interface Pods {
  readonly uids: ReadonlyMap<string, string>;
  /** Of a service account, bound to a pod where one is named. */
  readonly token: (account: string, pod: string | undefined, spec: object) => Promise<string>;
}

const core = (plural: string): string => `/api/v1/namespaces/${NAMESPACE}/${plural}`;

async function preparePods(server: RealApiServer): Promise<Pods> {
  await server.must('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
  for (const name of ['web', 'short'])
    await server.must('POST', core('serviceaccounts'), { metadata: { name } });
  const uids = new Map<string, string>();
  const pod = async (name: string, account: string, more: object = {}): Promise<void> => {
    const spec = { serviceAccountName: account, containers: [{ name: 'app', image: 'app' }], ...more };
    const made = await server.must('POST', core('pods'), { metadata: { name }, spec });
    uids.set(name, made.metadata?.uid ?? '');
  };
  await pod('web-1', 'web');
  await pod('web-2', 'web');
  await pod('deleted', 'web');
  await pod('unknown', 'web');
  await pod('host', 'web', { hostNetwork: true });
  await pod('short-1', 'short');
  return {
    uids,
    token: async (account, name, spec) => {
      const bound =
        name === undefined
          ? {}
          : { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid: uids.get(name) } };
      const made = await server.must('POST', `${core('serviceaccounts')}/${account}/token`, {
        spec: { ...bound, ...spec },
      });
      return made.status?.token ?? '';
    },
  };
}

const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });
const WEFT = { audiences: ['weft'] };

async function attemptsWith(server: RealApiServer, pods: Pods, right: string): Promise<readonly Attempt[]> {
  const { token } = pods;
  const shown = (name: string, text: string, more: Partial<Attempt> = {}): Attempt => ({
    name,
    headers: bearer(text),
    ...more,
  });
  const [head = '', claims = '', signature = ''] = right.split('.');
  const says = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
  const signed = (
    change: object,
    header: object = JSON.parse(Buffer.from(head, 'base64url').toString()) as object,
  ): string => {
    const body = [header, { ...says, ...change }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${body}.${createSign('RSA-SHA256').update(body).sign(server.signingKey).toString('base64url')}`;
  };
  const unsigned = (header: object, sign: (body: string) => string): string => {
    const body = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${claims}`;
    return `${body}.${sign(body)}`;
  };
  const gone = await token('web', 'deleted', WEFT);
  await server.must('DELETE', `${core('pods')}/deleted?gracePeriodSeconds=0`);
  const orphan = await token('short', 'short-1', WEFT);
  await server.must('DELETE', `${core('serviceaccounts')}/short`);
  const seconds = Math.floor(Date.now() / 1000);
  return [
    { name: 'no token', headers: {} },
    shown('an empty token', ''),
    shown('a token that is none', 'nobody'),
    shown('a token that is three dots', '...'),
    shown('a token for the API server', await token('web', 'web-1', {})),
    shown('a token for another audience', await token('web', 'web-1', { audiences: ['vault'] })),
    shown('a token that is bound to no pod', await token('web', undefined, WEFT)),
    shown('a token of a pod that is deleted', gone),
    shown('a token of a service account that is deleted', orphan),
    shown('a token of a pod that the mesh does not know', await token('web', 'unknown', WEFT)),
    shown('a token of a pod on the network of its node', await token('web', 'host', WEFT)),
    shown('a token with another signature', `${head}.${claims}.${signature.slice(0, -8)}AAAAAAAA`),
    shown('a token without its signature', `${head}.${claims}.`),
    shown(
      'a token whose algorithm is none',
      unsigned({ alg: 'none' }, () => ''),
    ),
    shown(
      'a token with an HMAC by the public part',
      unsigned({ alg: 'HS256' }, (body) =>
        createHmac('sha256', server.signingKey).update(body).digest('base64url'),
      ),
    ),
    shown('a token that has expired', signed({ exp: seconds - 60, iat: seconds - 7200 })),
    shown('a token that is not valid yet', signed({ nbf: seconds + 3600, exp: seconds + 7200 })),
    shown('a token of another issuer', signed({ iss: `${ISSUER}.evil` })),
    shown(
      'a token of a pod by the uid of another one',
      signed({
        'kubernetes.io': { ...(says['kubernetes.io'] as object), pod: { name: 'web-1', uid: 'other' } },
      }),
    ),
    shown(
      'a token of a service account by the uid of another one',
      signed({
        'kubernetes.io': {
          ...(says['kubernetes.io'] as object),
          serviceaccount: { name: 'web', uid: 'other' },
        },
      }),
    ),
    shown('the token of a pod from the address of another one', right, { from: FOREIGN }),
    shown('the token of a pod for the name of another service account', right, {
      uri: `spiffe://cluster.local/ns/${NAMESPACE}/sa/admin`,
    }),
    shown('the token of a pod for the name of the control plane', right, {
      uri: 'spiffe://cluster.local/ns/weft-system/sa/weft',
    }),
    { name: 'the right token as a password', headers: { authorization: `Basic ${right}` } },
    { name: 'the right token in another header', headers: { 'x-authorization': `Bearer ${right}` } },
  ];
}

/** The identity authority as it ships, which asks this API server about tokens. */
async function startAuthority(
  server: RealApiServer,
  { uids }: Pods,
): Promise<{ readonly certify: (attempt: Attempt) => Promise<boolean>; readonly close: () => void }> {
  const stop = new AbortController();
  const log = createLogger({ level: 'silent' });
  const metrics = new Metrics();
  const mesh = aMesh();
  const client = connectKube({ kubeconfig: server.kubeconfig });
  for (const [name, uid] of uids) {
    if (name === 'unknown') continue;
    const key = { cluster: 'default', network: 'default', namespace: NAMESPACE, name };
    mesh.workloads.set(
      aWorkload({ uid, key, ips: [OWN], serviceAccount: 'web', hostNetwork: name === 'host' }),
    );
  }
  const ca = await testCa();
  const identity = watched(
    await issueCertificate(ca.issuer, controlPlaneName('cluster.local', names.SYSTEM_NAMESPACE), Date.now()),
  );
  const authority = new Authority({
    trustDomain: 'cluster.local',
    systemNamespace: names.SYSTEM_NAMESPACE,
    issuer: watched<typeof ca.issuer | undefined>(ca.issuer),
    reviewToken: tokenReviewer(client),
    podCheck: { pods: podDirectory(mesh), checkPeerAddress: true, waitMs: 200 },
    clock: systemClock,
  });
  const { port } = await startIdentityServer(
    { host: '::', port: 0, identity, authority, sharedAddresses: false, log, metrics },
    stop.signal,
  );
  const certify = async ({ headers, from = OWN, uri = URI }: Attempt): Promise<boolean> => {
    const csr = await testCsr({ uri });
    const caller = await connectGrpc({ host: OWN, localAddress: from, port, roots: ca.roots });
    try {
      await caller.unary(IdentityAuthority.method.certify, { csr }, headers);
      return true;
    } catch {
      return false;
    } finally {
      caller.session.destroy();
    }
  };
  const close = (): void => {
    stop.abort();
    client.close();
  };
  return { certify, close };
}
