import { isDeepStrictEqual } from 'node:util';
import { names } from '../base/index.js';
import type { Condition, MeshObject } from '../kube/index.js';
import { stamper } from './own-entries.js';
import { SUPPORTED_FEATURES } from './supported-features.js';

/** What the status of an XMesh of ours should say: what Weft supports (GEP-3949). Undefined where it does, and for others'. */
export function meshStatus(mesh: MeshObject, now: number): object | undefined {
  if (mesh.controllerName !== names.ROUTE_CONTROLLER) return undefined;
  const accepted = judge(mesh, now);
  const features = accepted.status === 'True' ? SUPPORTED_FEATURES : [];
  const existing = mesh.conditions.find(({ type }) => type === 'Accepted');
  if (isDeepStrictEqual(existing, accepted) && isDeepStrictEqual(mesh.features, features)) return undefined;
  return { conditions: [accepted], supportedFeatures: features.map((name) => ({ name })) };
}

/** Weft has its settings in a MeshConfig and takes none from here. */
function judge(mesh: MeshObject, now: number): Condition {
  return stamper(
    mesh,
    mesh.conditions,
    now,
  )(
    'Accepted',
    mesh.hasParameters
      ? {
          status: 'False',
          reason: 'InvalidParameters',
          message:
            'spec.parametersRef: Weft takes no parameters here; remove it and use the MeshConfig named default',
        }
      : { status: 'True', reason: 'Accepted', message: 'Weft is this mesh.' },
  );
}
