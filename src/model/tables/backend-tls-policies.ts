import type { BackendTlsPolicy } from '../words/backend-tls-policy.js';
import { type CaBundle } from '../words/ca-bundle.js';
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

/** Certificates of ConfigMaps by `<namespace>/<name>`. On one depend the Services of the policies that name it. */
export function caBundleTable(policies: Table<BackendTlsPolicy, 'service' | 'bundle'>): Table<CaBundle> {
  const key = ({ namespace, name }: CaBundle): string => `${namespace}/${name}`;
  return new Table<CaBundle>({
    key,
    indexes: {},
    dirty: eachOf((bundle) =>
      policies.by('bundle', key(bundle)).flatMap((policy) => dirtySaid(servicesOf(policy))),
    ),
  });
}

function servicesOf({ targets }: BackendTlsPolicy): ReadonlySet<ServiceKey> {
  return new Set(targets.map(({ namespace, name }) => serviceKey(namespace, name)));
}

function bundlesOf({ ref, authorities }: BackendTlsPolicy): ReadonlySet<string> {
  const maps = authorities.filter(({ group, kind }) => group === '' && kind === 'ConfigMap');
  return new Set(maps.map(({ name }) => `${ref.namespace}/${name}`));
}
