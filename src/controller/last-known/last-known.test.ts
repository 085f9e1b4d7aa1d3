import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Metrics, createLogger } from '../../base/index.js';
import { connectPlain, type Condition } from '../../kube/index.js';
import { DEFAULT_SETTINGS, serviceKey, type MeshSettings } from '../../model/index.js';
import { ApiServer, untilPasses } from '../../testing/index.js';
import { OwnAcks } from '../acks.js';
import { Peers } from '../peers.js';
import { createClusterView, runClusterView, viewSettled } from '../cluster-view.js';
import { Collector } from '../collector.js';
import { followIssuer } from '../issuer.js';
import { leaderWork } from '../leader.js';
import { LAST_KNOWN } from './record.js';
import { measureSettings } from '../settings-metrics.js';

const CONFIGS = '/apis/weft.dev/v1alpha1/meshconfigs';
const POLICIES = '/apis/weft.dev/v1alpha1/trafficpolicies';
const log = createLogger({ level: 'silent' });
const SECURE = { mtls: 'strict', outbound: 'registryOnly' };
const SECURE_SPEC = { mtls: { mode: 'Strict' }, outbound: { policy: 'RegistryOnly' } };
/** A field that some newer version may have. */
const NEWER = { newerField: { on: true } };

let server: ApiServer;
let replicas: Replica[];

/** A replica of the control plane, from its start to its end; the first of them leads. */
class Replica {
  readonly metrics = new Metrics();
  readonly collector: Collector;
  readonly synced: Promise<void>;
  readonly #abort = new AbortController();
  readonly #running: Promise<unknown>;

