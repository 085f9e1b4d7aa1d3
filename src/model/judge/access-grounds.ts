import { permissionsOf, placeOf, withDomain } from '../compile/compile-access.js';
import { podPorts } from '../compile/pod-ports.js';
import type { Mesh } from '../tables/mesh.js';
import type { MeshRole, MeshRoleBinding } from '../words/access.js';
import type { Workload } from '../words/workload.js';
import { type Call, isSubject, permits, unmet } from './judge-call.js';

/** What a binding says about a call to a pod, by the objects that users write. */
export interface AccessGround {
  readonly binding: MeshRoleBinding;
  /** Absent where it is missing and the binding stands for everything. */
  readonly role?: MeshRole;
  /** Places in `spec.subjects` of those that the caller is. */
  readonly subjects: readonly number[];
  /** Places in the role's `spec.rules` of those that hold; of a role that is missing none is needed. */
  readonly rules: readonly number[];
  /** Rules about the same port that ask for something else of a request, and what that is. */
  readonly nearly: readonly { readonly rule: number; readonly unmet: readonly string[] }[];
  /** It counts: the caller is a subject, and a rule holds. */
  readonly holds: boolean;
}

/** What each binding that acts on a pod says about a call, those that deny first; made of the same steps as what its proxy is told. */
export function accessGrounds(mesh: Mesh, workload: Workload, call: Call): readonly AccessGround[] {
  const place = placeOf(mesh, workload, podPorts(mesh, workload));
  return mesh.accessIn(workload.key.namespace).acting.map(({ binding, role, rules }) => {
    const { effect } = binding;
    const subjects = binding.subjects.flatMap((subject, index) => {
      const allOf = subject.map((condition) => withDomain(condition, place.trustDomain));
      return isSubject(allOf, call) ? [index] : [];
    });
    const here = rules.flatMap((rule, index) => {
      const permissions = permissionsOf(place, rule, binding).filter(
        ({ ports }) => ports.length === 0 || ports.includes(call.port),
      );
      return permissions.length === 0 ? [] : [{ index, permissions }];
    });
    const holding = here.filter(({ permissions }) => permissions.some((one) => permits(one, effect, call)));
    const nearly = here
      .filter((rule) => !holding.includes(rule))
      .map(({ index, permissions }) => ({
        rule: index,
        unmet: permissions.flatMap((one): readonly string[] =>
          call.request === undefined ? ['requests'] : unmet(one, effect, call.request),
        ),
      }));
    return {
      binding,
      ...(role === undefined ? {} : { role }),
      subjects,
      rules: role === undefined ? [] : holding.map(({ index }) => index),
      nearly,
      holds: subjects.length > 0 && holding.length > 0,
    };
  });
}
