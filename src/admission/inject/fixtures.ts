import type { InjectionSettings } from './settings.js';

/** For tests: settings as the chart's defaults make them. */
export function settings(over: Partial<InjectionSettings> = {}): InjectionSettings {
  return {
    revision: 'default',
    systemNamespace: 'weft-system',
    trustDomain: 'cluster.local',
    clusterDomain: 'cluster.local',
    image: 'docker.io/weft/weft:dev',
    proxyLog: 'info',
    resources: { cpuRequest: '10m', memoryRequest: '16Mi', memoryLimit: '128Mi' },
    scrapeAnnotations: false,
    nativeSidecar: true,
    podCertificates: { choice: 'Off' },
    capture: 'InitContainer',
    ...over,
  };
}

/** For tests: the review of a pod's creation, as the API server sends it. */
export function aReview(object: unknown, request: object = {}): object {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: '6e1c1f37-9f5a-4a2e-8a4e-3f6f0f2a7a10',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      namespace: 'shop',
      operation: 'CREATE',
      userInfo: { username: 'system:serviceaccount:kube-system:replicaset-controller' },
      object,
      oldObject: null,
      dryRun: false,
      ...request,
    },
  };
}
