import { readAccess, type AccessReading } from '../../controller/index.js';
import type { KubeClient } from '../../kube/index.js';
import { demandNamespace, demandRevision } from '../control-planes.js';
import { readInstalled } from '../installed.js';

export interface Where {
  readonly client: KubeClient;
  readonly revision: string;
  readonly systemNamespace: string;
}

/** What is known of access in a namespace, with the settings that the installed control plane starts from. */
export async function readAccessIn(where: Where, namespace: string, command: string): Promise<AccessReading> {
  const { client, revision } = where;
  await demandRevision(client, revision, command);
  await demandNamespace(client, namespace, command);
  const { installed, gaps } = await readInstalled(client, revision);
  const reading = await readAccess({ ...where, namespace, installed });
  return { ...reading, gaps: [...gaps, ...reading.gaps] };
}
