import { askedService, isProblem } from '../compile/asked-service.js';
import type { Mesh } from '../tables/mesh.js';
import type { Policy } from '../words/policy.js';
import type { Problem } from '../words/problem.js';
import type { OnLimitFailure } from '../words/rate-limit.js';

const UNTIL: Readonly<Record<OnLimitFailure, string>> = {
  allow: 'requests pass uncounted, as onFailure says',
  deny: 'requests that it counts are refused, as onFailure says',
  podShare: 'each ready pod lets in its share, as onFailure says',
};

/** Services that are to count for limits of the policy, and cannot be asked. */
export function judgeCounting(mesh: Mesh, { ref, rateLimits = [] }: Policy): readonly Problem[] {
  return rateLimits.flatMap(({ counted, dryRun }, index): Problem[] => {
    const asked = counted === undefined ? undefined : askedService(mesh, counted.service, ref.namespace);
    if (counted === undefined || asked === undefined || !isProblem(asked)) return [];
    const until = dryRun ? 'nobody counts' : UNTIL[counted.onFailure];
    return [
      {
        condition: 'ResolvedRefs',
        reason: asked.forbidden ? 'RefNotPermitted' : 'BackendNotFound',
        field: `spec.rateLimit[${index}].service`,
        message: `${asked.reason}; until it does, ${until}`,
      },
    ];
  });
}
