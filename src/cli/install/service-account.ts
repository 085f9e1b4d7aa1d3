import { z } from 'zod';
import { parseManifests } from '../../api/index.js';
import { MeshError } from '../../base/index.js';
import { orUndefined, resourcePath, type KubeClient } from '../../kube/index.js';
import { findControlPlanes, revisionOf } from '../control-planes.js';
import type { Helm } from './helm.js';
import { RELEASE } from '../check/remedies.js';
import type { Place } from './release.js';

const KIND = { apiVersion: 'v1', plural: 'serviceaccounts' } as const;
/** Control planes of all revisions run as it (charts/weft/templates/_names.tpl). */
const NAME = 'weft';
const KEPT = 'helm.sh/resource-policy';

type At = Pick<Place, 'systemNamespace'> & { readonly client: KubeClient };

const annotations = z.record(z.string(), z.string()).default({});
const shape = z.object({ metadata: z.object({ annotations }) });
const ofRelease = z.object({
  kind: z.literal('ServiceAccount'),
  metadata: z.object({ name: z.literal(NAME), annotations }),
});

/**
 * Throws where Helm would take away, with a release, what other revisions run as. Charts of before did not have it kept, and Helm goes by the
 * chart that was installed, whatever the object says.
 */
export async function demandKeptAccount(
  at: At & Place & { readonly helm: Helm },
  release: string,
): Promise<void> {
  const others = (await findControlPlanes(at.client)).map(revisionOf).filter((one) => one !== at.revision);
  if (others.length === 0) return;
  const manifest = await at.helm(['get', 'manifest', release, '--namespace', at.systemNamespace]);
  const own = parseManifests(manifest, `the manifest of release ${release}`).flatMap(
    (object) => ofRelease.safeParse(object).data ?? [],
  );
  if (own.every(({ metadata }) => metadata.annotations[KEPT] === 'keep')) return;
  throw new MeshError(
    'precondition',
    `revision ${others.join(', ')} runs as ServiceAccount ${at.systemNamespace}/${NAME}, which Helm would delete with release ${release}, as the chart of it says; weft upgrade --revision ${at.revision} has it kept`,
  );
}

/** Deletes what Helm kept for other revisions, once there are none. One that no release made stays. */
export async function deleteLastAccount(at: At): Promise<void> {
  if ((await findControlPlanes(at.client)).length > 0) return;
  if ((await annotationsOf(at))?.[RELEASE] === undefined) return;
  await orUndefined(at.client.request({ method: 'DELETE', path: pathOf(at) }));
}

async function annotationsOf(at: At): Promise<Readonly<Record<string, string>> | undefined> {
  const found = await orUndefined(at.client.request({ path: pathOf(at) }));
  return found === undefined ? undefined : shape.parse(found).metadata.annotations;
}

function pathOf({ systemNamespace }: At): string {
  return resourcePath(KIND, { namespace: systemNamespace, name: NAME });
}
