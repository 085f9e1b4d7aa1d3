import { z } from 'zod';
import { MeshError } from '../../base/index.js';
import { parseSpiffeId } from '../../identity/index.js';
import { Resources, listObjects, type KubeClient, type Pod } from '../../kube/index.js';
import { askProxy, demandInspection } from '../inspect/ask.js';
import { demandProxies, findPods } from '../inspect/pods.js';
import type { Page } from '../page.js';
import { ownersOf } from '../plain-callers.js';
import { callerAnswer, ofWorkers, receiverAnswer, type CallerAnswer, type ReceiverAnswer } from './answer.js';
import { policyOf } from './policy.js';
import { renderReport } from './render.js';
import { dial, parseRequest, type Asked, type Dialled } from './target.js';

export interface ExplainOptions {
  readonly client: KubeClient;
  readonly page: Page;
  /** `pod/NAME`, `NAME` or `deploy/NAME`. */
  readonly from: string;
  readonly namespace: string;
  /** `[METHOD] URL`. */
  readonly words: readonly string[];
  readonly header: readonly string[];
  readonly jwt?: string | undefined;
  /** Ask an endpoint too. */
  readonly receiver: boolean;
  readonly output: 'text' | 'json';
  /** Ends the asking of proxies. */
  readonly signal?: AbortSignal | undefined;
}

/** What is printed as JSON; docs/explain.md describes it. */
export interface Report {
  /** `pod namespace/name`. */
  readonly from: string;
  readonly request: { readonly method: string; readonly authority: string; readonly path: string };
  readonly dialled: Dialled;
  /** Workers of the caller's proxy that have answered. */
  readonly workers: number;
  readonly caller: CallerAnswer;
  /** The policy that has the route, where it could be found. */
  readonly policy?: string;
  readonly receiver?: { readonly pod: string; readonly answer: ReceiverAnswer };
  readonly notes: readonly string[];
}

/** What proxies say in place of the values of headers that hold secrets. */
const REDACTED = '(redacted)';

/** Says what would become of a request, by the word of the proxies that would carry it; not `ok` where it would be refused. */
export async function explain(
  options: ExplainOptions,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const report = await reportOf(options);
  const refused = [report.caller, report.receiver?.answer].some((answer) => answer?.verdict === 'refused');
  const text =
    options.output === 'json' ? JSON.stringify(report, null, 2) : renderReport(report, options.page);
  return { ok: !refused, text };
}

async function reportOf(options: ExplainOptions): Promise<Report> {
  const { client, namespace, signal } = options;
  const asked = parseRequest(options.words, options.header, options.jwt);
  const [pod] = demandProxies(await findPods(client, options.from, namespace));
  if (pod === undefined) throw new MeshError('not-found', `${options.from} has no pods`);
  await demandInspection(client, pod.metadata.namespace);
  const dialled = await dial(client, asked, pod.metadata.namespace);
  const question = questionOf(asked, dialled.address);
  const answers = await askWorkers(client, pod.metadata, { question, shape: callerAnswer, signal });
  const named = await nameEndpoints(client, ofWorkers(answers));
  const policy = await policyOf(client, named, pod.metadata.namespace);
  const { receiver, note } = options.receiver
    ? await askReceiver({ client, from: pod, caller: named, question, signal })
    : {};
  return {
    from: `pod ${pod.metadata.namespace}/${pod.metadata.name}`,
    request: { method: asked.method, authority: asked.authority, path: asked.target },
    dialled,
    workers: answers.length,
    caller: named,
    ...(policy === undefined ? {} : { policy }),
    ...(receiver === undefined ? {} : { receiver }),
    notes: note === undefined ? [] : [note],
  };
}

interface Question {
  readonly to: string;
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly headers: readonly (readonly [string, string])[];
}

function questionOf({ method, target, authority, headers }: Asked, to: string): Question {
  return { to, method, target, authority, headers };
}

