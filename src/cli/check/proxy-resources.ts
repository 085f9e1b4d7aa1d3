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
  const amounts = (resource: string): Amounts => {
    const given = (part: string): string => variableOf(controlPlane, `WEFT_PROXY_${resource}_${part}`) ?? '';
    const [request, limit] = [given('REQUEST'), given('LIMIT')];
    return { ...(request === '' ? {} : { request }), ...(limit === '' ? {} : { limit }) };
  };
  return { cpu: amounts('CPU'), memory: amounts('MEMORY') };
}

/** What the chart set a variable of the control plane to. */
export function variableOf(controlPlane: ControlPlane | undefined, variable: string): string | undefined {
  const containers = controlPlane?.spec.template.spec.containers ?? [];
  return containers.flatMap(({ env }) => env).find(({ name }) => name === variable)?.value;
}
