/** Whose object refers to something: what a ReferenceGrant names in `from`. */
export interface Referrer {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
}

/** A ReferenceGrant of Gateway API: the namespace it is in lets objects of others refer to its Services. */
export interface Grant {
  readonly namespace: string;
  readonly name: string;
  readonly from: readonly Referrer[];
  /** Names of its Services. */
  readonly services: 'all' | readonly string[];
}

/** Whether the grant lets an object refer to a Service of the grant's namespace. */
export function permits({ from, services }: Grant, referrer: Referrer, service: string): boolean {
  return (
    (services === 'all' || services.includes(service)) &&
    from.some(
      ({ group, kind, namespace }) =>
        group === referrer.group && kind === referrer.kind && namespace === referrer.namespace,
    )
  );
}
