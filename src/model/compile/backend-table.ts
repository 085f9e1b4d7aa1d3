import { BUDGET } from '../words/budget.js';
import { type BackendRef, followSplit } from './backend-ref.js';
import { backendTlsOn } from './backend-tls-on.js';
import { backendTlsBytes, compileBackendTls } from './compile-backend-tls.js';
import type { Backend, BackendTls, Endpoint } from '../words/destination.js';
import { type Candidate, candidatesOf } from './endpoints.js';
import type { ServiceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type { BackendEntry, PolicyRef } from '../words/policy.js';
import type { ServicePort } from '../words/service.js';
import type { Workload } from '../words/workload.js';

/** What the routes are about. */
interface TargetPort {
  readonly service: ServiceKey;
  readonly port: number;
  /** Of the dialled address, where it decides. */
  readonly family: 'ipv4' | 'ipv6' | undefined;
  /** Its policy says which endpoint a caller keeps to, and no Service does. */
  readonly keyed: boolean;
}

/** Collects the backends that the routes of one destination choose from; endpoints and backends appear once. */
export class BackendTable {
  readonly endpoints: Endpoint[] = [];
  readonly backends: Backend[] = [];
  /** Every Service that was asked about. */
  readonly services = new Set<ServiceKey>();
  /** The TLS that backends ask for, and the policies that say so. */
  readonly tls: BackendTls[] = [];
  readonly tlsPolicies: PolicyRef[] = [];
  /** Every pod that was asked about, by its uid. */
  readonly workloads = new Map<string, Workload>();

  readonly #mesh: Mesh;
  readonly #target: ServiceKey;
  readonly #port: number;
  readonly #family: 'ipv4' | 'ipv6' | undefined;
  #references = 0;
  #tlsBytes = 0;
  readonly #endpointPlaces = new Map<string, number>();
  readonly #backendPlaces = new Map<string, number>();
  readonly #candidates = new Map<string, readonly Candidate[]>();
  readonly #keyed: boolean;

  constructor(mesh: Mesh, { service, port, family, keyed }: TargetPort) {
    this.#mesh = mesh;
    this.#target = service;
    this.#port = port;
    this.#family = family;
    this.#keyed = keyed;
  }

  /** The place of the backend that an entry of a split or a mirror means. */
  place(entry: BackendEntry): number {
    const ref = followSplit(this.#mesh, entry, this.#target, this.#port);
    this.services.add(ref.service);
    const name = backendName(ref, entry, this.#port);
    const id = `${name} ${entry.fallback} ${labelsText(entry.fallbackLabels)} ${entry.invalid ?? ''}`;
    const known = this.#backendPlaces.get(id);
    if (known !== undefined) return known;
    this.backends.push({ name, ...this.#content(ref, entry) });
    this.#backendPlaces.set(id, this.backends.length - 1);
    return this.backends.length - 1;
  }

  /** The endpoints of a valid reference. */
  candidatesOf(ref: BackendRef): readonly Candidate[] {
    if (ref.invalid !== undefined) return [];
    const id = `${ref.service}:${ref.port.port}`;
    const known = this.#candidates.get(id) ?? candidatesOf(this.#mesh, ref.service, ref.port, this.#family);
    this.#candidates.set(id, known);
    for (const { workload } of known) if (workload !== undefined) this.workloads.set(workload.uid, workload);
    return known;
  }

  #content(ref: BackendRef, entry: BackendEntry): Omit<Backend, 'name'> {
    if (ref.invalid !== undefined) return { endpoints: [], invalid: ref.invalid };
    const all = this.candidatesOf(ref);
    const subset = all.filter((candidate) => hasLabels(candidate.labels, entry.labels ?? {}));
    const rest = () => all.filter((candidate) => hasLabels(candidate.labels, entry.fallbackLabels ?? {}));
    const chosen = subset.length === 0 && entry.fallback ? rest() : subset;
    const open = chosen.filter(({ refusal }) => refusal === undefined);
    const [refused] = chosen;
    if (open.length === 0 && refused?.refusal !== undefined)
      return { endpoints: [], invalid: refused.refusal };
    this.#references += open.length;
    if (this.#references > BUDGET.endpointReferences) {
      return {
        endpoints: [],
        invalid: `the backends of this destination hold more than ${BUDGET.endpointReferences} endpoints together; split to fewer of them`,
      };
    }
    return {
      endpoints: open.map((candidate) => this.#endpointPlace(candidate.endpoint)),
      ...this.#askedOf(ref.service),
      ...(open.every(({ endpoint }) => endpoint.identity !== undefined) ? {} : this.#tlsOf(ref)),
    };
  }

  /** The TLS that endpoints without a proxy expect; between proxies there is mutual TLS. */
  #tlsOf({ service, port }: Extract<BackendRef, { port: ServicePort }>): Pick<Backend, 'tls'> {
    const policy = backendTlsOn(this.#mesh, service, port);
    if (policy === undefined) return {};
    const known = this.tlsPolicies.findIndex(({ uid }) => uid === policy.ref.uid);
    if (known >= 0) return { tls: known };
    this.tlsPolicies.push(policy.ref);
    return { tls: this.tls.push(this.#withinBudget(compileBackendTls(this.#mesh, policy).tls)) - 1 };
  }

  #withinBudget(tls: BackendTls): BackendTls {
    const bytes = this.#tlsBytes + backendTlsBytes(tls);
    if (bytes <= BUDGET.tlsBytes) {
      this.#tlsBytes = bytes;
      return tls;
    }
    const refused = `the BackendTLSPolicies of this destination hold more than ${BUDGET.tlsBytes} bytes of certificates together; split to fewer backends`;
    return { ...tls, dnsNames: [], uris: [], authorities: [], refused };
  }

  /** What a Service itself says about the endpoints that a caller gets. */
  #askedOf(service: ServiceKey): Pick<Backend, 'node' | 'affinitySeconds'> {
    const { node, affinitySeconds } = this.#mesh.services.get(service) ?? {};
    return {
      ...(node === undefined ? {} : { node }),
      ...(affinitySeconds === undefined || this.#keyed ? {} : { affinitySeconds }),
    };
  }

  #endpointPlace(endpoint: Endpoint): number {
    const id = `${endpoint.address} ${endpoint.port} ${endpoint.node ?? ''}`;
    const known = this.#endpointPlaces.get(id);
    if (known !== undefined) return known;
    this.endpoints.push(endpoint);
    this.#endpointPlaces.set(id, this.endpoints.length - 1);
    return this.endpoints.length - 1;
  }
}

function backendName(ref: BackendRef, entry: BackendEntry, targetPort: number): string {
  const port = ref.invalid === undefined ? ref.port.port : (entry.service?.port ?? targetPort);
  return `${ref.service}:${port}${labelsText(entry.labels)}`;
}

function labelsText(labels: Readonly<Record<string, string>> = {}): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.length === 0 ? '' : `{${sorted.map(([name, value]) => `${name}=${value}`).join(',')}}`;
}

function hasLabels(
  labels: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}
