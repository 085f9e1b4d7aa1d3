import type { AccessReading } from '../../controller/index.js';
import {
  OTHER_CALLER,
  PLAIN_CALLER,
  type AccessCell,
  type AccessView,
  type May,
} from '../../dashboard/index.js';
import {
  accessGrounds,
  compileWorkload,
  modeOfPort,
  mtlsOn,
  podPorts,
  portsBehind,
  type AccessCondition,
  type AccessGround,
  type Caller,
  type Mesh,
  type MeshRoleBinding,
  type Workload,
} from '../../model/index.js';
import { parseCaller } from './call-words.js';
import { readAccessIn, type Where } from './installation.js';
import { defaultOf } from './reasons.js';

/** A port of a pod that takes calls of a Service. */
interface Place {
  readonly pod: Workload;
  readonly port: number;
  readonly protocol: string;
  readonly mode: ReturnType<typeof modeOfPort>;
  /** Nobody judges there. */
  readonly open: boolean;
}

/** Who may call the Services of a namespace, of these callers and of the accounts that bindings name. */
export async function accessMatrix(
  where: Where,
  namespace: string,
  callers: readonly string[],
): Promise<AccessView> {
  const reading = await readAccessIn(where, namespace, 'weft dashboard');
  const { mesh } = reading;
  const services = mesh
    .servicesIn(namespace)
    .map((key) => key.slice(namespace.length + 1))
    .sort();
  const columns = services.map((name) => ({ name, places: placesOf(mesh, namespace, name) }));
  const served = columns.filter(({ places }) => places.length > 0);
  const empty = columns.filter(({ places }) => places.length === 0).map(({ name }) => name);
  const bindings = mesh.roleBindingsIn(namespace);
  const rows = [
    ...new Set([...callers, ...bindings.flatMap((binding) => namedBy(binding, mesh.settings.trustDomain))]),
  ].filter((caller) => caller !== PLAIN_CALLER);
  const all = [...rows.sort(), OTHER_CALLER, PLAIN_CALLER];
  const { object, fields } = defaultOf(reading, namespace);
  return {
    namespace,
    services: served.map(({ name }) => name),
    callers: all,
    cells: all.map((caller) => served.map(({ places }) => cellOf(reading, places, callerOf(mesh, caller)))),
    byDefault: `${object} (${fields.join(', ')})`,
    notes: [...notesOf(bindings, empty), ...reading.gaps],
  };
}

function notesOf(bindings: readonly MeshRoleBinding[], empty: readonly string[]): readonly string[] {
  const asks = (kind: AccessCondition['kind']): boolean =>
    bindings.some(({ subjects }) => subjects.some((allOf) => allOf.some((one) => one.kind === kind)));
  return [
    ...(empty.length === 0 ? [] : [`left out, because no pod is behind them: ${empty.join(', ')}`]),
    ...(asks('jwt') ? ['callers are judged without tokens; weft authz can-i says more'] : []),
    ...(asks('ipBlock') ? ['callers are judged without their addresses; weft authz can-i takes one'] : []),
  ];
}

/** Accounts that a binding names. */
function namedBy({ subjects }: MeshRoleBinding, ownDomain: string): readonly string[] {
  return subjects.flat().flatMap((condition) => {
    if (condition.kind !== 'serviceAccount' || condition.inverted === true) return [];
    const { trustDomain = ownDomain } = condition;
    return [`spiffe://${trustDomain}/ns/${condition.namespace}/sa/${condition.name}`];
  });
}

function callerOf({ settings: { trustDomain } }: Mesh, caller: string): Caller {
  if (caller === PLAIN_CALLER) return {};
  // No namespace and no account has such a name.
  if (caller === OTHER_CALLER) return { identity: { trustDomain, namespace: '*', name: '*' } };
  return parseCaller(caller, undefined, trustDomain);
}

