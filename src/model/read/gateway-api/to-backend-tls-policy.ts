import { backendTlsPolicy } from '../../../api/index.js';
import type { BackendTlsPolicy } from '../../words/backend-tls-policy.js';

/**
 * A BackendTLSPolicy as the API server stores it, in terms of the mesh. Undefined when it has not the shape that version 1
 * gives it; keep the last good one then. What is not a Service has other controllers.
 */
export function toBackendTlsPolicy(object: unknown): BackendTlsPolicy | undefined {
  const { success, data } = backendTlsPolicy.safeParse(object);
  if (!success) return undefined;
  const { metadata, spec } = data;
  const { hostname, subjectAltNames, caCertificateRefs, wellKnownCACertificates = '' } = spec.validation;
  return {
    ref: { kind: 'BackendTLSPolicy', ...metadata },
    targets: spec.targetRefs
      .map((target, index) => ({ ...target, field: `spec.targetRefs[${index}]` }))
      .filter(({ group, kind }) => group === '' && kind === 'Service')
      .map(({ name, sectionName, field }) => ({
        namespace: metadata.namespace,
        name,
        ...(sectionName === undefined || sectionName === '' ? {} : { section: sectionName }),
        field,
      })),
    hostname,
    names: {
      dns: subjectAltNames.flatMap((one) => (one.type === 'Hostname' ? one.hostname : [])),
      uris: subjectAltNames.flatMap((one) => (one.type === 'URI' ? one.uri : [])),
    },
    authorities: caCertificateRefs.map((one, index) => ({
      ...one,
      field: `spec.validation.caCertificateRefs[${index}]`,
    })),
    ...(wellKnownCACertificates === '' ? {} : { wellKnown: wellKnownCACertificates }),
  };
}
