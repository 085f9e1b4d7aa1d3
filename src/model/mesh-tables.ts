import { type BackendPolicy, type MeshRoute, routeName } from './gateway-api/index.js';
import { canonicalIp } from './ip.js';
import {
  type DirtyKey,
  type ServiceKey,
  dirtyService,
  dirtyWorkload,
  namespaceOf,
  serviceKey,
} from './keys.js';
import type { Mesh } from './mesh.js';
import { MultiMap } from './multi-map.js';
import type { Policy } from './policy.js';
import type { EndpointSet, Service, ServicePort } from './service.js';
import type { MeshSettings } from './settings.js';
import type { Workload } from './workload.js';

/** What a change made dirty: everything compiled that depends on one of the keys is to be compiled again. */
export type Dirty = ReadonlySet<DirtyKey>;

/**
 * The tables behind `Mesh`. Each change returns what it made dirty. A change of a pod dirties the Services that list
 * it as an endpoint, and a change of a Service or its endpoints the pods it lists, so that a compiled resource
 * depends on few keys. Names resolve differently after a change too: resolve subscriptions again, a look-up each.
 *
 * Values are taken over, not copied: do not change them afterwards.
 */
export class MeshTables implements Mesh {
  readonly services = new Map<ServiceKey, Service>();
  readonly workloads = new Map<string, Workload>();
  readonly policies = new Map<string, Policy>();
  readonly routes = new Map<string, MeshRoute>();
  readonly backendPolicies = new Map<string, BackendPolicy>();
  settings: MeshSettings;

  private readonly sets = new Map<string, EndpointSet>();
  private readonly setsByService = new MultiMap<ServiceKey, EndpointSet>();
  private readonly setsByPod = new MultiMap<string, EndpointSet>();
  /** Addresses that name no pod; a pod may have them all the same. */
  private readonly setsByBareIp = new MultiMap<string, EndpointSet>();
  private readonly policiesByService = new MultiMap<ServiceKey, Policy>();
  private readonly policiesByRoute = new MultiMap<string, Policy>();
  private readonly routesByService = new MultiMap<ServiceKey, MeshRoute>();
  private readonly backendPoliciesByService = new MultiMap<ServiceKey, BackendPolicy>();
  private readonly policiesByNamespace = new MultiMap<string, Policy>();
  private readonly serviceByIp = new Map<string, ServiceKey>();
  private readonly workloadByIp = new Map<string, string>();

  constructor(settings: MeshSettings) {
    this.settings = settings;
  }

  setSettings(settings: MeshSettings): Dirty {
    this.settings = settings;
    return new Set<DirtyKey>(['mesh']);
  }

  setService(service: Service): Dirty {
    const key = serviceKey(service.namespace, service.name);
    this.unindexService(key);
    this.services.set(key, service);
    for (const ip of service.clusterIPs) this.serviceByIp.set(canonicalIp(ip) ?? ip, key);
    return this.dirtyAround(key);
  }

  deleteService(key: ServiceKey): Dirty {
    this.unindexService(key);
    this.services.delete(key);
    return this.dirtyAround(key);
  }

  setEndpoints(set: EndpointSet): Dirty {
    const before = this.deleteEndpoints(set.namespace, set.name);
    this.sets.set(`${set.namespace}/${set.name}`, set);
    this.setsByService.add(set.service, set);
    for (const pod of podsOf(set)) this.setsByPod.add(pod, set);
    for (const ip of bareIpsOf(set)) this.setsByBareIp.add(ip, set);
    return new Set([...before, ...dirtyAroundSet(set)]);
  }

  deleteEndpoints(namespace: string, name: string): Dirty {
    const id = `${namespace}/${name}`;
    const set = this.sets.get(id);
    if (set === undefined) return new Set();
    this.sets.delete(id);
    this.setsByService.remove(set.service, set);
    for (const pod of podsOf(set)) this.setsByPod.remove(pod, set);
    for (const ip of bareIpsOf(set)) this.setsByBareIp.remove(ip, set);
    return dirtyAroundSet(set);
  }

