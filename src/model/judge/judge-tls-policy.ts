import type { DirtyKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type { Problem } from '../words/problem.js';
import { MTLS_MODES, stricterMtls } from '../words/setting-words.js';
import type { MtlsMode } from '../words/settings.js';
import { type TlsPolicy, selectsPod } from '../words/tls-policy.js';

/** What keeps a policy from acting as written, that only the rest of the mesh shows. */
export function judgeTlsPolicy(mesh: Mesh, policy: TlsPolicy): readonly Problem[] {
  return statementsOf(policy).flatMap((statement) => problemOf(mesh, policy, statement) ?? []);
}

/** Whether any of it acts. */
export function isTlsPolicyInForce(mesh: Mesh, policy: TlsPolicy): boolean {
  return statementsOf(policy).some((statement) => {
    const reason = problemOf(mesh, policy, statement)?.reason;
    // Of two that select the same pods each may select others beside.
    return reason === undefined || (reason === 'Conflicted' && policy.selector !== undefined);
  });
}

/** Policies whose verdict may be another after a change. */
export function tlsPoliciesAbout(mesh: Mesh, dirty: Iterable<DirtyKey>): readonly TlsPolicy[] {
  const namespaces = new Set<string>();
  for (const key of dirty) {
    if (key === 'mesh') return [...mesh.tlsPolicies.values()];
    if (key.startsWith(MTLS)) namespaces.add(key.slice(MTLS.length));
    const pod = key.startsWith(WORKLOAD) ? mesh.workloads.get(key.slice(WORKLOAD.length)) : undefined;
    if (pod !== undefined) namespaces.add(pod.key.namespace);
  }
  return [...namespaces].flatMap((namespace) => mesh.tlsPoliciesIn(namespace));
}

const MTLS = 'mtls/';
const WORKLOAD = 'workload/';

/** A mode that a policy asks for. */
interface Statement {
  readonly mode: MtlsMode;
  /** Absent: for every port that is not named. */
  readonly port?: number;
  readonly field: string;
}

function statementsOf({ mode, ports }: TlsPolicy): Statement[] {
  return [
    ...(mode === undefined ? [] : [{ mode, field: 'spec.mode' }]),
    ...ports.map((one, index) => ({ ...one, field: `spec.ports[${index}].mode` })),
  ];
}

function problemOf(mesh: Mesh, policy: TlsPolicy, statement: Statement): Problem | undefined {
  const { mode, field } = statement;
  const { mtlsMinimum } = mesh.settings;
  if (stricterMtls(mode, mtlsMinimum) !== mode) {
    return {
      condition: 'Accepted',
      reason: 'BelowMinimum',
      field,
      message: `is less strict than the installation allows, and has no effect; raise it to ${wordOf(mtlsMinimum)}, or have the chart value mtls.minimum lowered`,
    };
  }
  const rival = rivalOf(mesh, policy, statement);
  if (rival === undefined) return undefined;
  const { ref, selector } = rival.policy;
  const where = selector === undefined ? 'in this namespace' : 'for the pods that both select';
  return {
    condition: 'Accepted',
    reason: 'Conflicted',
    field,
    message: `MeshTLSPolicy ${ref.namespace}/${ref.name} says ${wordOf(rival.mode)} about the same, and the stricter of two holds ${where}; make them agree, or let them select different pods`,
  };
}

/** The strictest that another policy says about the same, if it is stricter. */
function rivalOf(
  mesh: Mesh,
  policy: TlsPolicy,
  { mode, port }: Statement,
): { readonly policy: TlsPolicy; readonly mode: MtlsMode } | undefined {
  const others = mesh.tlsPoliciesIn(policy.ref.namespace).filter((other) => other.ref.uid !== policy.ref.uid);
  const rivals = others.flatMap((other) => {
    const says = statementsOf(other).find((statement) => statement.port === port);
    const isStricter =
      says !== undefined && says.mode !== mode && stricterMtls(mode, says.mode) === says.mode;
    return isStricter && meet(mesh, policy, other) ? [{ policy: other, mode: says.mode }] : [];
  });
  return rivals.sort((a, b) => (stricterMtls(a.mode, b.mode) === a.mode ? -1 : 1))[0];
}

/** Whether two policies of a namespace are about the same: both about all of it, or about a pod that is there. */
function meet(mesh: Mesh, a: TlsPolicy, b: TlsPolicy): boolean {
  if (a.selector === undefined || b.selector === undefined) return a.selector === b.selector;
  return mesh.workloadsIn(a.ref.namespace).some((pod) => selectsPod(a, pod) && selectsPod(b, pod));
}

function wordOf(mode: MtlsMode): string {
  return Object.entries(MTLS_MODES).find(([, means]) => means === mode)?.[0] ?? mode;
}
