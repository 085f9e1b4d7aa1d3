import { MeshError, names } from '../../base/index.js';
import type { AccessReading } from '../../controller/index.js';
import type { CustomObject } from '../../kube/index.js';
import { inUserWords, type AccessGround, type CallVerdict } from '../../model/index.js';
import type { PodAnswer, Question } from './answer.js';

/** An object, and what of it decided. */
export interface Decision {
  /** `MeshRoleBinding shop/web-reads`, or what decides where no binding does. */
  readonly object: string;
  /** Places in it and in its role. */
  readonly fields: readonly string[];
}

/** What is asked, and what is known about it. */
export interface Asking {
  readonly question: Question;
  readonly reading: AccessReading;
  readonly asked: string;
  readonly caller: string;
}

/** Where the default decides and could not be read, nothing can be said. */
export function demandKnownDefault({ label, gaps }: AccessReading): void {
  const [gap] = gaps;
  if (label === undefined && gap !== undefined)
    throw new MeshError(
      'permission-denied',
      `no binding decides, and what holds by default is not to be read: ${gap}; ask somebody who may, or see what the namespace's label says`,
    );
}

/** By whose word a pod does what it does. */
export function decidedBy(asking: Asking, { judge, verdict, grounds }: PodAnswer): readonly Decision[] {
  if (judge === 'nobody') return [{ object: 'no proxy', fields: ['the pod has none at this port'] }];
  if (judge === 'mtls') return [{ object: 'mTLS mode Strict', fields: ['plain text is refused'] }];
  if (verdict.ambiguous !== undefined)
    return [{ object: 'the path has more than one reading', fields: [verdict.ambiguous] }];
  return decisionsOf(asking, grounds, verdict.by);
}

/** The bindings of these names, or else the default. */
export function decisionsOf(
  { reading, question }: Asking,
  grounds: readonly AccessGround[],
  by: readonly string[],
): readonly Decision[] {
  if (by.length === 0) return [defaultOf(reading, question.namespace)];
  return grounds
    .filter(({ binding, holds }) => holds && by.includes(nameOf(binding)))
    .map((ground) => ({ object: `MeshRoleBinding ${nameOf(ground.binding)}`, fields: fieldsOf(ground) }));
}

/** What holds where no binding decides, and who said so. */
export function defaultOf({ mesh, label }: AccessReading, namespace: string): Decision {
  const { access } = inUserWords({ ...mesh.settings, access: mesh.accessIn(namespace).default });
  const where =
    label === undefined
      ? mesh.settings.source === undefined
        ? 'nobody has said otherwise'
        : `spec.access.default of MeshConfig ${mesh.settings.source.name}`
      : `label ${names.Label.defaultAccess}=${label}`;
  return { object: `the default of namespace ${namespace}, ${access}`, fields: [where] };
}

/** What of a binding and its role counts for the call. */
function fieldsOf({ binding, role, subjects, rules }: AccessGround): readonly string[] {
  return [
    `${binding.effect === 'deny' ? 'Deny' : 'Allow'}${binding.mode === 'dryRun' ? ', DryRun' : ''}`,
    ...subjects.map((index) => `spec.subjects[${index}]`),
    ...(role === undefined
      ? [`MeshRole ${binding.ref.namespace}/${binding.role ?? '(unreadable)'} is missing: everything`]
      : rules.map((index) => `MeshRole ${nameOf(role)} spec.rules[${index}]`)),
  ];
}

function nameOf({ ref }: { readonly ref: { readonly namespace: string; readonly name: string } }): string {
  return `${ref.namespace}/${ref.name}`;
}

/** What somebody would have to do for another verdict. */
export function changesOf(asking: Asking, answer: PodAnswer): readonly string[] {
  const { judge, verdict, without, grounds } = answer;
  if (judge === 'nobody') return ['a proxy in the pod: rules hold only where one judges'];
  if (judge === 'mtls') return ['a caller in the mesh, or mode Permissive (docs/mtls.md)'];
  if (verdict.ambiguous !== undefined)
    return ['the same path in its one form (docs/access.md, One form of a path)'];
  const deciding = grounds.filter(({ binding, holds }) => holds && verdict.by.includes(nameOf(binding)));
  const removed = deciding.map(
    (ground) =>
      `taking the caller out of MeshRoleBinding ${nameOf(ground.binding)} (${fieldsOf(ground).join(', ')})`,
  );
  const then = without === undefined ? [] : [`${removed.join(' and ')}: then ${outcome(without)}`];
  return [...then, ...(verdict.allowed ? closing(asking, answer) : opening(asking, answer))];
}

