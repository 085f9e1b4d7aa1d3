import { type ServiceKey, serviceKey } from '../words/keys.js';
import type { BackendEntry } from '../words/policy.js';

/** The Services that entries of routes, checks and limits refer to. */
export function backendsOf(entries: readonly Pick<BackendEntry, 'service'>[]): ReadonlySet<ServiceKey> {
  return new Set(
    entries.flatMap(({ service }) =>
      service === undefined ? [] : [serviceKey(service.namespace, service.name)],
    ),
  );
}
