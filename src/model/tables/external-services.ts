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

/**
 * Of all of a namespace those that count: first those by which requests leave in TLS, because without one its requests would leave in
 * plain text, and of each kind the oldest.
 */
export function countingExternalServices(all: readonly ExternalService[]): readonly ExternalService[] {
  const rank = (one: ExternalService): string =>
    `${opensTls(one) ? 0 : 1} ${one.ref.creationTimestamp} ${one.ref.name}`;
  return [...all].sort((a, b) => (rank(a) < rank(b) ? -1 : 1)).slice(0, MOST_EXTERNAL_SERVICES);
}

/** Whether requests leave in TLS by it. */
export function opensTls({ ports }: ExternalService): boolean {
  return ports.some(({ tls }) => tls !== undefined);
}
