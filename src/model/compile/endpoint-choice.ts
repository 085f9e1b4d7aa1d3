import type { Destination } from '../words/destination.js';
import type { LoadBalancer, Policy } from '../words/policy.js';
import type { Service } from '../words/service.js';

/** How an endpoint of a Service is chosen, when one is passed over, how much all may have under way, and what is told of that. */
export type EndpointChoice = Pick<
  Destination,
  'loadBalancer' | 'outliers' | 'limits' | 'sampling' | 'accessLog'
>;

/** What a policy says, with what the Service itself says about zones. */
export function endpointChoice(service: Service, policy: Policy | undefined): EndpointChoice {
  return {
    loadBalancer: balancerOf(service, policy),
    ...(policy?.outliers === undefined ? {} : { outliers: policy.outliers }),
    ...(policy?.limits === undefined ? {} : { limits: policy.limits }),
    ...(policy?.sampling === undefined ? {} : { sampling: policy.sampling }),
    ...(policy?.accessLog === undefined ? {} : { accessLog: policy.accessLog }),
  };
}

/** Whether a policy says what requests of one caller have in common, or how endpoints take turns: then no Service does. */
export function isKeyed(policy: Policy | undefined): boolean {
  const { algorithm, hash } = policy?.loadBalancer ?? { algorithm: 'peakEwma' };
  return algorithm !== 'peakEwma' || hash !== undefined;
}

/** Zones as the policy says, else as the Service does; without a word of either they do not matter. */
function balancerOf(service: Service, policy: Policy | undefined): LoadBalancer {
  const { zone, ...rest } = policy?.loadBalancer ?? { algorithm: 'peakEwma' };
  const wanted = zone ?? (service.prefersClose === true ? 'prefer' : 'any');
  return wanted === 'any' ? rest : { ...rest, zone: wanted };
}
