import type { ObjectRef } from '../../../api/index.js';

/** Why a reference is none that requests can be sent to, whatever is in the mesh; undefined when it may be one. */
export function invalidRef({ group, kind, port }: ObjectRef): string | undefined {
  if (group !== '' || kind !== 'Service') {
    const named = group === '' ? kind : `${kind}.${group}`;
    return `a backend of kind ${named} is not supported; name a Service`;
  }
  return port === undefined ? 'a Service as backend needs a port; add it' : undefined;
}
