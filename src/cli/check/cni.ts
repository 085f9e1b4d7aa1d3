import { z } from 'zod';
import { Kinds, readList } from '../read-list.js';
import { ownControlPlane } from './control-plane.js';
import { ok, type CheckOptions, type Found } from './found.js';
import { variableOf } from './proxy-resources.js';

const agents = z.object({
  metadata: z.object({ namespace: z.string() }),
  status: z
    .object({ desiredNumberScheduled: z.int().default(0), numberReady: z.int().default(0) })
    .default({ desiredNumberScheduled: 0, numberReady: 0 }),
});

/** Whether every node has the plugin that is to capture pods, where it is to. */
export async function checkCni(options: CheckOptions): Promise<readonly Found[]> {
  if (variableOf(await ownControlPlane(options), 'WEFT_CAPTURE') !== 'CNI')
    return [ok('pods are captured by their init container')];
  const labelSelector = 'app.kubernetes.io/name=weft-cni';
  const [found] = await readList(options.client, Kinds.daemonSet, agents, { labelSelector });
  if (found === undefined)
    return [
      {
        kind: 'failed',
        code: 'WEFT918',
        detail: 'pods are to be captured by the CNI plugin, and there is no DaemonSet weft-cni',
        fix: 'install it, or set cni.enabled=false; until then pods of the mesh do not start',
        commands: ['helm upgrade --install weft-cni charts/weft-cni --namespace kube-system'],
      },
    ];
  const { namespace } = found.metadata;
  const { desiredNumberScheduled: nodes, numberReady: ready } = found.status;
  if (ready >= nodes) return [ok(`pods are captured by the CNI plugin, on ${ready} of ${nodes} nodes`)];
  return [
    {
      kind: 'failed',
      code: 'WEFT918',
      detail: `the CNI plugin is in place on ${ready} of ${nodes} nodes; on the others pods of the mesh do not start`,
      fix: 'see what its agents wait for',
      commands: [`kubectl logs --namespace ${namespace} daemonset/weft-cni`],
    },
  ];
}
