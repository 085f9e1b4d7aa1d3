import type { BackendTlsPolicy } from '../words/backend-tls-policy.js';
import { type ServiceKey, serviceKey } from '../words/keys.js';
import type { ServicePort } from '../words/service.js';
import type { Mesh } from '../tables/mesh.js';
import { olderFirst } from './merge.js';

/** The BackendTLSPolicy on a port: one that names the port before one on the whole Service, the oldest, the first by name. */
export function backendTlsOn(
  mesh: Mesh,
  service: ServiceKey,
  { name }: Pick<ServicePort, 'name'>,
): BackendTlsPolicy | undefined {
  const onSection = (section: string | undefined): BackendTlsPolicy | undefined =>
    mesh
      .backendTlsPoliciesOn(service)
      .filter(({ targets }) =>
        targets.some(
          (target) => serviceKey(target.namespace, target.name) === service && target.section === section,
        ),
      )
      .sort(olderFirst)[0];
  return (name === '' ? undefined : onSection(name)) ?? onSection(undefined);
}
