import { isProblem, reachedService } from '../compile/asked-service.js';
import type { Mesh } from '../tables/mesh.js';
import type { Problem } from '../words/problem.js';

/** Why nobody can be told. Where nobody is to be, nothing is wrong with that; undefined then. */
export function judgeTracing(mesh: Mesh): readonly Problem[] | undefined {
  const { tracing } = mesh.settings;
  if (tracing === undefined) return undefined;
  const asks = reachedService(mesh, tracing.service);
  if (!isProblem(asks)) return [];
  return [
    {
      condition: 'ResolvedRefs',
      reason: 'BackendNotFound',
      field: 'spec.tracing.collector.service',
      message: `${asks.reason}; until it does, spans are dropped`,
    },
  ];
}