  setWorkload(workload: Workload): Dirty {
    const before = this.deleteWorkload(workload.uid);
    this.workloads.set(workload.uid, workload);
    if (!workload.hostNetwork) {
      for (const ip of workload.ips) this.workloadByIp.set(canonicalIp(ip) ?? ip, workload.uid);
    }
    return new Set([...before, ...this.dirtyAroundPod(workload.uid)]);
  }

  deleteWorkload(uid: string): Dirty {
    const dirty = this.dirtyAroundPod(uid);
    this.unindexWorkload(uid);
    this.workloads.delete(uid);
    return dirty;
  }

  /** A policy is known by the uid of its object. */
  setPolicy(policy: Policy): Dirty {
    const before = this.deletePolicy(policy.ref.uid);
    this.policies.set(policy.ref.uid, policy);
    const { services, namespaces } = targetsOf(policy);
    for (const service of services) this.policiesByService.add(service, policy);
    for (const namespace of namespaces) this.policiesByNamespace.add(namespace, policy);
    for (const route of policy.routeTargets ?? []) this.policiesByRoute.add(routeName(route), policy);
    return new Set([...before, ...this.dirtyAroundPolicy(policy)]);
  }

  deletePolicy(uid: string): Dirty {
    const policy = this.policies.get(uid);
    if (policy === undefined) return new Set();
    this.policies.delete(uid);
    const { services, namespaces } = targetsOf(policy);
    for (const service of services) this.policiesByService.remove(service, policy);
    for (const namespace of namespaces) this.policiesByNamespace.remove(namespace, policy);
    for (const route of policy.routeTargets ?? []) this.policiesByRoute.remove(routeName(route), policy);
    return this.dirtyAroundPolicy(policy);
  }

  /** A route is known by the uid of its object. */
  setRoute(route: MeshRoute): Dirty {
    const before = this.deleteRoute(route.ref.uid);
    this.routes.set(route.ref.uid, route);
    for (const parent of parentsOf(route)) this.routesByService.add(parent, route);
    return new Set([...before, ...[...parentsOf(route)].map(dirtyService)]);
  }

  deleteRoute(uid: string): Dirty {
    const route = this.routes.get(uid);
    if (route === undefined) return new Set();
    this.routes.delete(uid);
    for (const parent of parentsOf(route)) this.routesByService.remove(parent, route);
    return new Set([...parentsOf(route)].map(dirtyService));
  }

  /** An XBackendTrafficPolicy is known by the uid of its object. */
  setBackendPolicy(policy: BackendPolicy): Dirty {
    const before = this.deleteBackendPolicy(policy.ref.uid);
    this.backendPolicies.set(policy.ref.uid, policy);
    for (const service of backendsOf(policy)) this.backendPoliciesByService.add(service, policy);
    return new Set([...before, ...backendsOf(policy).map(dirtyService)]);
  }

  deleteBackendPolicy(uid: string): Dirty {
    const policy = this.backendPolicies.get(uid);
    if (policy === undefined) return new Set();
    this.backendPolicies.delete(uid);
    for (const service of backendsOf(policy)) this.backendPoliciesByService.remove(service, policy);
    return new Set(backendsOf(policy).map(dirtyService));
  }

  serviceAt(clusterIP: string, port: number): { service: Service; port: ServicePort } | undefined {
    const key = this.serviceByIp.get(clusterIP);
    const service = key === undefined ? undefined : this.services.get(key);
    const servicePort = service?.ports.find(
      (candidate) => candidate.port === port && candidate.protocol === 'TCP',
    );
    return service === undefined || servicePort === undefined ? undefined : { service, port: servicePort };
  }

  workloadAt(ip: string): Workload | undefined {
    const uid = this.workloadByIp.get(ip);
    return uid === undefined ? undefined : this.workloads.get(uid);
  }

  endpointSetsOf(service: ServiceKey): readonly EndpointSet[] {
    return this.setsByService.get(service);
  }

