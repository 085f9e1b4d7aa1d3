import type { ReferenceGrant } from '../../kube/index.js';
import type { Grant } from '../../model/index.js';

/** A ReferenceGrant in terms of the mesh; what it permits beside Services is nobody's here. */
export function toGrant({ metadata, from, to }: ReferenceGrant): Grant {
  const services = to.filter(({ group, kind }) => group === '' && kind === 'Service');
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    from,
    services: services.some(({ name }) => name === '') ? 'all' : services.map(({ name }) => name),
  };
}
