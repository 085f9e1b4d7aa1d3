import type { RouteObject } from '../../kube/index.js';
import { toMeshRoute, type MeshRoute, type RouteKind } from '../../model/index.js';
import { plainObject } from './traffic-policy.js';

/** A route of Gateway API in terms of the mesh; undefined when it has not the shape of version 1. */
export function readRoute(kind: RouteKind, object: RouteObject): MeshRoute | undefined {
  return toMeshRoute(kind, plainObject(object));
}
