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

/** By what a request is known on both sides: what its application has put into it. */
export function idOf({ requestHeaders }: Event): string | undefined {
  const value = (wanted: string): string | undefined => requestHeaders.find(([name]) => name === wanted)?.[1];
  return value('traceparent') ?? value('x-request-id');
}

/** Whether what a pod at these addresses received is what the caller sent. */
export function isSame(called: Event, received: Event, addresses: readonly string[]): boolean {
  const id = idOf(called);
  const sentTo = called.attempts.map(({ endpoint }) => hostOf(endpoint));
  return (
    id !== undefined &&
    idOf(received) === id &&
    received.method === called.method &&
    addresses.some((address) => sentTo.includes(address))
  );
}

function hostOf(endpoint: string): string {
  return endpoint.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}
