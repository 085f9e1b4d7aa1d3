import type { Mesh } from '../tables/mesh.js';
import type { DirtyKey } from '../words/keys.js';
import type { PolicyRef } from '../words/policy.js';
import type { Verdict } from '../words/problem.js';
import { type XBackend, isXBackendKey, xBackendKey } from '../words/x-backend.js';
import { serviceOf } from './about.js';
import type { AncestorVerdict } from './ancestor-verdict.js';

/** What became of an XBackend for the routes of each Service that send to it. */
export function judgeXBackend(mesh: Mesh, backend: XBackend): readonly AncestorVerdict[] {
  const routes = mesh.routesAbout(xBackendKey(backend.ref));
  const parents = routes.flatMap((route) => route.parents.map(({ service }) => service));
  const accepted = verdictOn(backend);
  return [...new Set(parents)].sort().map((ancestor) => ({ ancestor, accepted }));
}

/** XBackends whose verdict may be another after a change. */
export function xBackendsAbout(mesh: Mesh, dirty: Iterable<DirtyKey>): readonly PolicyRef[] {
  return [...dirty].flatMap((key) => {
    const service = serviceOf(key);
    const backend = service !== undefined && isXBackendKey(service) ? mesh.xBackendOf(service) : undefined;
    return backend === undefined ? [] : [backend.ref];
  });
}

function verdictOn({ problems }: XBackend): Verdict {
  const [first] = problems;
  if (first === undefined) return { status: 'True', reason: 'Accepted', message: 'Routes send to its pods.' };
  const told = problems.map(({ field, message }) => `${field}: ${message}`).join('\n');
  return { status: 'False', reason: first.reason, message: `${told}\nUntil then nothing is sent there.` };
}
