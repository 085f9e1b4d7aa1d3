import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { Metrics, createLogger } from '../base/index.js';
import {
  LeaseElection,
  Resources,
  connectPlain,
  getObject,
  tokenReviewer,
  type KubeClient,
} from '../kube/index.js';
import { DEFAULT_SETTINGS } from '../model/index.js';
import { ApiServer, untilPasses } from '../testing/index.js';
import { OwnAcks, publishAcks } from './acks.js';
import { Peers } from './peers.js';
import { createClusterView, runClusterView } from './cluster-view.js';
import { Collector } from './collector.js';
import { followIssuer } from './issuer.js';
import { leaderWork } from './leader.js';
import { ensureTrustSecrets } from './trust-secrets.js';

const ROLES = '/apis/weft.dev/v1alpha1/meshroles';

/** One right: where, to what, and which verb; of certain names only where it says so. */
interface Right {
  readonly where: 'cluster' | 'own namespace';
  readonly group: string;
  readonly resource: string;
  readonly names: string;
  readonly verb: string;
}

const textOf = ({ where, group, resource, names, verb }: Right): string =>
  [where, group, resource, names, verb].join(' | ');

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** What the chart gives, as rendered into deploy/. */
function granted(): Right[] {
  const documents = parseAllDocuments(readFileSync('deploy/weft.yaml', 'utf8'));
  const roles = documents.map((document) => document.toJS() as { kind?: string; rules?: Rule[] } | null);
  return roles.flatMap((role) =>
    role?.kind === 'ClusterRole' || role?.kind === 'Role'
      ? (role.rules ?? []).flatMap(({ apiGroups, resources, resourceNames = [], verbs }) =>
          resources.flatMap((resource) =>
            verbs.map((verb) => ({
              where: role.kind === 'Role' ? ('own namespace' as const) : ('cluster' as const),
              group: apiGroups.join(','),
              resource,
              names: resourceNames.join(', '),
              verb,
            })),
          ),
        )
      : [],
  );
}

/** What docs/rbac.md says, with a reason for each. */
function documented(): Right[] {
  const rows = readFileSync('docs/rbac.md', 'utf8')
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter((cells) => cells[1] === 'cluster' || cells[1] === 'own namespace');
  return rows.flatMap(([, where, group = '', resources = '', names = '', verbs = '', reason = '']) => {
    expect(reason).not.toBe('');
    return resources
      .split(', ')
      .flatMap((resource) =>
        verbs.split(', ').map((verb) => ({ where: where as Right['where'], group, resource, names, verb })),
      );
  });
}

test('every right of the chart stands in the documentation with its reason, and no other', () => {
  expect(documented().map(textOf).sort()).toEqual(granted().map(textOf).sort());
});

const VERBS: Readonly<Record<string, string>> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

interface Asked {
  readonly group: string;
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly verb: string;
}

const PATH =
  /^\/(?:api|apis\/(?<group>[^/]+))\/[^/]+(?:\/namespaces\/(?<namespace>[^/]+))?\/(?<plural>[^/]+)(?:\/(?<name>[^/]+))?(?:\/(?<sub>[^/]+))?$/;

/** What a request asks of the API server, as its authorizer sees it; nothing for what is no resource. */
function askedBy({ method, path, query }: ApiServer['requests'][number]): readonly Asked[] {
  const groups = PATH.exec(path)?.groups;
  if (groups === undefined) return [];
  const { group = '', namespace, plural = '', sub, name } = groups;
  const verb = VERBS[method] ?? readingVerb(query, name);
  const asked = { group, namespace, resource: [plural, sub].filter((part) => part !== undefined).join('/') };
  // Server-side apply of what is not there yet creates it, which asks for that right, too, and then there is no name.
  const creates = verb === 'patch' && ['configmaps', 'clustertrustbundles'].includes(plural);
  return [
    { ...asked, name: name ?? selectedName(query), verb },
    ...(creates ? [{ ...asked, name: undefined, verb: 'create' }] : []),
  ];
}

/** A list or watch of one object by its name is authorized as that object. */
function selectedName(query: URLSearchParams): string | undefined {
  return /^metadata\.name=(.+)$/.exec(query.get('fieldSelector') ?? '')?.[1];
}

function readingVerb(query: URLSearchParams, name: string | undefined): string {
  if (query.get('watch') === 'true') return 'watch';
  return name === undefined ? 'list' : 'get';
}

