/** An authority and its server on a real port, with a fake of what the API server says. */
import { Metrics, createLogger, systemClock, watched, type Logger } from '../base/index.js';
import { connectGrpc } from '../grpc/index.js';
import { testCa, type TestCa } from '../testing/test-ca.js';
import { IdentityAuthority, type CertifyResponse } from '../wire/gen/weft/identity/v1/identity_pb.js';
import {
  Authority,
  startIdentityServer,
  type IssuerMaterial,
  type KnownPod,
  type TokenReviewStatus,
} from './index.js';

export const WEB = 'spiffe://cluster.local/ns/shop/sa/web';
export const SERVER = 'spiffe://cluster.local/ns/weft-system/sa/weft';
export const POD: KnownPod = {
  namespace: 'shop',
  name: 'web-1',
  serviceAccount: 'web',
  addresses: ['127.0.0.1', 'fd00::7'],
  hostNetwork: false,
};

/** What the API server says about the token of that pod. */
export const PROVEN: TokenReviewStatus = {
  authenticated: true,
  audiences: ['weft'],
  user: {
    username: 'system:serviceaccount:shop:web',
    extra: {
      'authentication.kubernetes.io/pod-name': ['web-1'],
      'authentication.kubernetes.io/pod-uid': ['uid-1'],
      'authentication.kubernetes.io/node-name': ['node'],
    },
  },
};

/** What a test has opened; it ends all of it with `endAll`. */
export const ends: (() => void)[] = [];

export function endAll(): void {
  for (const end of ends.splice(0)) end();
}

export interface Setup {
  readonly review?: TokenReviewStatus | Error;
  readonly pods?: ReadonlyMap<string, KnownPod>;
  readonly checkPeerAddress?: boolean;
  readonly issuer?: IssuerMaterial | 'none';
  readonly log?: Logger;
  readonly idleMs?: number;
}

export interface Running {
  readonly ca: TestCa;
  readonly port: number;
  readonly metrics: Metrics;
  readonly reviewed: [token: string, audience: string][];
}

export async function anAuthority(
  setup: Setup = {},
): Promise<{ ca: TestCa; authority: Authority; reviewed: [token: string, audience: string][] }> {
  const ca = await testCa();
  const reviewed: [string, string][] = [];
  const pods = setup.pods ?? new Map([['uid-1', POD]]);
  const authority = new Authority({
    trustDomain: 'cluster.local',
    systemNamespace: 'weft-system',
    issuer: watched(setup.issuer === 'none' ? undefined : (setup.issuer ?? ca.issuer)),
    reviewToken: (token, audience) => {
      reviewed.push([token, audience]);
      const review = setup.review ?? PROVEN;
      return review instanceof Error ? Promise.reject(review) : Promise.resolve(review);
    },
    podCheck: { pods: (uid) => pods.get(uid), checkPeerAddress: setup.checkPeerAddress ?? true, waitMs: 200 },
    clock: systemClock,
  });
  return { ca, authority, reviewed };
}

export async function start(setup: Setup = {}): Promise<Running> {
  const { ca, authority, reviewed } = await anAuthority(setup);
  const metrics = new Metrics();
  const stop = new AbortController();
  ends.push(() => stop.abort());
  const identity = watched(await ca.certificate(SERVER));
  const { log = createLogger({ level: 'silent' }), idleMs } = setup;
  const server = await startIdentityServer(
    {
      port: 0,
      identity,
      authority,
      sharedAddresses: false,
      log,
      metrics,
      ...(idleMs === undefined ? {} : { idleMs }),
    },
    stop.signal,
  );
  return { ca, port: server.port, metrics, reviewed };
}

export async function certify(
  running: Running,
  csr: Uint8Array<ArrayBuffer>,
  token: string | undefined = 'a.b.c',
  host = '127.0.0.1',
): Promise<CertifyResponse> {
  const client = await connectGrpc({ host, port: running.port, roots: running.ca.roots });
  ends.push(() => client.session.destroy());
  return client.unary(
    IdentityAuthority.method.certify,
    { csr },
    token === '' ? {} : { authorization: `Bearer ${token}` },
  );
}
