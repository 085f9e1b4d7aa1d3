import { MeshError } from '../../base/index.js';
import { Resources, getObject, listObjects, type KubeClient, type Pod } from '../../kube/index.js';
import { demandInspection } from '../inspect/ask.js';
import { demandProxies } from '../inspect/pods.js';
import type { Event } from './event.js';
import { serviceOf } from './question.js';

/** The pods behind the Service that `to` names, whose proxies may be asked; throws where there are none. */
export async function receiversOf(
  client: KubeClient,
  to: string,
  namespace: string,
): Promise<readonly Pod[]> {
  const [first = '', second] = serviceOf(to).replace(/:\d+$/, '').split('/');
  const at = second === undefined ? { namespace, name: first } : { namespace: first, name: second };
  const service = await getObject(client, Resources.service, at);
  if (service === undefined)
    throw new MeshError('not-found', `there is no Service ${at.namespace}/${at.name}`);
  const labels = Object.entries(service.selector).map(([name, value]) => `${name}=${value}`);
  if (labels.length === 0)
    throw new MeshError('precondition', `Service ${at.namespace}/${at.name} selects no pods`);
  const selected = { namespace: at.namespace, labelSelector: labels.join(',') };
  const pods = await listObjects(client, Resources.pod, selected);
  if (pods.length === 0) throw new MeshError('not-found', `Service ${at.namespace}/${at.name} has no pods`);
  await demandInspection(client, at.namespace);
  return demandProxies(pods);
}

/** By what a request may be known on both sides. */
interface Ids {
  /** Of `traceparent` the trace alone: while the mesh traces, each side has a span of its own. */
  readonly trace: string | undefined;
  readonly request: string | undefined;
}

/** Whether a request has an id, by which it could be found elsewhere. */
export function hasId(event: Event): boolean {
  const { trace, request } = idsOf(event);
  return trace !== undefined || request !== undefined;
}

/** Whether what a pod at these addresses received is what the caller sent: one id that both have is enough. */
export function isSame(called: Event, received: Event, addresses: readonly string[]): boolean {
  const [there, here] = [idsOf(called), idsOf(received)];
  const both = (id: string | undefined, other: string | undefined): boolean =>
    id !== undefined && id === other;
  const sentTo = called.attempts.map(({ endpoint }) => hostOf(endpoint));
  return (
    (both(there.trace, here.trace) || both(there.request, here.request)) &&
    received.method === called.method &&
    addresses.some((address) => sentTo.includes(address))
  );
}

function idsOf({ requestHeaders }: Event): Ids {
  const value = (wanted: string): string | undefined => requestHeaders.find(([name]) => name === wanted)?.[1];
  const trace = /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(value('traceparent') ?? '')?.[1];
  return { trace, request: value('x-request-id') };
}

function hostOf(endpoint: string): string {
  return endpoint.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}
