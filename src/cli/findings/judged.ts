import { names } from '../../base/index.js';
import {
  judge,
  judgeBackendPolicy,
  judgeBackendTlsPolicy,
  judgeExternalService,
  judgeJwtIssuer,
  judgeRole,
  judgeRoleBinding,
  judgeRoute,
  judgeTlsPolicy,
  judgeXBackend,
  type AncestorVerdict,
  type Mesh,
  type Problem,
  type Verdict,
} from '../../model/index.js';
import type { Code } from './catalogue.js';
import { findingAt, type Finding } from './finding.js';
import { ABSENCES, CODE_OF_REASON } from './judged-rows.js';
import type { Known, KnownObject } from './known.js';

/** What a judge says is wrong: the reason of a condition, and where. */
interface Said {
  readonly reason: string;
  readonly field: string;
  readonly message: string;
}

type Judge = (mesh: Mesh, uid: string) => readonly Said[] | undefined;

/** The judges of the control plane, by the kinds of the objects. */
const JUDGES: Readonly<Record<string, Judge>> = {
  TrafficPolicy: (mesh, uid) => whereKnown(mesh.policies.get(uid), (policy) => judge(mesh, policy)),
  MeshRole: (mesh, uid) => whereKnown(mesh.roles.get(uid), (role) => judgeRole(mesh, role)),
  MeshRoleBinding: (mesh, uid) =>
    whereKnown(mesh.roleBindings.get(uid), (binding) => judgeRoleBinding(mesh, binding)),
  MeshTLSPolicy: (mesh, uid) =>
    whereKnown(mesh.tlsPolicies.get(uid), (policy) => judgeTlsPolicy(mesh, policy)),
  JwtIssuer: (mesh, uid) => whereKnown(mesh.jwtIssuers.get(uid), (issuer) => judgeJwtIssuer(mesh, issuer)),
  ExternalService: (mesh, uid) =>
    whereKnown(mesh.externalServices.get(uid), (service) => judgeExternalService(mesh, service)),
  BackendTLSPolicy: (mesh, uid) =>
    whereKnown(mesh.backendTlsPolicies.get(uid), (policy) =>
      ofAncestors(judgeBackendTlsPolicy(mesh, policy)),
    ),
  XBackendTrafficPolicy: (mesh, uid) =>
    whereKnown(mesh.backendPolicies.get(uid), (policy) => ofAncestors(judgeBackendPolicy(mesh, policy))),
  XBackend: (mesh, uid) =>
    whereKnown(mesh.xBackends.get(uid), (backend) => ofAncestors(judgeXBackend(mesh, backend))),
  HTTPRoute: ofRoute,
  GRPCRoute: ofRoute,
  TLSRoute: ofRoute,
  TCPRoute: ofRoute,
};

function whereKnown<T, R>(value: T | undefined, then: (value: T) => R): R | undefined {
  return value === undefined ? undefined : then(value);
}

function ofRoute(mesh: Mesh, uid: string): readonly Said[] | undefined {
  return whereKnown(mesh.routes.get(uid), (route) => {
    const verdicts = judgeRoute(mesh, route).flatMap(({ accepted, resolvedRefs, partiallyInvalid }) => [
      ...refusals(accepted, 'spec.parentRefs'),
      ...refusals(resolvedRefs, 'spec.rules'),
      // This one is True where something is wrong.
      ...(partiallyInvalid === undefined ? [] : [{ ...partiallyInvalid, field: 'spec.rules' }]),
    ]);
    return verdicts;
  });
}

function ofAncestors(verdicts: readonly AncestorVerdict[]): readonly Said[] {
  return verdicts.flatMap(({ accepted, resolvedRefs }) => [
    ...refusals(accepted, 'spec'),
    ...(resolvedRefs === undefined ? [] : refusals(resolvedRefs, 'spec')),
  ]);
}

/** Of a verdict that is False one for each line, which often begins with the field. */
function refusals({ status, reason, message }: Verdict, field: string): readonly Said[] {
  if (status !== 'False') return [];
  const lines = message.split('\n');
  const placed = lines.filter((line) => /^spec\S*: /.test(line));
  if (placed.length === 0) return [{ reason, field, message: lines.join('; ') }];
  return placed.map((line) => {
    const colon = line.indexOf(': ');
    return { reason, field: line.slice(0, colon), message: line.slice(colon + 2) };
  });
}

/** What the control plane finds of an object in the company of the others. */
export function judgedFindings(known: Known): readonly Finding[] {
  return known.objects.flatMap((object) => {
    const judgeOf = JUDGES[object.kind];
    if (judgeOf === undefined || object.kind === 'Pod') return [];
    const said = [...readProblems(known, object), ...(judgeOf(known.mesh, object.uid) ?? [])];
    return said
      .map(({ reason, field, message }) => ({ code: codeOf(reason), path: field, message }))
      .filter(({ code }) => known.complete || !ABSENCES.has(code))
      .map(({ code, ...place }) => findingAt(code, object, place));
  });
}

/** Of what reading found, the schema shows as well what is invalid. */
function readProblems(known: Known, { uid }: KnownObject): readonly Problem[] {
  return known.problemsOf(uid).filter(({ reason }) => reason !== 'Invalid' && reason !== 'UnsupportedValue');
}

export function codeOf(reason: string): Code {
  return CODE_OF_REASON[reason] ?? 'WEFT219';
}

/** Reasons of conditions that the schema shows as well, that another condition explains, or that pass by themselves. */
const SEEN_OR_PASSING: ReadonlySet<string> = new Set(['Invalid', 'NotAccepted', 'Pending']);

interface LooseStatus {
  readonly conditions?: readonly {
    readonly type?: string;
    readonly status?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly observedGeneration?: number;
  }[];
}

/** What the operator has written into the status of objects of ours: proxies and fetched keys are known to it alone. */
export function statusFindings({ objects }: Known): readonly Finding[] {
  return objects
    .filter(({ apiVersion }) => apiVersion.startsWith(`${names.API_GROUP}/`))
    .flatMap((object) => {
      const { conditions = [] } = (object.raw.status ?? {}) as LooseStatus;
      return conditions
        .filter(({ status, reason = '' }) => status === 'False' && !SEEN_OR_PASSING.has(reason))
        .filter(({ observedGeneration }) => observedGeneration === object.raw.metadata?.generation)
        .map(({ type = '', reason = '', message = '' }) =>
          findingAt(codeOf(reason), object, {
            path: `status.${type}`,
            message: `${reason}: ${message.replaceAll('\n', '; ')}`,
          }),
        );
    });
}
