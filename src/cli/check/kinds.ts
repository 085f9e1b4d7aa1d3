import { z } from 'zod';
import { MeshError, names } from '../../base/index.js';
import { ownKinds } from '../../controller/index.js';
import { ok, type CheckOptions, type Found } from './found.js';
import { installCrds } from './remedies.js';

const resourceList = z.object({ resources: z.array(z.object({ name: z.string() })) });

/** Whether the API server knows the kinds that people write. */
export async function checkKinds({ client, systemNamespace }: CheckOptions): Promise<readonly Found[]> {
  const group = `${names.API_GROUP}/${names.API_VERSION}`;
  const failed = (detail: string): readonly Found[] => [
    {
      kind: 'failed',
      code: 'WEFT903',
      detail,
      fix: 'install the chart weft-crds',
      commands: [installCrds(systemNamespace)],
    },
  ];
  try {
    const { resources } = resourceList.parse(await client.request({ path: `/apis/${group}` }));
    const served = new Set(resources.map(({ name }) => name));
    const missing = ownKinds()
      .map(({ resource }) => resource)
      .filter(({ plural }) => !served.has(plural));
    if (missing.length === 0) return [ok(`${group} is served`)];
    return failed(`${group} has no ${missing.map(({ kind }) => kind).join(', ')}`);
  } catch (thrown) {
    if (MeshError.from(thrown).code !== 'not-found') throw thrown;
    return failed(`the cluster does not know ${group}`);
  }
}