  constructor(options: { leads: boolean; installed?: Partial<MeshSettings> }) {
    const client = connectPlain(server.url);
    const settings = { revision: 'default', systemNamespace: 'weft-system', trustDomain: 'cluster.local' };
    const view = createClusterView({ client, ...settings, log, metrics: this.metrics });
    this.collector = new Collector({ view, installed: { ...DEFAULT_SETTINGS, ...options.installed }, log });
    this.collector.attach();
    measureSettings(this.metrics, this.collector);
    this.synced = viewSettled(view);
    const own = new OwnAcks(0);
    const issuer = followIssuer({ view, log }, this.#abort.signal);
    const { collector, metrics } = this;
    const lead = leaderWork({
      client,
      view,
      collector,
      issuer,
      own,
      peers: new Peers({ view, pod: undefined, systemNamespace: settings.systemNamespace }),
      ...settings,
      log,
      metrics,
    });
    this.#running = Promise.all([
      runClusterView(view, { client, log, restart: () => undefined }, this.#abort.signal),
      options.leads ? lead(this.#abort.signal) : undefined,
    ]).finally(() => client.close());
    replicas.push(this);
  }

  get security(): object {
    const { mtls, outbound } = this.collector.mesh.settings;
    return { mtls, outbound };
  }

  /** Name of the first route of the policy on the Service, and the generation it came from. */
  get route(): string {
    const [policy] = this.collector.mesh.policiesOn(serviceKey('shop', 'reviews'));
    return `${policy?.routes[0]?.name} of generation ${policy?.ref.generation}`;
  }

  async end(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }
}

beforeEach(async () => {
  replicas = [];
  server = await ApiServer.start();
});

afterEach(async () => {
  await Promise.all(replicas.map((replica) => replica.end()));
  await server.stop();
});

async function start(options: ConstructorParameters<typeof Replica>[0]): Promise<Replica> {
  const replica = new Replica(options);
  await replica.synced;
  return replica;
}

function putConfig(generation: number, spec: object): void {
  const metadata = { name: 'default', uid: 'config-1', generation };
  server.put(CONFIGS, { apiVersion: 'weft.dev/v1alpha1', kind: 'MeshConfig', metadata, spec });
}

function putPolicy(generation: number, extra: object): void {
  const metadata = { name: 'reviews', namespace: 'shop', uid: 'policy-1', generation };
  const spec = { targetRefs: [{ kind: 'Service', name: 'reviews' }], ...extra };
  server.put(POLICIES, { apiVersion: 'weft.dev/v1alpha1', kind: 'TrafficPolicy', metadata, spec });
}

function record(name: string): Record<string, string> {
  const map = server.get('/api/v1/configmaps', { namespace: 'weft-system', name });
  return (map?.data ?? {}) as Record<string, string>;
}

const recorded = (): unknown => JSON.parse(record('weft-last-known.default')['settings.json'] ?? '{}');

function conditions(): Record<string, Condition> {
  const { status } = server.get(CONFIGS, { name: 'default' }) as { status?: { conditions?: Condition[] } };
  return Object.fromEntries((status?.conditions ?? []).map((condition) => [condition.type, condition]));
}

async function restartAll(leads = true): Promise<Replica> {
  await Promise.all(replicas.splice(0).map((replica) => replica.end()));
  return start({ leads });
}

test('strict settings survive the end of every replica and the deletion of their MeshConfig', async () => {
  putConfig(1, SECURE_SPEC);
  const first = await start({ leads: true });
  expect(first.security).toEqual(SECURE);
  await untilPasses(() =>
    expect(recorded()).toMatchObject({ mtls: 'Strict', outbound: 'RegistryOnly', generation: 1 }),
  );
  server.remove(CONFIGS, { name: 'default' });
  await untilPasses(() => expect(first.collector.mesh.settings.source).toBeUndefined());
  expect(first.security).toEqual(SECURE);
  const second = await restartAll();
  expect(second.security).toEqual(SECURE);
  expect(await second.metrics.text()).toContain(
    'weft_mesh_settings{mtls="Strict",outbound="RegistryOnly",access="Allow"} 1',
  );
});

test('settings that were strict are lowered by saying so, in a MeshConfig that is new too', async () => {
  putConfig(1, SECURE_SPEC);
  const replica = await start({ leads: true });
  server.remove(CONFIGS, { name: 'default' });
  putConfig(1, { mtls: { mode: 'Permissive' } });
  await untilPasses(() => expect(replica.security).toEqual({ mtls: 'permissive', outbound: 'registryOnly' }));
  await untilPasses(() => expect(recorded()).toMatchObject({ mtls: 'Permissive', outbound: 'RegistryOnly' }));
});

test('a version that cannot read the MeshConfig goes on with the last known one, and says so', async () => {
  putConfig(1, SECURE_SPEC);
  await start({ leads: true });
  await untilPasses(() => expect(recorded()).toMatchObject({ mtls: 'Strict' }));
  putConfig(2, { ...NEWER, mtls: { mode: 'Permissive' } });
  const rolledBack = await restartAll();
  expect(rolledBack.security).toEqual(SECURE);
  await untilPasses(() =>
    expect(conditions()['Accepted']).toMatchObject({ status: 'False', reason: 'Invalid' }),
  );
  const { message, observedGeneration } = conditions()['Accepted']!;
  expect(message).toMatch(/spec\.newerField.*\nIn force: mtls\.mode Strict, outbound\.policy RegistryOnly/);
  expect(observedGeneration).toBe(2);
  expect(conditions()['Programmed']).toMatchObject({ status: 'False', reason: 'NotAccepted' });
  await untilPasses(() => {
    const [event] = server.all('/api/v1/events');
    expect(event).toMatchObject({
      reason: 'Invalid',
      involvedObject: { kind: 'MeshConfig', name: 'default' },
    });
  });
  expect(await rolledBack.metrics.text()).toContain('weft_objects_not_honoured{kind="MeshConfig"} 1');
  // What it could not read is not recorded either: the newer version comes back to its own.
  expect(recorded()).toMatchObject({ generation: 1 });
});

test('a record that was written by a newer version is heeded and left alone', async () => {
  const settings = JSON.stringify({
    uid: 'config-1',
    generation: 5,
    mtls: 'StrictAndMore',
    outbound: 'AllowAny',
  });
  const metadata = {
    name: 'weft-last-known.default',
    namespace: 'weft-system',
    labels: { 'weft.dev/last-known': 'default' },
  };
  server.put('/api/v1/configmaps', { metadata, data: { 'settings.json': settings } });
  putConfig(5, { ...NEWER });
  const replica = await start({ leads: true });
  expect(replica.security).toEqual({ mtls: 'strict', outbound: 'allowAny' });
  await untilPasses(() => expect(conditions()['Accepted']).toMatchObject({ status: 'False' }));
  expect(record('weft-last-known.default')['settings.json']).toBe(settings);
});

test('a MeshConfig that left out what is recorded as strict does not open it at the next start', async () => {
  putConfig(1, SECURE_SPEC);
  await start({ leads: true });
  await untilPasses(() => expect(recorded()).toMatchObject({ mtls: 'Strict' }));
  await Promise.all(replicas.splice(0).map((replica) => replica.end()));
  putConfig(2, { forwarding: { via: true } });
  const replica = await start({ leads: true });
  expect(replica.collector.mesh.settings).toMatchObject({ ...SECURE, via: true });
});

test('the minimum of the installation holds against the object, and the object is told', async () => {
  putConfig(1, { mtls: { mode: 'Permissive' } });
  const replica = await start({ leads: true, installed: { mtls: 'strict', mtlsMinimum: 'strict' } });
  expect(replica.security).toEqual({ mtls: 'strict', outbound: 'allowAny' });
  await untilPasses(() =>
    expect(conditions()['Accepted']).toMatchObject({ status: 'False', reason: 'BelowMinimum' }),
  );
});

test('an API server that loses MeshConfigs for a while opens nothing', async () => {
  putConfig(1, SECURE_SPEC);
  const replica = await start({ leads: false });
  server.absent.add(CONFIGS);
  const before = server.requests.length;
  server.cutWatches();
  // Watched, answered with 404, and looked for in discovery.
  await untilPasses(() => {
    const paths = server.requests.slice(before).map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining([CONFIGS, '/apis/weft.dev/v1alpha1']));
  });
  expect(replica.security).toEqual(SECURE);
});