function outcome({ allowed, by }: CallVerdict): string {
  const word = allowed ? 'it would be allowed' : 'it would be refused';
  return by.length === 0 ? `${word} by the default` : `${word} by ${by.join(', ')}`;
}

/** What would refuse a call that is allowed. */
function closing({ question }: Asking, { verdict, grounds }: PodAnswer): readonly string[] {
  const dry = grounds.filter(
    ({ binding, holds }) => holds && binding.effect === 'deny' && binding.mode === 'dryRun',
  );
  const byDefault =
    verdict.by.length > 0
      ? []
      : [
          `kubectl label namespace ${question.namespace} ${names.Label.defaultAccess}=Deny --overwrite: then what no binding allows is refused`,
        ];
  return [
    ...dry.map(
      ({ binding }) =>
        `mode: Enforce on MeshRoleBinding ${nameOf(binding)}, which denies it once it is enforced`,
    ),
    ...byDefault,
  ];
}

/** What would allow a call that the default refuses. */
function opening({ question }: Asking, { verdict, grounds }: PodAnswer): readonly string[] {
  if (verdict.by.length > 0) return [];
  const allowing = grounds.filter(({ binding }) => binding.effect === 'allow');
  const found = allowing.flatMap((ground) => {
    const { binding, role, subjects, rules, nearly, holds } = ground;
    const name = nameOf(binding);
    if (holds)
      return binding.mode === 'dryRun'
        ? [`mode: Enforce on MeshRoleBinding ${name}, which would allow it`]
        : [];
    if (rules.length > 0)
      return [`a subject for the caller in MeshRoleBinding ${name}, which allows this to others`];
    if (subjects.length === 0 || role === undefined) return [];
    return nearly.map(
      ({ rule, unmet }) =>
        `MeshRole ${nameOf(role)} spec.rules[${rule}], which MeshRoleBinding ${name} grants to the caller: its ${unmet.join(' and ')} do not hold`,
    );
  });
  return found.length > 0
    ? found
    : [`a MeshRole and a MeshRoleBinding in namespace ${question.namespace} that allow it (docs/access.md)`];
}

/** What else is to be known about an answer. */
export function notesOf(
  { question, reading }: Asking,
  { judge, protocol, verdict, grounds, nameless = false }: PodAnswer,
): readonly string[] {
  const asksFor = (wanted: string): boolean =>
    grounds.some(({ binding }) =>
      binding.subjects.some((allOf) => allOf.some(({ kind }) => kind === wanted)),
    );
  const bytes = judge === 'rules' && protocol === 'opaque' && question.request !== undefined;
  return [
    ...reading.gaps,
    ...(nameless
      ? [
          'the mTLS mode of the port is Disabled: callers of the mesh call in plain text too, and none has a name there',
        ]
      : []),
    ...(bytes
      ? ['the port is declared as bytes: nobody reads requests there, and rules about these allow nothing']
      : []),
    ...(asksFor('jwt')
      ? ['some subjects ask for the token of a user, and the call is taken to have none']
      : []),
    ...(asksFor('ipBlock') && question.caller.address === undefined
      ? [
          'some subjects ask for the address of the caller, which is taken to be in none of their blocks; give it with --address',
        ]
      : []),
    ...grounds
      .filter(({ binding, holds }) => holds && verdict.by.includes(nameOf(binding)))
      .flatMap(({ binding }) => notProgrammed(reading.bindings, binding.ref.uid)),
  ];
}

/** The API server has it, and not all proxies yet. */
function notProgrammed(bindings: readonly CustomObject[], uid: string): readonly string[] {
  const object = bindings.find(({ metadata }) => metadata.uid === uid);
  const condition = object?.conditions.find(({ type }) => type === 'Programmed');
  if (object === undefined || condition?.status === 'True') return [];
  return [
    `MeshRoleBinding ${object.metadata.namespace}/${object.metadata.name} is not in force everywhere yet: ${condition?.message ?? 'it has no status'}`,
  ];
}
