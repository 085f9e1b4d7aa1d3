import { isDeepStrictEqual } from 'node:util';
import type { AccessDefault, MeshRole, MeshRoleBinding } from '../words/access.js';
import { type NamespaceAccess, namespaceAccess } from './namespace-access.js';
import type { BackendPolicy } from '../words/backend-policy.js';
import type { BackendTlsPolicy } from '../words/backend-tls-policy.js';
import type { ExternalService } from '../words/external-service.js';
import { type MeshRoute, routeName } from '../words/mesh-route.js';
import { type Referrer, permits } from '../words/grant.js';
import type { JwtIssuer, JwtKey, KeySet } from '../words/jwt-issuer.js';
import { type Dirty, type ServiceKey, dirtyAccess, namespaceOf } from '../words/keys.js';
import type { Mesh } from './mesh.js';
import type { Policy } from '../words/policy.js';
import type { EndpointSet, Service, ServicePort } from '../words/service.js';
import { stricterAccess } from '../words/setting-words.js';
import type { MeshSettings } from '../words/settings.js';
import type { TlsPolicy } from '../words/tls-policy.js';
import type { Workload } from '../words/workload.js';
import type { XBackend } from '../words/x-backend.js';
import { accessTable, roleTable } from './access-tables.js';
import { backendTlsPolicyTable, caBundleTable } from './backend-tls-policies.js';
import { targetingTable } from './targeting-table.js';
import { endpointSetTable } from './endpoint-sets.js';
import { externalServiceTable } from './external-services.js';
import { grantTable } from './grants.js';
import { namespaceTable } from './namespaces.js';
import { policyTable } from './policies.js';
import { routeTable } from './routes.js';
import { serviceTable } from './services.js';
import { tlsPolicyTable } from './tls-policies.js';
import { workloadTable } from './workloads.js';
import { selects, xBackendTable } from './x-backends.js';

/**
 * The tables behind `Mesh`, one for each kind of thing; each says beside its declaration what depends on a value. A change
 * returns what it made dirty, and nothing where it changes nothing that anybody reads: most events of a cluster do not. A
 * change of a pod dirties the Services that list it as an endpoint, and a change of a Service or its endpoints the pods it
 * lists, so that a compiled resource depends on few keys.
 */
