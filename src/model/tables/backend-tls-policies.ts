import { type BackendTlsPolicy, bundleNamed } from '../words/backend-tls-policy.js';
import { bundleKey, type CaBundle } from '../words/ca-bundle.js';
import { dirtySaid, serviceKey, type ServiceKey } from '../words/keys.js';
import { Table, eachOf } from './table.js';

/** BackendTLSPolicies by the uids of their objects. On one depend the Services that it names. */
export function backendTlsPolicyTable(): Table<BackendTlsPolicy, 'service' | 'bundle'> {
  return new Table<BackendTlsPolicy, 'service' | 'bundle'>({
    key: ({ ref }) => ref.uid,
    indexes: { service: servicesOf, bundle: bundlesOf },
    dirty: eachOf((policy) => dirtySaid(servicesOf(policy))),
  });
}

/** Certificates of authorities by `bundleKey`. On them depend the Services of the policies that name them. */
export function caBundleTable(policies: Table<BackendTlsPolicy, 'service' | 'bundle'>): Table<CaBundle> {
  return new Table<CaBundle>({
    key: bundleKey,
    indexes: {},
    dirty: eachOf((bundle) =>
      policies.by('bundle', bundleKey(bundle)).flatMap((policy) => dirtySaid(servicesOf(policy))),
    ),
  });
}

function servicesOf({ targets }: BackendTlsPolicy): ReadonlySet<ServiceKey> {
  return new Set(targets.map(({ namespace, name }) => serviceKey(namespace, name)));
}

function bundlesOf(policy: BackendTlsPolicy): ReadonlySet<string> {
  return new Set(policy.authorities.flatMap((authority) => bundleNamed(policy, authority) ?? []));
}