/** What the workers of a proxy answer: one at least. */
async function askWorkers<T>(
  client: KubeClient,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  {
    shape,
    ...asked
  }: {
    readonly question: object;
    readonly shape: z.ZodType<T>;
    readonly signal: AbortSignal | undefined;
  },
): Promise<readonly [T, ...T[]]> {
  const answers = z.array(shape.nullable()).parse(await askProxy(client, { namespace, name }, asked));
  const [first, ...more] = answers.filter((answer) => answer !== null);
  if (first === undefined)
    throw new MeshError(
      'unavailable',
      `no worker of the proxy of ${namespace}/${name} answers; it is busy or still starting`,
    );
  return [first, ...more];
}

/** The same with the pod of each endpoint, where we may look at pods. */
async function nameEndpoints(client: KubeClient, caller: CallerAnswer): Promise<CallerAnswer> {
  const endpoints = caller.split.flatMap((share) => share.endpoints);
  const namespaces = new Set(endpoints.flatMap(({ identity }) => namespaceOf(identity) ?? []));
  const [fallback] = caller.destination?.name?.split('/') ?? [];
  if (namespaces.size === 0 && fallback !== undefined) namespaces.add(fallback);
  const lists = [...namespaces].map((namespace) =>
    listObjects(client, Resources.pod, { namespace }).catch(() => []),
  );
  const owners = ownersOf((await Promise.all(lists)).flat());
  return {
    ...caller,
    split: caller.split.map((share) => ({
      ...share,
      endpoints: share.endpoints.map((endpoint) => {
        const pod = owners.get(ipOf(endpoint.address));
        return pod === undefined ? endpoint : { ...endpoint, pod };
      }),
    })),
  };
}

function namespaceOf(identity: string | null | undefined): string | undefined {
  return parseSpiffeId(identity ?? '')?.namespace;
}

function ipOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}

interface Receiving {
  readonly receiver?: { readonly pod: string; readonly answer: ReceiverAnswer };
  readonly note?: string;
}

/** Asks the first endpoint that has a proxy, as the request arrives there. */
async function askReceiver(options: {
  readonly client: KubeClient;
  readonly from: Pod;
  readonly caller: CallerAnswer;
  readonly question: Question;
  readonly signal: AbortSignal | undefined;
}): Promise<Receiving> {
  const { client, from, caller, question, signal } = options;
  if (caller.verdict !== 'sent') return { note: 'no receiver was asked, since nothing is sent to one' };
  const shares = [...caller.split].sort((a, b) => b.percent - a.percent);
  const endpoints = shares.flatMap((share) => share.endpoints);
  const meshed = endpoints.filter(({ identity, pod }) => typeof identity === 'string' && pod !== undefined);
  const endpoint = meshed.find(({ ejected, unreachable }) => !ejected && !unreachable) ?? meshed[0];
  if (endpoint?.pod === undefined)
    return { note: 'no receiver was asked: none of the endpoints has a proxy, or their pods cannot be read' };
  const [namespace = '', name = ''] = endpoint.pod.split('/');
  try {
    await demandInspection(client, namespace);
  } catch (thrown) {
    return { note: MeshError.from(thrown).message };
  }
  const asked = {
    ...question,
    ...arrives(question, caller),
    to: endpoint.address,
    receiver: { identity: caller.caller.identity, from: from.ips[0] },
  };
  const about = { question: asked, shape: receiverAnswer, signal };
  const [answer] = await askWorkers(client, { namespace, name }, about);
  return { receiver: { pod: endpoint.pod, answer } };
}

/** The request as the caller's route changes it. */
function arrives(
  question: Question,
  { changes }: CallerAnswer,
): Pick<Question, 'target' | 'headers' | 'authority'> {
  const changed = changes?.headers ?? {};
  const host = changed.host;
  // A value that is not told to us cannot be passed on: what was asked stays then.
  const known = Object.entries(changed).filter(([, value]) => value !== REDACTED);
  const kept = question.headers.filter(([name]) => !known.some(([other]) => other === name));
  const set = known.flatMap(([name, value]) =>
    value === null || name === 'host' ? [] : [[name, value] as const],
  );
  return {
    target: changes?.path ?? question.target,
    authority: host ?? question.authority,
    headers: [...kept, ...set],
  };
}
