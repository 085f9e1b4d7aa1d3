import { MeshError, names } from '../../base/index.js';
import { mayI, type ExecRequest, type KubeClient } from '../../kube/index.js';

/** WebSockets begin as a GET; from Kubernetes 1.35 on `create` is asked for as well. */
const VERBS = ['get', 'create'] as const;

/** As long as a busy proxy may take for its answer. */
const ANSWER_MS = 30_000;
/** Far more than the configuration of the largest mesh. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Where the right to ask proxies is described. */
const PAGE = 'docs/explain.md';

/** Throws `permission-denied` in one line where we may not open the admin sockets of proxies in the namespace. */
export async function demandInspection(client: KubeClient, namespace: string): Promise<void> {
  const asked = VERBS.map(async (verb) => {
    const right = { namespace, verb, resource: 'pods', subresource: 'exec' };
    // Who may not ask what it may do hears it from the request itself.
    const allowed = await mayI(client, right).catch(() => true);
    return allowed ? [] : [verb];
  });
  const missing = (await Promise.all(asked)).flat();
  if (missing.length === 0) return;
  throw new MeshError(
    'permission-denied',
    `you may not ask proxies in namespace ${namespace}: ${missing.join(' and ')} on pods/exec ${missing.length === 1 ? 'is' : 'are'} missing; the Role weft-inspect in ${PAGE} has what it takes`,
  );
}

export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** What the proxy of a pod is asked, as a command of its container. */
function inspection(pod: PodName, what: 'explain' | 'tap', question: object): ExecRequest {
  return {
    namespace: pod.namespace,
    pod: pod.name,
    container: names.PROXY_CONTAINER,
    command: [names.PROXY_BINARY, 'inspect', what],
    // Not an argument: those are in the audit log of the API server, and this may hold a token.
    input: `${JSON.stringify(question)}\n`,
  };
}

/** The one answer of a pod's proxy; not waited for after `signal`. */
export async function askProxy(
  client: KubeClient,
  pod: PodName,
  { question, signal }: { readonly question: object; readonly signal?: AbortSignal | undefined },
): Promise<unknown> {
  return jsonOf(pod, await saidBy(client, pod, { ...inspection(pod, 'explain', question), signal }));
}

/** What the proxy of a pod prints for a command of its own, such as `show config` or `loglevel info`. */
export async function commandProxy(
  client: KubeClient,
  pod: PodName,
  words: readonly string[],
): Promise<string> {
  const { namespace, name } = pod;
  const command = [names.PROXY_BINARY, ...words];
  const request = { namespace, pod: name, container: names.PROXY_CONTAINER, command, input: '\n' };
  return saidBy(client, pod, request);
}

/** All that a command says that answers and ends: whoever holds the pod could say something without end, or nothing. */
async function saidBy(client: KubeClient, pod: PodName, request: ExecRequest): Promise<string> {
  const lines: string[] = [];
  const late = AbortSignal.timeout(ANSWER_MS);
  const signal = request.signal === undefined ? late : AbortSignal.any([late, request.signal]);
  try {
    for await (const line of client.execLines({ ...request, signal, maxBytes: MAX_ANSWER_BYTES }))
      lines.push(line);
  } catch (thrown) {
    if (late.aborted && request.signal?.aborted !== true) throw silent(pod, thrown);
    const error = MeshError.from(thrown);
    throw tooOld(error, pod) ?? (lines.length === 0 ? error : objection(error, pod, lines.join(' ')));
  }
  return lines.join('\n');
}

/** What a proxy has answered as JSON. */
export function jsonOf({ namespace, name }: PodName, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    throw new MeshError('internal', `the proxy of ${namespace}/${name} did not answer with JSON`, {
      cause: thrown,
    });
  }
}

/** What a pod's proxy tells from now on, line by line, until it ends or `signal` is given. */
export async function* followProxy(
  client: KubeClient,
  pod: PodName,
  question: object,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, undefined> {
  let last = '';
  try {
    for await (const line of client.execLines({ ...inspection(pod, 'tap', question), signal })) {
      last = line;
      const told = parsed(line);
      if (told !== undefined) yield told;
    }
  } catch (thrown) {
    const error = MeshError.from(thrown);
    throw (
      tooOld(error, pod) ?? (parsed(last) !== undefined || last === '' ? error : objection(error, pod, last))
    );
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

/** What a proxy cannot answer it says where its answer would be. */
function objection(error: MeshError, pod: PodName, said: string): MeshError {
  const cut = said.slice(0, 500);
  return new MeshError(error.code, `the proxy of ${pod.namespace}/${pod.name} says: ${cut}`, {
    cause: error,
  });
}

function silent({ namespace, name }: PodName, cause: unknown): MeshError {
  const within = `${ANSWER_MS / 1_000} s`;
  return new MeshError('timeout', `the proxy of ${namespace}/${name} has not answered within ${within}`, {
    cause,
  });
}

/** A proxy of an earlier version does not know the question. */
function tooOld(error: MeshError, { namespace, name }: PodName): MeshError | undefined {
  if (!/is no command|cannot be inspected/.test(error.message)) return undefined;
  return new MeshError(
    'precondition',
    `the proxy of ${namespace}/${name} is of an earlier version and cannot be asked; recreate the pod`,
    { cause: error },
  );
}
