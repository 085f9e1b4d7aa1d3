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
  const { caCertificateRefs, wellKnownCACertificates = '' } = spec.validation;
  const references = caCertificateRefs.map(({ kind, name }) => `${kind} ${name}`);
  return {
    ref: { kind: 'BackendTLSPolicy', ...metadata },
    targets: spec.targetRefs
      .filter(({ group, kind }) => group === '' && kind === 'Service')
      .map(({ name, sectionName }) => ({
        namespace: metadata.namespace,
        name,
        ...(sectionName === undefined || sectionName === '' ? {} : { section: sectionName }),
      })),
    trusts: references.length > 0 ? references : [wellKnownCACertificates],
    byReference: references.length > 0,
  };
}
