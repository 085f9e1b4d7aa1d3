import type { EndpointSlice } from '../../kube/index.js';
import { serviceKey, type EndpointSet } from '../../model/index.js';
import { transport } from './ports.js';

/** An EndpointSlice in terms of the mesh; undefined when it belongs to no Service or holds names instead of addresses. */
export function toEndpointSet(slice: EndpointSlice): EndpointSet | undefined {
  const { metadata, service, addressType } = slice;
  if (service === '' || addressType === 'FQDN') return undefined;
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    service: serviceKey(metadata.namespace, service),
    ports: slice.ports.map(({ name, port, protocol }) => ({ name, port, protocol: transport(protocol) })),
    // The API allows several addresses and says to use the first: the others are for nobody to rely on.
    addresses: slice.endpoints.flatMap((endpoint) => {
      const address = endpoint.addresses[0];
      if (address === undefined) return [];
      const { ready, serving, terminating, podUid, zone, forZone, nodeName, forNode } = endpoint;
      return [
        {
          address,
          ready,
          serving,
          terminating,
          ...(podUid === '' ? {} : { pod: podUid }),
          ...(zone === '' ? {} : { zone }),
          ...(forZone === '' ? {} : { forZone }),
          ...(nodeName === '' ? {} : { node: nodeName }),
          ...(forNode === '' ? {} : { forNode }),
        },
      ];
    }),
  };
}
