import { analyze } from '../../src/api/index.js';
import type { StoredObject } from '../../src/testing/index.js';
import { COLLECTIONS, NAMESPACE, pod, service, slice } from '../../e2e/scenarios/objects.js';
import { PODS, SERVICE } from '../pods.js';
import { HELPER } from './helper.js';

/** An object, and where the API server has it. */
export interface Stored {
  readonly collection: string;
  readonly object: StoredObject;
}

/** Two meshed pods, the Service in front of one of them, and a helper outside the mesh behind a Service of its own. */
export function shop(): readonly Stored[] {
  const helper = pod(HELPER.name, HELPER.name, { address: HELPER.address });
  const outside = { serviceAccountName: HELPER.name, containers: [{ name: 'app' }] };
  const listed = (name: string, address: string): Stored => ({
    collection: COLLECTIONS.endpointSlices,
    object: slice(name, [{ name, address, phase: 'ready' }]),
  });
  return [
    ...Object.entries(PODS).map(([name, address]) => ({
      collection: COLLECTIONS.pods,
      object: pod(name, name, { address }),
    })),
    { collection: COLLECTIONS.pods, object: { ...helper, spec: outside } },
    { collection: COLLECTIONS.services, object: service('server', SERVICE) },
    { collection: COLLECTIONS.services, object: service(HELPER.name, HELPER.service) },
    listed('server', PODS.server),
    listed(HELPER.name, HELPER.address),
  ];
}

/** An object of a kind of ours, of the namespace of everything unless its kind has none; what is not valid is refused here. */
function ours(kind: string, name: string, spec: object): Stored {
  const place = kind === 'MeshConfig' ? {} : { namespace: NAMESPACE };
  const plural = kind === 'TrafficPolicy' ? 'trafficpolicies' : `${kind.toLowerCase()}s`;
  const metadata = { name, ...place, uid: `${kind}/${name}`, generation: 1 };
  const object: StoredObject = { apiVersion: 'weft.dev/v1alpha1', kind, metadata, spec };
  const [finding] = analyze([object]);
  if (finding !== undefined) throw new Error(`${finding.object}, ${finding.path}: ${finding.message}`);
  return { collection: `/apis/weft.dev/v1alpha1/${plural}`, object };
}

/** A policy on the server. */
export function onServer(spec: object): Stored {
  return ours('TrafficPolicy', 'server', { targetRefs: [{ kind: 'Service', name: 'server' }], ...spec });
}

/** Settings of the mesh. */
export function meshConfig(spec: object): Stored {
  return ours('MeshConfig', 'default', spec);
}

/** An issuer of tokens. */
export function issuer(spec: object): Stored {
  return ours('JwtIssuer', 'issuer', spec);
}

/** Nothing may be asked but what bindings allow. */
export function denied(): Stored {
  const labels = { 'weft.dev/default-access': 'Deny' };
  return {
    collection: '/api/v1/namespaces',
    object: { metadata: { name: NAMESPACE, uid: NAMESPACE, labels } },
  };
}

/** A role and a binding that grants it. */
export function granted(name: string, rules: readonly object[], subjects: readonly object[]): Stored[] {
  return [
    ours('MeshRole', name, { rules }),
    ours('MeshRoleBinding', name, { subjects, roleRef: { kind: 'MeshRole', name } }),
  ];
}
