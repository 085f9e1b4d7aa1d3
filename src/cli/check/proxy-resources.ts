import type { ControlPlane } from '../control-planes.js';

/** The resources of the two containers that a pod gets, as Kubernetes quantities; absent: not set. */
export interface ProxyResources {
  readonly cpu: Amounts;
  readonly memory: Amounts;
}

export interface Amounts {
  readonly request?: string;
  readonly limit?: string;
}

/** What the chart set, as the Deployment of the control plane has it; nothing where there is none. */
export function proxyResources(controlPlane: ControlPlane | undefined): ProxyResources {
  const variables = controlPlane?.spec.template.spec.containers.flatMap(({ env }) => env) ?? [];
  const amounts = (resource: string): Amounts => {
    const given = (part: string): string =>
      variables.find(({ name }) => name === `WEFT_PROXY_${resource}_${part}`)?.value ?? '';
    const [request, limit] = [given('REQUEST'), given('LIMIT')];
    return { ...(request === '' ? {} : { request }), ...(limit === '' ? {} : { limit }) };
  };
  return { cpu: amounts('CPU'), memory: amounts('MEMORY') };
}
