import { type TrafficPolicy, durationMs } from '../../api/index.js';
import type { HashInput, LoadBalancer } from '../words/policy.js';

type ApiLoadBalancer = NonNullable<TrafficPolicy['spec']['loadBalancer']>;
type ApiHashInput = NonNullable<ApiLoadBalancer['hash']>[number];

/** How an endpoint is chosen, with the algorithm filled in; a slow start of no time is none. */
export function translateLoadBalancer(api: ApiLoadBalancer): LoadBalancer {
  const { algorithm, hash, maxLoadPercent, zone } = api;
  const slowStartMs = durationMs(api.slowStart ?? '0s') ?? 0;
  return {
    algorithm: algorithm ?? 'peakEwma',
    ...(hash === undefined ? {} : { hash: hash.map(translateInput) }),
    ...(maxLoadPercent === undefined ? {} : { maxLoadPercent }),
    ...(zone === undefined ? {} : { zone }),
    ...(slowStartMs === 0 ? {} : { slowStartMs }),
  };
}

/** The schema demands exactly one. */
function translateInput({ header, cookie, query, path }: ApiHashInput): HashInput {
  if (header !== undefined) return { kind: 'header', name: header.toLowerCase() };
  if (cookie !== undefined) return { kind: 'cookie', name: cookie };
  if (query !== undefined) return { kind: 'query', name: query };
  return { kind: path === undefined ? 'sourceAddress' : 'path' };
}
