import type { Mesh } from '../tables/mesh.js';
import type { PolicyRef } from '../words/policy.js';
import { stricterMtls } from '../words/setting-words.js';
import type { MtlsMode } from '../words/settings.js';
import { type TlsPolicy, selectsPod } from '../words/tls-policy.js';
import type { Workload } from '../words/workload.js';

/** Whether callers of a pod use mutual TLS. */
export interface PodMtls {
  /** At ports that are not named. */
  readonly mode: MtlsMode;
  /** By port of the pod, where something is said about it. */
  readonly ports: ReadonlyMap<number, MtlsMode>;
  /** The policies that decide. */
  readonly sources: readonly PolicyRef[];
}

/**
 * What is said about a port comes before what is said about pods by their labels, that before what is said about their namespace,
 * and that before the settings of the mesh. Of what is said at one of these levels the strictest holds. What is below the
 * minimum of the installation is not heard.
 */
export function mtlsOn(mesh: Mesh, workload: Workload): PodMtls {
  const said = mesh.tlsPoliciesIn(workload.key.namespace);
  if (said.length === 0) return { mode: mesh.settings.mtls, ports: NO_PORTS, sources: [] };
  const { mtlsMinimum } = mesh.settings;
  const selecting = said.filter((policy) => selectsPod(policy, workload));
  const ofPorts = selecting.flatMap((policy) =>
    policy.ports.map(({ port, mode }): Said => ({ policy, port, mode })),
  );
  const perPort = Map.groupBy(heard(ofPorts, mtlsMinimum), ({ port }) => port);
  const pods = heard(modesOf(selecting), mtlsMinimum);
  const namespace = heard(modesOf(said.filter(({ selector }) => selector === undefined)), mtlsMinimum);
  const whole = pods.length > 0 ? pods : namespace;
  const deciding = [...whole, ...[...perPort.values()].flat()].map(({ policy }) => policy.ref);
  return {
    mode: strictest(whole) ?? mesh.settings.mtls,
    ports: new Map(
      [...perPort].flatMap(([port, modes]) => {
        const mode = strictest(modes);
        return port === undefined || mode === undefined ? [] : [[port, mode] as const];
      }),
    ),
    sources: [...new Map(deciding.map((ref) => [ref.uid, ref])).values()],
  };
}

/** Whether callers of a port use mutual TLS. */
export function modeOfPort({ mode, ports }: PodMtls, port: number): MtlsMode {
  return ports.get(port) ?? mode;
}

interface Said {
  readonly policy: TlsPolicy;
  readonly port?: number;
  readonly mode: MtlsMode;
}

const NO_PORTS: ReadonlyMap<number, MtlsMode> = new Map();

function modesOf(policies: readonly TlsPolicy[]): Said[] {
  return policies.flatMap((policy) => (policy.mode === undefined ? [] : [{ policy, mode: policy.mode }]));
}

function heard(said: readonly Said[], minimum: MtlsMode): Said[] {
  return said.filter(({ mode }) => stricterMtls(mode, minimum) === mode);
}

function strictest(said: readonly Said[]): MtlsMode | undefined {
  return said.reduce<MtlsMode | undefined>((most, { mode }) => stricterMtls(mode, most), undefined);
}