test('an honoured MeshConfig is accepted', async () => {
  putConfig(1, SECURE_SPEC);
  await start({ leads: true });
  await untilPasses(() =>
    expect(conditions()).toMatchObject({
      Accepted: { status: 'True', reason: 'Accepted' },
      Programmed: { status: 'True', reason: 'NoSubscribers' },
    }),
  );
});

test('replicas that never saw the last good form of a policy act on it all the same', async () => {
  putPolicy(1, { routes: [{ name: 'first' }] });
  const leader = await start({ leads: true });
  putPolicy(2, { routes: [{ name: 'second' }] });
  await untilPasses(() => expect(leader.route).toBe('second of generation 2'));
  putPolicy(3, { routes: [{ name: 'third' }], ...NEWER });
  await untilPasses(() => expect(leader.collector.problemsOf('policy-1')).toHaveLength(1));
  // Started while the object cannot be read, before or after the record is there.
  const late = await start({ leads: false });
  await untilPasses(() => expect(late.route).toBe('second of generation 2'));
  expect(leader.route).toBe(late.route);
  expect(await late.metrics.text()).toContain('weft_objects_not_honoured{kind="TrafficPolicy"} 1');
  const restarted = await restartAll();
  expect(restarted.route).toBe('second of generation 2');
  expect(restarted.collector.problemsOf('policy-1')[0]).toMatchObject({ field: 'spec.newerField' });
});

test('a policy that is deleted acts no more, though its last good form is recorded', async () => {
  putPolicy(1, { routes: [{ name: 'first' }] });
  const replica = await start({ leads: true });
  await untilPasses(() =>
    expect(
      server
        .all('/api/v1/configmaps')
        .some(({ metadata }) => /^weft-last-known\.default\.\d+$/.test(metadata.name)),
    ).toBe(true),
  );
  server.remove(POLICIES, { namespace: 'shop', name: 'reviews' });
  await untilPasses(() => expect(replica.route).toBe('undefined of generation undefined'));
  expect((await restartAll()).route).toBe('undefined of generation undefined');
});

const BINDINGS = '/apis/weft.dev/v1alpha1/meshrolebindings';
const TLS_POLICIES = '/apis/weft.dev/v1alpha1/meshtlspolicies';
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const JWT_ISSUERS = '/apis/weft.dev/v1alpha1/jwtissuers';
const EXTERNAL_SERVICES = '/apis/weft.dev/v1alpha1/externalservices';

function keySet(): string {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a' }] });
}

