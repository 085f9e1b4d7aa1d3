import { MeshError } from '../../base/index.js';
import { readAccess, type AccessReading } from '../../controller/index.js';
import type { KubeClient } from '../../kube/index.js';
import { DEFAULT_SETTINGS, atLeast, type MeshSettings } from '../../model/index.js';
import { demandNamespace, demandRevision, findControlPlanes, revisionOf } from '../control-planes.js';

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

async function readInstalled(
  client: KubeClient,
  revision: string,
): Promise<{ readonly installed: MeshSettings; readonly gaps: readonly string[] }> {
  const planes = await findControlPlanes(client).catch((thrown: unknown) => {
    const error = MeshError.from(thrown);
    if (error.code !== 'permission-denied') throw error;
    return error.message;
  });
  if (typeof planes === 'string') {
    const gap = `${planes}; the trust domain is taken to be ${DEFAULT_SETTINGS.trustDomain}, and no minimum to be installed`;
    return { installed: DEFAULT_SETTINGS, gaps: [gap] };
  }
  const plane = planes.find((one) => revisionOf(one) === revision);
  const env = new Map(
    plane?.spec.template.spec.containers.flatMap((container) =>
      container.env.map(({ name, value }) => [name, value] as const),
    ),
  );
  const { trustDomain, clusterDomain } = DEFAULT_SETTINGS;
  const settings = {
    ...DEFAULT_SETTINGS,
    trustDomain: env.get('WEFT_TRUST_DOMAIN') ?? trustDomain,
    clusterDomain: env.get('WEFT_CLUSTER_DOMAIN') ?? clusterDomain,
  };
  return {
    installed: atLeast(settings, {
      mtls: env.get('WEFT_MTLS_MINIMUM'),
      outbound: env.get('WEFT_OUTBOUND_MINIMUM'),
      access: env.get('WEFT_ACCESS_MINIMUM'),
    }),
    gaps: [],
  };
}
