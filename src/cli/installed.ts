import { MeshError } from '../base/index.js';
import type { KubeClient } from '../kube/index.js';
import { DEFAULT_SETTINGS, atLeast, type MeshSettings } from '../model/index.js';
import { findControlPlanes, revisionOf } from './control-planes.js';

/** The settings that an installed control plane starts from, and what of them was not to be read. */
export interface Installed {
  readonly installed: MeshSettings;
  readonly gaps: readonly string[];
  /** Of the control planes that are there; absent: they may not be read. */
  readonly revisions?: readonly string[];
  /** Whether the CNI plugin captures the pods of this revision. */
  readonly isCapturedByNode?: boolean;
}

/** Reads them from the Deployment of the revision. */
export async function readInstalled(client: KubeClient, revision: string): Promise<Installed> {
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
    revisions: planes.map(revisionOf),
    isCapturedByNode: env.get('WEFT_CAPTURE') === 'CNI',
  };
}