export class MeshTables implements Mesh {
  readonly #access = new Map<string, NamespaceAccess & { readonly wanted: AccessDefault }>();
  readonly #accessChanged = (namespace: string): void => void this.#access.delete(namespace);
  readonly services = serviceTable(this);
  readonly endpointSets = endpointSetTable();
  readonly workloads = workloadTable(this);
  readonly policies = policyTable(this);
  readonly routes = routeTable();
  readonly backendPolicies = targetingTable<BackendPolicy>();
  readonly backendTlsPolicies = backendTlsPolicyTable();
  readonly externalServices = externalServiceTable();
  readonly caBundles = caBundleTable(this.backendTlsPolicies, this.externalServices);
  readonly xBackends = xBackendTable();
  readonly grants = grantTable(this);
  readonly namespaces = namespaceTable();
  readonly roles = roleTable(this.#accessChanged);
  readonly jwtIssuers = accessTable<JwtIssuer>(this.#accessChanged);
  readonly roleBindings = accessTable<MeshRoleBinding>(this.#accessChanged);
  readonly tlsPolicies = tlsPolicyTable();
  settings: MeshSettings;
  #keySets: ReadonlyMap<string, KeySet> = new Map();
  sessionKey: Uint8Array | undefined;

  constructor(settings: MeshSettings) {
    this.settings = settings;
  }

  setSettings(settings: MeshSettings): Dirty {
    if (isDeepStrictEqual(this.settings, settings)) return new Set();
    this.settings = settings;
    return new Set(['mesh']);
  }

  setSessionKey(key: Uint8Array): Dirty {
    if (isDeepStrictEqual(this.sessionKey, key)) return new Set();
    this.sessionKey = key;
    return new Set(['mesh']);
  }

  isGranted(referrer: Referrer, service: ServiceKey): boolean {
    const namespace = namespaceOf(service);
    const name = service.slice(namespace.length + 1);
    return this.grants.by('namespace', namespace).some((grant) => permits(grant, referrer, name));
  }

  serviceAt(clusterIP: string, port: number): { service: Service; port: ServicePort } | undefined {
    const service = this.services.lastBy('ip', clusterIP);
    const servicePort = service?.ports.find(
      (candidate) => candidate.port === port && candidate.protocol === 'TCP',
    );
    return service === undefined || servicePort === undefined ? undefined : { service, port: servicePort };
  }

  workloadAt(ip: string): Workload | undefined {
    return this.workloads.lastBy('ip', ip);
  }

  servicesIn(namespace: string): readonly ServiceKey[] {
    return this.services.keysBy('namespace', namespace);
  }

  endpointSetsOf(service: ServiceKey): readonly EndpointSet[] {
    return this.endpointSets.by('service', service);
  }

  endpointSetsWith(uid: string): readonly EndpointSet[] {
    return this.endpointSets.by('pod', uid);
  }

  endpointSetsAt(ip: string): readonly EndpointSet[] {
    return this.endpointSets.by('bareIp', ip);
  }

  policiesOn(service: ServiceKey): readonly Policy[] {
    return this.policies.by('service', service);
  }

  policiesOnNamespace(namespace: string): readonly Policy[] {
    return this.policies.by('namespace', namespace);
  }

  policiesCountingClaimsIn(namespace: string): readonly Policy[] {
    return this.policies.by('counting', namespace);
  }

  policiesLimitingCallsFrom(namespace: string): readonly Policy[] {
    return this.policies.by('outside', namespace);
  }

  policiesOnRoute(route: string): readonly Policy[] {
    return this.policies.by('route', route);
  }

  policiesAbout(service: ServiceKey): readonly Policy[] {
    const behindRoutes = this.routesOn(service).flatMap(({ ref }) => this.policiesOnRoute(routeName(ref)));
    return [
      ...new Set([
        ...this.policiesOn(service),
        ...this.policies.by('backend', service),
        ...this.policiesOnNamespace(namespaceOf(service)),
        ...behindRoutes,
      ]),
    ];
  }

  routeNamed(route: string): MeshRoute | undefined {
    return this.routes.lastBy('name', route);
  }

  routesOn(service: ServiceKey): readonly MeshRoute[] {
    return this.routes.by('parent', service);
  }

  routesAbout(service: ServiceKey): readonly MeshRoute[] {
    return [...new Set([...this.routesOn(service), ...this.routes.by('backend', service)])];
  }

  accessIn(namespace: string): NamespaceAccess {
    const wanted = stricterAccess(this.settings.access, this.namespaces.get(namespace)?.access);
    const known = this.#access.get(namespace);
    if (known?.wanted === wanted) return known;
    const roleNamed = (name: string): MeshRole | undefined =>
      this.roles.lastBy('name', `${namespace}/${name}`);
    const bindings = this.roleBindings.by('namespace', namespace);
    const issuers = this.jwtIssuersIn(namespace).map((issuer) => ({ issuer, keys: this.#keysOf(issuer) }));
    const made = { ...namespaceAccess(wanted, bindings, { roleNamed, issuers }), wanted };
    this.#access.set(namespace, made);
    return made;
  }

  jwtIssuersIn(namespace: string): readonly JwtIssuer[] {
    return this.jwtIssuers.by('namespace', namespace);
  }

  keySetOf(uid: string): KeySet | undefined {
    const keys = this.jwtIssuers.get(uid)?.keys;
    const set = this.#keySets.get(uid);
    return keys?.kind === 'url' && set?.url === keys.url ? set : undefined;
  }

  /** Takes what was fetched for issuers, by their uids. */
  setKeySets(sets: ReadonlyMap<string, KeySet>): Dirty {
    const before = this.#keySets;
    this.#keySets = sets;
    const uids = new Set([...before.keys(), ...sets.keys()]);
    const changed = [...uids].filter((uid) => !isDeepStrictEqual(before.get(uid), sets.get(uid)));
    const namespaces = new Set(changed.flatMap((uid) => this.jwtIssuers.get(uid)?.ref.namespace ?? []));
    for (const namespace of namespaces) this.#access.delete(namespace);
    return new Set([...namespaces].map(dirtyAccess));
  }

  #keysOf({ keys, ref }: JwtIssuer): readonly JwtKey[] {
    return keys.kind === 'inline' ? keys.keys : (this.keySetOf(ref.uid)?.keys ?? []);
  }

  rolesIn(namespace: string): readonly MeshRole[] {
    return this.roles.by('namespace', namespace);
  }

  roleBindingsIn(namespace: string): readonly MeshRoleBinding[] {
    return this.roleBindings.by('namespace', namespace);
  }

  tlsPoliciesIn(namespace: string): readonly TlsPolicy[] {
    return this.tlsPolicies.by('namespace', namespace);
  }

  externalServicesIn(namespace: string): readonly ExternalService[] {
    return this.externalServices.by('namespace', namespace);
  }

  workloadsIn(namespace: string): readonly Workload[] {
    return this.workloads.by('namespace', namespace);
  }

  backendPoliciesOn(service: ServiceKey): readonly BackendPolicy[] {
    return this.backendPolicies.by('service', service);
  }

  xBackendOf(key: ServiceKey): XBackend | undefined {
    return this.xBackends.lastBy('key', key);
  }

  workloadsOf(backend: XBackend): readonly Workload[] {
    return this.workloads
      .by('namespace', backend.ref.namespace)
      .filter((workload) => selects(backend, workload));
  }

  xBackendsSelecting(workload: Workload): readonly XBackend[] {
    return this.xBackends
      .by('namespace', workload.key.namespace)
      .filter((backend) => selects(backend, workload));
  }

  backendTlsPoliciesOn(service: ServiceKey): readonly BackendTlsPolicy[] {
    return this.backendTlsPolicies.by('service', service);
  }
}
