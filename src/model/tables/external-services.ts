import { authoritiesOf, type ExternalService } from '../words/external-service.js';
import { dirtyEgress } from '../words/keys.js';
import { bundleNamed } from '../words/server-validation.js';
import { Table, eachOf } from './table.js';

/** ExternalServices of one namespace that count: every pod of it is told of them. */
export const MOST_EXTERNAL_SERVICES = 64;

/** ExternalServices by the uids of their objects. On one depend the pods of its namespace. */
export function externalServiceTable(): Table<ExternalService, 'namespace' | 'bundle'> {
  return new Table({
    key: ({ ref }) => ref.uid,
    indexes: { namespace: ({ ref }) => [ref.namespace], bundle: bundlesOf },
    dirty: eachOf(({ ref }) => [dirtyEgress(ref.namespace)]),
  });
}

function bundlesOf(service: ExternalService): ReadonlySet<string> {
  const named = authoritiesOf(service);
  return new Set(named.flatMap((authority) => bundleNamed(service, authority) ?? []));
}

/** Of all of a namespace those that count, the oldest first. */
export function countingExternalServices(all: readonly ExternalService[]): readonly ExternalService[] {
  const age = ({ ref }: ExternalService): string => `${ref.creationTimestamp} ${ref.name}`;
  return [...all].sort((a, b) => (age(a) < age(b) ? -1 : 1)).slice(0, MOST_EXTERNAL_SERVICES);
}