function allows(right: Right, asked: Asked): boolean {
  return (
    (right.where === 'cluster' || asked.namespace === 'weft-system') &&
    right.group === asked.group &&
    right.resource === asked.resource &&
    right.verb === asked.verb &&
    (right.names === '' || right.names.split(', ').includes(asked.name ?? ''))
  );
}

const log = createLogger({ level: 'silent' });
let server: ApiServer;
let client: KubeClient;

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
});

afterEach(async () => {
  client.close();
  await server.stop();
});

/** Something of every kind that the control plane writes about. */
function populate(): void {
  const weft = 'weft.dev/v1alpha1';
  const gateway = 'gateway.networking.k8s.io/v1';
  const put = (apiVersion: string, plural: string, object: Parameters<ApiServer['put']>[1]): void =>
    void server.put(`/apis/${apiVersion}/${plural}`, { apiVersion, ...object });
  server.put('/api/v1/namespaces', { metadata: { name: 'shop', labels: { 'weft.dev/inject': 'enabled' } } });
  server.put('/api/v1/services', {
    metadata: { name: 'reviews', namespace: 'shop' },
    spec: { clusterIPs: ['10.96.0.1'], ports: [{ port: 80 }] },
  });
  server.put('/api/v1/pods', {
    metadata: { name: 'old', namespace: 'shop' },
    spec: { containers: [{ name: 'app' }] },
  });
  server.put('/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', {
    metadata: { name: 'weft-default' },
    webhooks: [{ name: 'namespace.inject.weft.dev', clientConfig: {} }],
  });
  const at = (name: string, namespace = 'shop') => ({ metadata: { name, namespace, uid: name } });
  const ref = { group: '', kind: 'Service', name: 'reviews' };
  put(weft, 'trafficpolicies', {
    kind: 'TrafficPolicy',
    ...at('p'),
    spec: { targetRefs: [{ kind: 'Service', name: 'reviews' }] },
  });
  put(weft, 'meshconfigs', { kind: 'MeshConfig', ...at('default', ''), spec: { mtls: { mode: 'Strict' } } });
  put(weft, 'meshroles', { kind: 'MeshRole', ...at('r'), spec: { rules: [{}] } });
  put(weft, 'meshrolebindings', {
    kind: 'MeshRoleBinding',
    ...at('rb'),
    spec: { subjects: [{ caller: 'Anyone' }], roleRef: { kind: 'MeshRole', name: 'r' } },
  });
  const jwks = { inline: '{"keys":[]}' };
  put(weft, 'jwtissuers', {
    kind: 'JwtIssuer',
    ...at('ji'),
    spec: { issuer: 'https://id.example', audiences: ['shop'], jwks },
  });
  put(weft, 'meshtlspolicies', { kind: 'MeshTLSPolicy', ...at('t'), spec: { mode: 'Strict' } });
  put(weft, 'externalservices', {
    kind: 'ExternalService',
    ...at('es'),
    spec: { hosts: ['api.example.com'], ports: [{ port: 443, protocol: 'TLS' }] },
  });
  const pods = { group: 'gateway.networking.x-k8s.io', kind: 'XBackend', name: 'pods' };
  for (const [plural, kind] of [
    ['httproutes', 'HTTPRoute'],
    ['grpcroutes', 'GRPCRoute'],
    ['tlsroutes', 'TLSRoute'],
    ['tcproutes', 'TCPRoute'],
  ] as const)
    put(gateway, plural, {
      kind,
      ...at(plural),
      spec: { parentRefs: [ref], rules: [{ backendRefs: [{ name: 'reviews', port: 80 }, pods] }] },
    });
  put(gateway, 'backendtlspolicies', {
    kind: 'BackendTLSPolicy',
    ...at('tls'),
    spec: { targetRefs: [ref], validation: { wellKnownCACertificates: 'System', hostname: 'a.example.org' } },
  });
  const caCertificateRefs = [{ group: '', kind: 'ConfigMap', name: 'ca' }];
  put(gateway, 'backendtlspolicies', {
    kind: 'BackendTLSPolicy',
    ...at('own'),
    spec: { targetRefs: [ref], validation: { caCertificateRefs, hostname: 'b.example.org' } },
  });
  const x = 'gateway.networking.x-k8s.io/v1alpha1';
  put(x, 'xmeshes', {
    kind: 'XMesh',
    ...at('weft', ''),
    spec: { controllerName: 'weft.dev/mesh-controller' },
  });
  put(x, 'xbackends', {
    kind: 'XBackend',
    ...at('pods'),
    spec: { type: 'EndpointSelector', port: { number: 80 }, endpointSelector: { matchLabels: { a: 'b' } } },
  });
  put(x, 'xbackendtrafficpolicies', {
    kind: 'XBackendTrafficPolicy',
    ...at('b'),
    spec: { targetRefs: [ref], retryConstraint: { budget: { percent: 20 } } },
  });
  server.put('/api/v1/nodes', { metadata: { name: 'node', uid: 'node' } });
  // Denied, since its request for a certificate is none.
  put('certificates.k8s.io/v1', 'podcertificaterequests', {
    kind: 'PodCertificateRequest',
    ...at('req'),
    spec: {
      signerName: 'weft.dev/workload',
      podName: 'old',
      unverifiedUserAnnotations: { 'a.example/b': 'c' },
    },
  });
  server.onPost('/apis/authentication.k8s.io/v1/tokenreviews', () => ({ status: 201, body: { status: {} } }));
}

