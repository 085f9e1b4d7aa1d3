import type { PolicyRef } from './policy.js';
import type { AuthorityRef, ServerValidation } from './server-validation.js';

/** Hosts or addresses outside the mesh that pods of a namespace may reach. */
export interface ExternalService {
  readonly ref: PolicyRef;
  /** In lower case; `*.` and a suffix stands for every name below. */
  readonly hosts: readonly string[];
  readonly ports: readonly ExternalPort[];
  /** Empty: where names lead decides. */
  readonly addresses: readonly AddressBlock[];
  /** Names may lead to private addresses. */
  readonly privateAddresses: boolean;
  /** Absent: every pod of the namespace may use it. */
  readonly serviceAccounts?: readonly string[];
}

export interface ExternalPort {
  readonly port: number;
  readonly protocol: 'tls' | 'http' | 'tcp';
  /** Requests go out in TLS. */
  readonly tls?: Origination;
}

/** TLS that proxies open for requests, each to the host that it is for. */
export interface Origination extends ServerValidation {
  /** Dialled in the place of the one that the application dials. */
  readonly port: number;
  /** Where the object says so. */
  readonly field: string;
}

/** All authorities that its ports name. */
export function authoritiesOf({ ports }: ExternalService): readonly AuthorityRef[] {
  return ports.flatMap(({ tls }) => tls?.authorities ?? []);
}

/** Addresses that begin with the same bits; the address is in canonical form. */
export interface AddressBlock {
  readonly address: string;
  readonly length: number;
}

/** An ExternalService as one pod is told of it. */
export interface PodExternalService extends Omit<ExternalService, 'ref' | 'ports' | 'serviceAccounts'> {
  /** `<namespace>/<name>`. */
  readonly name: string;
  readonly ports: readonly PodExternalPort[];
  readonly permitted: boolean;
}

export interface PodExternalPort extends Omit<ExternalPort, 'tls'> {
  readonly tls?: PodOrigination;
}

export interface PodOrigination {
  readonly port: number;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** Index into the authorities of the pod; absent: there are none, and `refused` says why. */
  readonly authorities?: number;
  readonly refused?: string;
}
