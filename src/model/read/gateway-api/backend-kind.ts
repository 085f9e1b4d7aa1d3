import type { ObjectRef } from '../../../api/index.js';

/**
 * Whether a reference is to a Service. The group of Kubernetes' own kinds has the empty name. What people bring from another mesh calls it
 * `core`, as the examples of Flagger and Argo Rollouts do; no other group can have that name.
 */
export function isService({ group, kind }: Pick<ObjectRef, 'group' | 'kind'>): boolean {
  return (group === '' || group === 'core') && kind === 'Service';
}

/** Why a reference is none that requests can be sent to, whatever is in the mesh; undefined when it may be one. */
export function invalidRef(ref: ObjectRef): string | undefined {
  if (!isService(ref)) {
    const named = ref.group === '' ? ref.kind : `${ref.kind}.${ref.group}`;
    return `a backend of kind ${named} is not supported; name a Service`;
  }
  return ref.port === undefined ? 'a Service as backend needs a port; add it' : undefined;
}
