import { isProblem, reachedService } from '../compile/asked-service.js';
import type { Mesh } from '../tables/mesh.js';
import type { Collector } from '../words/collector.js';
import type { Problem } from '../words/problem.js';

/** Whom the mesh tells of requests, and of what. */
export function collectorsOf({ settings: { tracing, accessLog } }: Mesh): readonly {
  readonly field: string;
  readonly what: string;
  readonly service: Collector['service'];
}[] {
  return [
    ...(tracing === undefined ? [] : [{ field: 'spec.tracing', what: 'spans', service: tracing.service }]),
    ...(accessLog?.collector === undefined
      ? []
      : [{ field: 'spec.accessLog', what: 'log records', service: accessLog.collector.service }]),
  ];
}

/** Why those cannot be told. Where nobody is to be told, nothing is wrong with that; undefined then. */
export function judgeCollectors(mesh: Mesh): readonly Problem[] | undefined {
  const collectors = collectorsOf(mesh);
  if (collectors.length === 0) return undefined;
  return collectors.flatMap(({ field, what, service }): readonly Problem[] => {
    const asks = reachedService(mesh, service);
    if (!isProblem(asks)) return [];
    return [
      {
        condition: 'ResolvedRefs',
        reason: 'BackendNotFound',
        field: `${field}.collector.service`,
        message: `${asks.reason}; until it does, ${what} are dropped`,
      },
    ];
  });
}
