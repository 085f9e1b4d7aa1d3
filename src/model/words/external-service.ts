import type { PolicyRef } from './policy.js';

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
}

/** Addresses that begin with the same bits; the address is in canonical form. */
export interface AddressBlock {
  readonly address: string;
  readonly length: number;
}

/** An ExternalService as one pod is told of it. */
export interface PodExternalService extends Omit<ExternalService, 'ref' | 'serviceAccounts'> {
  /** `<namespace>/<name>`. */
  readonly name: string;
  readonly permitted: boolean;
}
