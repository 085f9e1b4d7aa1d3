import {
  accessGrounds,
  compileWorkload,
  judgeCall,
  modeOfPort,
  mtlsOn,
  podPorts,
  portsBehind,
  type AccessConfig,
  type AccessGround,
  type Call,
  type Caller,
  type CallVerdict,
  type Mesh,
  type Workload,
} from '../../model/index.js';

/** What is asked of a Service. */
export interface Question {
  readonly namespace: string;
  readonly service: string;
  /** Of the Service. */
  readonly port: number;
  readonly caller: Caller;
  /** Absent: nothing but whether a connection is carried. */
  readonly request?: Required<Call>['request'];
}

/** What one pod behind the Service does with the call. */
export interface PodAnswer {
  readonly pod: string;
  /** Of the pod. */
  readonly port: number;
  readonly protocol: string;
  /** Who decides: the rules, the mode of mutual TLS, or nobody, because no proxy is asked. */
  readonly judge: 'rules' | 'mtls' | 'nobody';
  /** The caller was judged as one without a certificate, since the mode of the port is Disabled. */
  readonly nameless?: boolean;
  readonly verdict: CallVerdict;
  /** What the verdict would be without the bindings that decided. */
  readonly without?: CallVerdict;
  /** What each binding says, by the objects that users write. */
  readonly grounds: readonly AccessGround[];
}

const ALLOWED: CallVerdict = { allowed: true, by: [] };

/** What each pod does that takes traffic of the Service's port, by its name. */
export function answersOf(mesh: Mesh, question: Question): readonly PodAnswer[] {
  const pods = [...mesh.workloads.values()].filter(({ key }) => key.namespace === question.namespace);
  const answers = pods.flatMap((pod) =>
    targetsOf(mesh, pod, question).map((port) => answerOf(mesh, pod, port, question)),
  );
  return answers.sort((a, b) => (a.pod < b.pod ? -1 : 1));
}

function targetsOf(mesh: Mesh, pod: Workload, { service, port }: Question): readonly number[] {
  return portsBehind(mesh, pod, service).flatMap((behind) => (behind.port === port ? behind.targets : []));
}

function answerOf(mesh: Mesh, pod: Workload, port: number, question: Question): PodAnswer {
  const protocol = podPorts(mesh, pod).get(port)?.protocol ?? 'unknown';
  const head = { pod: pod.key.name, port, protocol };
  if (!pod.meshed || pod.skipInboundPorts.includes(port))
    return { ...head, judge: 'nobody', verdict: ALLOWED, grounds: [] };
  const mode = modeOfPort(mtlsOn(mesh, pod), port);
  if (mode === 'strict' && question.caller.identity === undefined)
    return { ...head, judge: 'mtls', verdict: { allowed: false, by: [] }, grounds: [] };
  const nameless = mode === 'disabled' && question.caller.identity !== undefined;
  const call = callAt(
    port,
    protocol,
    nameless ? { ...question, caller: withoutName(question.caller) } : question,
  );
  const access = compileWorkload(mesh, pod.uid)?.workload.access;
  return {
    ...head,
    nameless,
    judge: 'rules',
    ...judged(access, call),
    grounds: accessGrounds(mesh, pod, call),
  };
}

/** Where mutual TLS is left out nobody proves who it is. */
function withoutName({ address }: Caller): Caller {
  return address === undefined ? {} : { address };
}

/** Bytes are not requests, whatever is sent there. */
function callAt(port: number, protocol: string, { caller, request }: Question): Call {
  return protocol === 'opaque' || request === undefined ? { caller, port } : { caller, port, request };
}

function judged(
  access: AccessConfig | undefined,
  call: Call,
): { readonly verdict: CallVerdict; readonly without?: CallVerdict } {
  if (access === undefined) return { verdict: ALLOWED };
  const verdict = judgeCall(access, call);
  if (verdict.by.length === 0) return { verdict };
  return { verdict, without: judgeCall(withoutBindings(access, verdict.by), call) };
}

function withoutBindings(access: AccessConfig, names: readonly string[]): AccessConfig {
  const kept = ({ binding }: { readonly binding: number }): boolean =>
    !names.includes(access.bindings[binding] ?? '');
  return {
    ...access,
    subjects: access.subjects.map(({ allOf, grants }) => ({ allOf, grants: grants.filter(kept) })),
  };
}
