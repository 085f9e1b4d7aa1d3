import { MeshError } from '../base/index.js';
import type { TapLine, TapQuestion, Tapped } from '../dashboard/index.js';
import { Resources, listObjects, workloadOwner, type KubeClient, type Pod } from '../kube/index.js';
import { demandInspection } from './inspect/ask.js';
import { demandProxies } from './inspect/pods.js';
import type { Event } from './tap/event.js';
import { follow } from './tap/follow.js';
import { questionOf } from './tap/question.js';

/** As long as a proxy tells, and as much of it. */
const SECONDS = 600;
const MOST = 10_000;
/** Of each proxy: a page is for reading. */
const RATE = 20;

/** Tells requests of pods as `weft tap` does, and with the same rights, until the signal aborts. */
export async function tapForPage(
  client: KubeClient,
  question: TapQuestion,
  hear: (line: TapLine) => void,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, workload } = question;
  const asked = { ...proxyQuestion(question), max: MOST, rate: RATE, seconds: SECONDS };
  const pods = async (): Promise<readonly Pod[]> => {
    const all = await listObjects(client, Resources.pod, { namespace });
    const meant = workload === '' ? all : all.filter((pod) => workloadOf(pod) === workload);
    if (meant.length === 0) throw nothing(question);
    return demandProxies(meant);
  };
  await demandInspection(client, namespace);
  const { leftOut, notes } = await follow({
    client,
    pods,
    question: asked,
    signal: AbortSignal.any([signal, AbortSignal.timeout(SECONDS * 1_000)]),
    onEvent: (event, { metadata }, leftOut) =>
      hear({ kind: 'request', request: tappedOf(event, metadata.name), leftOut }),
    onWatching: (proxies) => hear({ kind: 'watching', proxies }),
  });
  hear({ kind: 'ended', notes, leftOut });
}

function nothing({ namespace, workload }: TapQuestion): MeshError {
  const what = workload === '' ? 'there is no pod' : `${workload} has no pod`;
  return new MeshError('not-found', `${what} in namespace ${namespace}`);
}

function proxyQuestion({ namespace, side, ...words }: TapQuestion): object {
  const { from, to, status, verdict } = words;
  const said = Object.fromEntries(
    Object.entries({ side, from, to, status, verdict }).filter(([, word]) => word !== ''),
  );
  return questionOf({ ...said, header: [], showHeader: [] }, namespace);
}

function workloadOf({ metadata: { name, owner, labels } }: Pod): string {
  const { kind, name: own } = workloadOwner({ name, owner, labels });
  return `${kind}/${own}`;
}

/** What a page shows of it: no headers. */
function tappedOf(event: Event, pod: string): Tapped {
  const { time, side, kind, method, authority, path, status, grpcStatus } = event;
  const { verdict, refusedBy, rule, reason, durationMs, receivedBytes, sentBytes } = event;
  const { destination, route, caller, receiver, tls } = event;
  return {
    ...{ pod, time, side, kind, method, authority, path, status, grpcStatus },
    ...{ verdict, refusedBy, rule, reason, durationMs, receivedBytes, sentBytes },
    ...{ destination, route, caller, receiver, tls },
    wouldRefuse: event.wouldRefuse.map(({ stage }) => stage),
    attempts: event.attempts.length,
  };
}
