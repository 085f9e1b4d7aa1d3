import { type BackendRef, followSplit } from './backend-ref.js';
import type { Backend, Endpoint } from './destination.js';
import { type Candidate, candidatesOf } from './endpoints.js';
import type { ServiceKey } from './keys.js';
import type { Mesh } from './mesh.js';
import type { BackendEntry } from './policy.js';

/** Collects the backends that the routes of one destination choose from; endpoints and backends appear once. */
export class BackendTable {
  readonly endpoints: Endpoint[] = [];
  readonly backends: Backend[] = [];
  /** Every Service that was asked about. */
  readonly services = new Set<ServiceKey>();

  private readonly endpointPlaces = new Map<string, number>();
  private readonly backendPlaces = new Map<string, number>();
  private readonly candidates = new Map<string, readonly Candidate[]>();

  constructor(
    private readonly mesh: Mesh,
    private readonly target: ServiceKey,
    private readonly port: number,
    private readonly family: 'ipv4' | 'ipv6' | undefined,
  ) {}

  /** The place of the backend that an entry of a split or a mirror means. */
  place(entry: BackendEntry): number {
    const ref = followSplit(this.mesh, entry, this.target, this.port);
    this.services.add(ref.service);
    const name = backendName(ref, entry, this.port);
    const id = `${name} ${entry.fallback} ${labelsText(entry.fallbackLabels)} ${entry.invalid ?? ''}`;
    const known = this.backendPlaces.get(id);
    if (known !== undefined) return known;
    this.backends.push({ name, ...this.content(ref, entry) });
    this.backendPlaces.set(id, this.backends.length - 1);
    return this.backends.length - 1;
  }

  /** The endpoints of a valid reference. */
  candidatesOf(ref: BackendRef): readonly Candidate[] {
    if (ref.invalid !== undefined) return [];
    const id = `${ref.service}:${ref.port.port}`;
    const known = this.candidates.get(id) ?? candidatesOf(this.mesh, ref.service, ref.port, this.family);
    this.candidates.set(id, known);
    return known;
  }

  private content(ref: BackendRef, entry: BackendEntry): Omit<Backend, 'name'> {
    if (ref.invalid !== undefined) return { endpoints: [], invalid: ref.invalid };
    const all = this.candidatesOf(ref);
    const subset = all.filter((candidate) => hasLabels(candidate.labels, entry.labels ?? {}));
    const rest = () => all.filter((candidate) => hasLabels(candidate.labels, entry.fallbackLabels ?? {}));
    const chosen = subset.length === 0 && entry.fallback ? rest() : subset;
    return { endpoints: chosen.map((candidate) => this.endpointPlace(candidate.endpoint)) };
  }

  private endpointPlace(endpoint: Endpoint): number {
    const id = `${endpoint.address} ${endpoint.port}`;
    const known = this.endpointPlaces.get(id);
    if (known !== undefined) return known;
    this.endpoints.push(endpoint);
    this.endpointPlaces.set(id, this.endpoints.length - 1);
    return this.endpoints.length - 1;
  }
}

function backendName(ref: BackendRef, entry: BackendEntry, targetPort: number): string {
  return `${ref.service}:${entry.service?.port ?? targetPort}${labelsText(entry.labels)}`;
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
