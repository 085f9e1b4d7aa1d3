import { names } from '../../base/index.js';
import { proxyAbsence } from '../../controller/index.js';
import { Resources, listObjects } from '../../kube/index.js';
import { plural } from '../page.js';
import { ok, type CheckOptions, type Found } from './found.js';
import { restartDeployments } from './remedies.js';

/** Whether every pod that is selected for the mesh has a proxy. */
export async function checkPods({
  client,
  revision,
  systemNamespace,
}: CheckOptions): Promise<readonly Found[]> {
  const [pods, namespaces] = await Promise.all([
    listObjects(client, Resources.pod),
    listObjects(client, Resources.namespace),
  ]);
  const staying = namespaces.filter(({ metadata }) => !metadata.deleting);
  const labels = new Map(staying.map(({ metadata }) => [metadata.name, metadata.labels]));
  const without = pods.filter(
    (pod) =>
      pod.metadata.namespace !== systemNamespace &&
      proxyAbsence(pod, labels.get(pod.metadata.namespace) ?? {}, revision)?.kind === 'missing',
  );
  if (without.length === 0) return [ok('every selected pod has its proxy, or says why it has none')];
  const some = without.slice(0, 3).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  const affected = [...new Set(without.map(({ metadata }) => metadata.namespace))].sort();
  return [
    {
      kind: 'caution',
      code: 'WEFT609',
      detail: `${plural(without.length, 'pod')} should have a proxy and ${without.length === 1 ? 'has' : 'have'} none, such as ${some.join(', ')}`,
      fix: `recreate ${without.length === 1 ? 'it' : 'them'}, or opt out with the label ${names.Label.inject}=disabled`,
      commands: affected.slice(0, 3).map(restartDeployments),
    },
  ];
}