  endpointSetsWith(uid: string): readonly EndpointSet[] {
    return this.setsByPod.get(uid);
  }

  policiesOn(service: ServiceKey): readonly Policy[] {
    return this.policiesByService.get(service);
  }

  policiesOnRoute(route: string): readonly Policy[] {
    return this.policiesByRoute.get(route);
  }

  routesOn(service: ServiceKey): readonly MeshRoute[] {
    return this.routesByService.get(service);
  }

  backendPoliciesOn(service: ServiceKey): readonly BackendPolicy[] {
    return this.backendPoliciesByService.get(service);
  }

  policiesOnNamespace(namespace: string): readonly Policy[] {
    return this.policiesByNamespace.get(namespace);
  }

  private unindexService(key: ServiceKey): void {
    for (const text of this.services.get(key)?.clusterIPs ?? []) {
      const ip = canonicalIp(text) ?? text;
      if (this.serviceByIp.get(ip) === key) this.serviceByIp.delete(ip);
    }
  }

  /** An address may belong to a newer pod already when the news of the older one's end arrives. */
  private unindexWorkload(uid: string): void {
    for (const text of this.workloads.get(uid)?.ips ?? []) {
      const ip = canonicalIp(text) ?? text;
      if (this.workloadByIp.get(ip) === uid) this.workloadByIp.delete(ip);
    }
  }

  private dirtyAround(service: ServiceKey): Dirty {
    const pods = this.setsByService.get(service).flatMap((set) => [...podsOf(set)]);
    return new Set([dirtyService(service), ...pods.map(dirtyWorkload)]);
  }

  /**
   * The Services it names, those of the namespaces it names, and the parents of the routes it names. Policies change rarely,
   * so looking through all of them is fine.
   */
  private dirtyAroundPolicy(policy: Policy): Dirty {
    const named = new Set((policy.routeTargets ?? []).map(routeName));
    const routes = named.size === 0 ? [] : [...this.routes.values()];
    const parents = routes
      .filter(({ ref }) => named.has(routeName(ref)))
      .flatMap((route) => [...parentsOf(route)]);
    const { services, namespaces } = targetsOf(policy);
    const inThem =
      namespaces.size === 0
        ? []
        : [...this.services.keys()].filter((key) => namespaces.has(namespaceOf(key)));
    return new Set([...services, ...inThem, ...parents].map(dirtyService));
  }

  private dirtyAroundPod(uid: string): Dirty {
    const ips = (this.workloads.get(uid)?.ips ?? []).map((ip) => canonicalIp(ip) ?? ip);
    const sets = [...this.setsByPod.get(uid), ...ips.flatMap((ip) => this.setsByBareIp.get(ip))];
    return new Set([dirtyWorkload(uid), ...sets.map((set) => dirtyService(set.service))]);
  }
}

function podsOf(set: EndpointSet): Set<string> {
  return new Set(set.addresses.flatMap((address) => (address.pod === undefined ? [] : [address.pod])));
}

function bareIpsOf(set: EndpointSet): Set<string> {
  const bare = set.addresses.filter(({ pod }) => pod === undefined);
  return new Set(bare.map(({ address }) => canonicalIp(address) ?? address));
}

function targetsOf({ targets }: Policy): {
  readonly services: ReadonlySet<ServiceKey>;
  readonly namespaces: ReadonlySet<string>;
} {
  return {
    services: new Set(targets.flatMap(({ service }) => service ?? [])),
    namespaces: new Set(targets.flatMap(({ everyServiceOf }) => everyServiceOf ?? [])),
  };
}

function parentsOf(route: MeshRoute): Set<ServiceKey> {
  return new Set(route.parents.map(({ service }) => service));
}

function backendsOf({ targets }: BackendPolicy): readonly ServiceKey[] {
  return targets.map(({ namespace, name }) => serviceKey(namespace, name));
}

function dirtyAroundSet(set: EndpointSet): Dirty {
  return new Set([dirtyService(set.service), ...[...podsOf(set)].map(dirtyWorkload)]);
}
