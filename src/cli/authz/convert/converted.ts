import { AS_KUBECTL, meshRole, meshRoleBinding, violations } from '../../../api/index.js';
import { stringify } from 'yaml';

/** What is said about a field of an object that was converted. */
export interface Finding {
  /** `AuthorizationPolicy shop/web`. */
  readonly object: string;
  /** `spec.rules[0].from[0].source.remoteIpBlocks`. */
  readonly path: string;
  /**
   * `error`: it cannot be said, and leaving it out would open something; `lost`: it was left out, and less is allowed than before;
   * `note`: it is said, and something about it is to be known.
   */
  readonly severity: 'error' | 'lost' | 'note';
  readonly message: string;
}

/** What became of objects of others. */
export interface Conversion {
  readonly objects: readonly object[];
  readonly findings: readonly Finding[];
}

/** A binding and its role, in parts. */
export interface Grant {
  readonly name: string;
  readonly namespace: string;
  readonly effect: 'Allow' | 'Deny';
  readonly dryRun: boolean;
  readonly subjects: readonly object[];
  readonly rules: readonly object[];
}

/** What cannot be said of one rule: it is lost where it allows, and an error where it denies. */
export class Unsayable extends Error {
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

/** The objects of a grant; throws `Unsayable` where our schema has no room for them. */
export function toObjects({ name, namespace, effect, dryRun, subjects, rules }: Grant): readonly object[] {
  const head = { apiVersion: 'weft.dev/v1alpha1' };
  const metadata = { name, namespace };
  const role = { ...head, kind: 'MeshRole', metadata, spec: { rules } };
  const binding = {
    ...head,
    kind: 'MeshRoleBinding',
    metadata,
    spec: {
      subjects,
      roleRef: { kind: 'MeshRole', name },
      ...(effect === 'Deny' ? { effect } : {}),
      ...(dryRun ? { mode: 'DryRun' } : {}),
    },
  };
  const [problem] = [...violations(meshRole, role), ...violations(meshRoleBinding, binding)];
  if (problem !== undefined)
    throw new Unsayable('spec', `would be written as ${problem.path}, which ${problem.message}`);
  return [role, binding];
}

/** Objects as a stream of YAML. */
export function toYaml(objects: readonly object[]): string {
  return objects.map((object) => stringify(object, { ...AS_KUBECTL, lineWidth: 0 })).join('---\n');
}

/** Objects as one List in JSON. */
export function toJson(objects: readonly object[]): string {
  return `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }, undefined, 2)}\n`;
}

/** Every combination of one of each. */
export function combinations<T>(lists: readonly (readonly T[])[]): readonly (readonly T[])[] {
  return lists.reduce<readonly (readonly T[])[]>(
    (before, list) => before.flatMap((some) => list.map((one) => [...some, one])),
    [[]],
  );
}

/** One condition by itself, several under `allOf`, none for anybody. */
export function subjectOf(conditions: readonly object[]): object {
  const [only, another] = conditions;
  if (only === undefined) return { caller: 'Anyone' };
  return another === undefined && !('not' in only) ? only : { allOf: conditions };
}

/** Services among what was given beside the policies: what our rules go by in place of labels of pods. */
export interface ServiceShape {
  readonly namespace: string;
  readonly name: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly { readonly port: number; readonly targetPort: number | string }[];
}

type Labels = Readonly<Record<string, string>>;

/** Whether all that `inner` selects `outer` selects as well. */
function selectsAllOf(outer: Labels, inner: Labels): boolean {
  return Object.entries(outer).every(([name, value]) => inner[name] === value);
}

/**
 * The Services that stand for the pods with these labels. What allows may stop short of some pods; what denies must reach all of them,
 * so only a Service that selects by the same labels will do.
 */
export function servicesFor(
  labels: Labels,
  at: { readonly namespace: string; readonly path: string; readonly effect: Grant['effect'] },
  services: readonly ServiceShape[],
): readonly ServiceShape[] {
  const own = services.filter(
    ({ namespace, selector }) => namespace === at.namespace && Object.keys(selector).length > 0,
  );
  const fitting = own.filter(
    ({ selector }) =>
      selectsAllOf(labels, selector) && (at.effect === 'Allow' || selectsAllOf(selector, labels)),
  );
  if (fitting.length > 0) return fitting;
  const wanted = JSON.stringify(labels);
  throw new Unsayable(
    at.path,
    at.effect === 'Allow'
      ? `rules go by Services and not by labels of pods; no Service in the files selects only pods with ${wanted}: give the Services too, with another -f`
      : `rules go by Services and not by labels of pods; no Service in the files selects exactly the pods with ${wanted}: give the Services too, with another -f`,
  );
}

/** Ports of Services, or of pods where no Service is named, for ports of pods. */
export function rulePorts(
  ports: readonly (number | string)[] | undefined,
  services: readonly ServiceShape[] | undefined,
  path: string,
): { readonly ports?: readonly number[]; readonly services?: readonly string[] } {
  const named = services === undefined ? {} : { services: services.map(({ name }) => name) };
  if (ports === undefined) return named;
  const found = ports.flatMap((port) => {
    if (services === undefined && typeof port === 'number') return [port];
    const fronts = (services ?? []).flatMap((service) =>
      service.ports.filter(({ targetPort }) => targetPort === port).map((one) => one.port),
    );
    if (fronts.length === 0)
      throw new Unsayable(
        path,
        `no Service in the files sends to port ${port} of these pods: give the Services too, with another -f`,
      );
    return fronts;
  });
  // Each port counts for each of the Services: none may lead elsewhere.
  const astray = (services ?? []).find((service) =>
    service.ports.some(({ port, targetPort }) => found.includes(port) && !ports.includes(targetPort)),
  );
  if (astray !== undefined)
    throw new Unsayable(
      path,
      `the same port of Service ${astray.name} sends elsewhere; write a rule for each Service`,
    );
  return { ...named, ports: [...new Set(found)] };
}
