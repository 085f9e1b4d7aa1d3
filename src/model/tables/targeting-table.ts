import { dirtySaid, serviceKey, type ServiceKey } from '../words/keys.js';
import type { PolicyRef } from '../words/policy.js';
import { Table, eachOf } from './table.js';

interface Targeting {
  readonly ref: PolicyRef;
  /** Services, some of them maybe several times, for one port each. */
  readonly targets: readonly { readonly namespace: string; readonly name: string }[];
}

/** Policies on Services, by the uids of their objects. On one depend the Services that it names. */
export function targetingTable<T extends Targeting>(): Table<T, 'service'> {
  return new Table<T, 'service'>({
    key: ({ ref }) => ref.uid,
    indexes: { service: servicesOf },
    dirty: eachOf((policy) => dirtySaid(servicesOf(policy))),
  });
}

function servicesOf({ targets }: Targeting): ReadonlySet<ServiceKey> {
  return new Set(targets.map(({ namespace, name }) => serviceKey(namespace, name)));
}