/** Nobody but `web` may call, and only with mutual TLS. */
function putSecurity(): void {
  const at = (name: string) => ({ name, namespace: 'shop', uid: name, generation: 1 });
  server.put(BINDINGS, {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'MeshRoleBinding',
    metadata: at('denies'),
    spec: {
      effect: 'Deny',
      subjects: [{ allOf: [{ not: { serviceAccount: { name: 'web' } } }] }],
      roleRef: { kind: 'MeshRole', name: 'all' },
    },
  });
  server.put(TLS_POLICIES, {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'MeshTLSPolicy',
    metadata: at('strict'),
    spec: { mode: 'Strict' },
  });
  server.put(JWT_ISSUERS, {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'JwtIssuer',
    metadata: at('tokens'),
    spec: { issuer: 'https://id.example', audiences: ['shop'], jwks: { inline: keySet() } },
  });
  server.put(EXTERNAL_SERVICES, {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'ExternalService',
    metadata: at('outside'),
    spec: { hosts: ['api.example.com'], ports: [{ port: 80, protocol: 'HTTP', tls: ORIGINATE }] },
  });
}

const ORIGINATE = { mode: 'Originate', wellKnownCACertificates: 'System' };

const SECURITY = [
  [BINDINGS, 'denies'],
  [TLS_POLICIES, 'strict'],
  [JWT_ISSUERS, 'tokens'],
  [EXTERNAL_SERVICES, 'outside'],
] as const;
const NAMES = SECURITY.map(([, name]) => name);

/** What secures the namespace for a replica, by name. */
function secures({ collector: { mesh } }: Replica): string[] {
  const all = [
    ...mesh.roleBindingsIn('shop'),
    ...mesh.tlsPoliciesIn('shop'),
    ...mesh.jwtIssuersIn('shop'),
    ...mesh.externalServicesIn('shop'),
  ];
  return all.map(({ ref }) => ref.name);
}

/** Names of the objects that are recorded so that they may be recalled. */
const lasting = (replica: Replica): Promise<void> =>
  untilPasses(() => {
    const maps = server.all('/api/v1/configmaps').map((map) => LAST_KNOWN.keep(map));
    const forms = maps.flatMap((map) => [...map.forms.values()].flat());
    expect(forms.map(({ object }) => object?.name).sort()).toEqual(secures(replica).sort());
  });

test('what secures the mesh survives that its CRD is deleted while every replica restarts, and ends with its object', async () => {
  putSecurity();
  const first = await start({ leads: true });
  await untilPasses(() => expect(secures(first)).toEqual(NAMES));
  await lasting(first);
  for (const [kind, name] of SECURITY) {
    server.remove(kind, { namespace: 'shop', name });
    server.absent.add(kind);
  }
  const restarted = await restartAll();
  expect(secures(restarted)).toEqual(NAMES);
  // It is recorded by the new leader, too, for those that come after it.
  const again = await restartAll();
  expect(secures(again)).toEqual(NAMES);
  server.absent.clear();
  const served = await restartAll();
  expect(secures(served)).toEqual([]);
});

test('what secures the mesh is there at every moment while its kind is deleted under replicas that run', async () => {
  putSecurity();
  const replica = await start({ leads: true });
  await untilPasses(() => expect(secures(replica)).toEqual(NAMES));
  const lost: (readonly string[])[] = [];
  replica.collector.onDirty(() => {
    if (secures(replica).length < NAMES.length) lost.push(secures(replica));
  });
  // As the API server does it: the definition ends, its objects go, and only then discovery knows of it no more.
  for (const [kind, name] of SECURITY) {
    const definition = `${kind.slice(kind.lastIndexOf('/') + 1)}.weft.dev`;
    server.put(DEFINITIONS, { metadata: { name: definition, deletionTimestamp: '2026-11-30T00:00:00Z' } });
    server.remove(kind, { namespace: 'shop', name });
  }
  const asked = (): number => server.requests.filter(({ path }) => path.startsWith(DEFINITIONS)).length;
  await untilPasses(() => expect(asked()).toBeGreaterThanOrEqual(SECURITY.length));
  for (const [kind] of SECURITY) server.absent.add(kind);
  server.cutWatches();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(lost).toEqual([]);
  expect(secures(replica)).toEqual(NAMES);
});

test('what is deleted while its kind stays secures nothing any more', async () => {
  putSecurity();
  const replica = await start({ leads: true });
  await untilPasses(() => expect(secures(replica)).toEqual(NAMES));
  for (const [kind, name] of SECURITY) server.remove(kind, { namespace: 'shop', name });
  await untilPasses(() => expect(secures(replica)).toEqual([]));
});
