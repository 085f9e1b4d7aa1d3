import type { BackendTlsPolicy } from '../words/backend-tls-policy.js';
import { bundleKey, type CaBundle } from '../words/ca-bundle.js';
import type { ExternalService } from '../words/external-service.js';
import { dirtyEgress, dirtySaid, serviceKey, type ServiceKey } from '../words/keys.js';
import { bundleNamed } from '../words/server-validation.js';
import { Table, eachOf } from './table.js';

/** BackendTLSPolicies by the uids of their objects. On one depend the Services that it names. */
export function backendTlsPolicyTable(): Table<BackendTlsPolicy, 'service' | 'bundle'> {
  return new Table<BackendTlsPolicy, 'service' | 'bundle'>({
    key: ({ ref }) => ref.uid,
    indexes: { service: servicesOf, bundle: bundlesOf },
    dirty: eachOf((policy) => dirtySaid(servicesOf(policy))),
  });
}

/**
 * Certificates of authorities by `bundleKey`. On them depend the Services of the policies that name them, and the pods of namespaces
 * whose ExternalServices do.
 */
export function caBundleTable(
  policies: Table<BackendTlsPolicy, 'service' | 'bundle'>,
  external: Table<ExternalService, 'namespace' | 'bundle'>,
): Table<CaBundle> {
  return new Table<CaBundle>({
    key: bundleKey,
    indexes: {},
    dirty: eachOf((bundle) => [
      ...policies.by('bundle', bundleKey(bundle)).flatMap((policy) => dirtySaid(servicesOf(policy))),
      ...external.by('bundle', bundleKey(bundle)).map(({ ref }) => dirtyEgress(ref.namespace)),
    ]),
  });
}

function servicesOf({ targets }: BackendTlsPolicy): ReadonlySet<ServiceKey> {
  return new Set(targets.map(({ namespace, name }) => serviceKey(namespace, name)));
}

function bundlesOf(policy: BackendTlsPolicy): ReadonlySet<string> {
  return new Set(policy.authorities.flatMap((authority) => bundleNamed(policy, authority) ?? []));
}