/** Each that is unlike the others: pods of a workload judge alike. */
function placesOf(mesh: Mesh, namespace: string, service: string): readonly Place[] {
  const places = new Map<string, Place>();
  for (const pod of mesh.workloadsIn(namespace)) {
    for (const port of portsBehind(mesh, pod, service).flatMap(({ targets }) => targets)) {
      const place = {
        pod,
        port,
        protocol: podPorts(mesh, pod).get(port)?.protocol ?? 'unknown',
        mode: modeOfPort(mtlsOn(mesh, pod), port),
        open: !pod.meshed || pod.skipInboundPorts.includes(port),
      };
      const { protocol, mode, open } = place;
      const access = compileWorkload(mesh, pod.uid)?.workload.access;
      places.set(JSON.stringify([port, protocol, mode, open, access]), place);
    }
  }
  return [...places.values()];
}

function cellOf(reading: AccessReading, places: readonly Place[], caller: Caller): AccessCell {
  const cells = places.map((place) => judged(reading, place, caller));
  const [first, ...others] = cells;
  if (first === undefined) return { may: 'none', granted: false, by: 'no pod' };
  if (others.every(({ may }) => may === first.may))
    return { ...first, by: [...new Set(cells.map(({ by }) => by))].join('; ') };
  const told = cells.map(
    ({ may, by }, i) => `port ${places[i]?.port}: ${may === 'none' ? 'no' : 'yes'}, ${by}`,
  );
  return { may: 'some', granted: cells.some(({ granted }) => granted), by: [...new Set(told)].join('; ') };
}

function judged({ mesh }: AccessReading, place: Place, caller: Caller): AccessCell {
  const { pod, port, protocol, mode, open } = place;
  if (open) return { may: 'all', granted: false, by: 'no proxy judges at this port' };
  if (mode === 'strict' && caller.identity === undefined)
    return { may: 'none', granted: false, by: 'mTLS mode Strict refuses plain text' };
  const known = mode === 'disabled' ? {} : caller;
  const grounds = accessGrounds(mesh, pod, { caller: known, port }).filter(
    ({ binding, subjects }) => binding.mode !== 'dryRun' && subjects.length > 0,
  );
  return decided(grounds, protocol === 'opaque', mesh.accessIn(pod.key.namespace).default !== 'deny');
}

/** What bindings whose subject the caller is leave of the requests that it may make. */
function decided(grounds: readonly AccessGround[], bytes: boolean, byDefault: boolean): AccessCell {
  const reaching = grounds.map((ground) => ({ ...ground, reach: reachOf(ground, bytes) }));
  const of = (effect: 'allow' | 'deny', reach: May): readonly string[] =>
    reaching
      .filter((one) => one.binding.effect === effect && one.reach === reach)
      .map(({ binding: { ref } }) => `${ref.namespace}/${ref.name}`);
  const [refused, partly] = [of('deny', 'all'), of('deny', 'some')];
  const [allowed, some] = [of('allow', 'all'), of('allow', 'some')];
  const granted = allowed.length > 0;
  if (refused.length > 0) return { may: 'none', granted: false, by: `denied by ${refused.join(', ')}` };
  if (granted || byDefault) {
    const by = granted ? `allowed by ${allowed.join(', ')}` : 'allowed by default';
    return partly.length === 0
      ? { may: 'all', granted, by }
      : { may: 'some', granted, by: `${by}, some requests denied by ${partly.join(', ')}` };
  }
  if (some.length > 0)
    return { may: 'some', granted: true, by: `some requests allowed by ${some.join(', ')}` };
  return { may: 'none', granted: false, by: 'no binding allows it' };
}

/** Of how many requests at a port a binding speaks. Bytes are not requests: what asks about those says nothing of them. */
function reachOf({ role, rules, nearly, holds }: AccessGround, bytes: boolean): May {
  // Without a request only those rules hold that ask for none.
  if (role === undefined ? holds : rules.length > 0) return 'all';
  return !bytes && nearly.length > 0 ? 'some' : 'none';
}