test('the control plane asks for nothing that the chart does not permit, and needs all that it permits', async () => {
  populate();
  const abort = new AbortController();
  const { signal } = abort;
  const settings = { revision: 'default', systemNamespace: 'weft-system', trustDomain: 'cluster.local' };
  const metrics = new Metrics();
  const view = createClusterView({ client, ...settings, log, metrics });
  const collector = new Collector({ view, installed: DEFAULT_SETTINGS, log });
  collector.attach();
  const pod = { name: 'weft-1', uid: 'weft-1' };
  const own = new OwnAcks(0);
  const peers = new Peers({ view, pod, systemNamespace: settings.systemNamespace });
  const issuer = followIssuer({ view, log }, signal);
  const lead = leaderWork({ client, view, collector, issuer, own, peers, ...settings, log, metrics });
  const isGone = async (holder: string): Promise<boolean> =>
    (await getObject(client, Resources.pod, { namespace: 'weft-system', name: holder })) === undefined;
  // Held by a replica that is gone, so that its pod is asked for.
  server.put('/apis/coordination.k8s.io/v1/leases', {
    metadata: { name: 'weft-default', namespace: 'weft-system' },
    spec: { holderIdentity: 'gone', leaseDurationSeconds: 15, renewTime: new Date().toISOString() },
  });
  const election = new LeaseElection({
    client,
    namespace: 'weft-system',
    name: 'weft-default',
    identity: 'weft-1',
    isGone,
    log,
    timing: { retryMs: 50 },
  });
  const running = Promise.all([
    runClusterView(view, { client, log, restart: () => undefined }, signal),
    election.run(lead, signal),
    publishAcks(
      { client, systemNamespace: 'weft-system', revision: 'default', pod, own, log, everyMs: 20 },
      signal,
    ),
  ]);
  await tokenReviewer(client)('token', 'weft', signal).catch(() => undefined);
  const role = { namespace: 'shop', name: 'r' };
  // Deleted once its status is written: both are rights.
  await untilPasses(() => expect(server.get(ROLES, role)?.status).toBeDefined());
  server.remove(ROLES, role);
  const rights = granted();
  const unused = (): string[] =>
    rights
      .filter((right) => !server.requests.some((one) => askedBy(one).some((asked) => allows(right, asked))))
      .map(textOf);
  // Whoever may sign and attest as a signer is asked by the API server, in the middle of a write to what is another resource.
  const bySigner = ['sign', 'attest'].map(
    (verb) => `cluster | certificates.k8s.io | signers | weft.dev/workload | ${verb}`,
  );
  // A lease is made where there is none, and the issuer renewed when it is old: neither is so here.
  const elsewhere = [
    ...bySigner,
    'own namespace | coordination.k8s.io | leases |  | create',
    'own namespace |  | secrets | weft-root, weft-issuer | patch',
  ];
  await untilPasses(() => expect(unused().filter((text) => !elsewhere.includes(text))).toEqual([]));
  abort.abort();
  await running;
  const later = { now: () => Date.now() + 300 * 86_400_000, monotonic: () => 0 };
  await ensureTrustSecrets({ client, ...settings, issuer, log, clock: later }, new AbortController().signal);
  expect(unused()).toEqual([...bySigner, elsewhere[2]]);
  const forbidden = server.requests.flatMap((one) =>
    askedBy(one).filter((asked) => !rights.some((right) => allows(right, asked))),
  );
  expect(forbidden).toEqual([]);
}, 60_000);
