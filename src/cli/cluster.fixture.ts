import { createIssuer, createRoot, type CaMaterial } from '../identity/index.js';
import { connectPlain, type KubeClient } from '../kube/index.js';
import { ApiServer, meshContainers, webhooksOfChart, type WebhookOfChart } from '../testing/index.js';

const POLICIES = '/apis/weft.dev/v1alpha1/trafficpolicies';
const SECRETS = '/api/v1/secrets';
export const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const DEPLOYMENTS = '/apis/apps/v1/deployments';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** When the one root and issuer of all fixtures were made; making them for each is slow. */
export const STARTED = Date.now();
let made: Promise<{ readonly root: CaMaterial; readonly issuer: CaMaterial }> | undefined;

/** For tests of commands: an API server, and what a cluster with Weft holds. */
export class ClusterFixture {
  readonly client: KubeClient;
  /** PEM of the roots that the mesh trusts; set by `install`. */
  roots = '';

  private constructor(readonly server: ApiServer) {
    this.client = connectPlain(server.url);
  }

  static async start(): Promise<ClusterFixture> {
    return new ClusterFixture(await ApiServer.start());
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.server.stop();
  }

  namespace(
    name: string,
    labels: Readonly<Record<string, string>> = { 'weft.dev/inject': 'enabled' },
    annotations: Readonly<Record<string, string>> = {},
  ): void {
    this.server.put('/api/v1/namespaces', { metadata: { name, labels, annotations } });
    this.bundle(name, this.roots);
  }

  bundle(namespace: string, pem: string): void {
    this.server.put('/api/v1/configmaps', {
      metadata: { name: 'weft-trust', namespace },
      data: { 'bundle.pem': pem },
    });
  }

  pod(name: string, proxy: boolean): void {
    const mesh = meshContainers();
    const containers = [{ name: 'app' }];
    const initContainers = proxy ? [mesh.init, mesh.proxy] : [];
    const condition = { type: 'Ready', status: 'True' };
    this.server.put('/api/v1/pods', {
      metadata: { name, namespace: 'shop' },
      spec: { containers, initContainers },
      status: { phase: 'Running', conditions: [condition] },
    });
  }

  /** A pod whose proxy answers with so many lines of metrics. */
  counts(name: string, line: (number: number) => string, lines: number): void {
    this.pod(name, true);
    const text = Array.from({ length: lines }, (_, number) => `${line(number)}\n`).join('');
    this.server.onGet(`/api/v1/namespaces/shop/pods/${name}:15121/proxy/metrics`, () => text);
  }

  policy(
    name: string,
    conditions: readonly object[],
    extra: { readonly spec?: object; readonly annotations?: object } = {},
  ): void {
    const spec = extra.spec ?? { targetRefs: [{ kind: 'Service', name: 'reviews' }] };
    this.server.put(POLICIES, {
      metadata: { name, namespace: 'shop', annotations: extra.annotations ?? {} },
      spec,
      status: { conditions },
    });
  }

  /** The Deployment of a control plane, as Helm installs it with the chart's values. */
  controlPlane(
    over: {
      readonly spec?: object;
      readonly status?: object;
      readonly revision?: string;
      readonly annotations?: object;
      readonly capture?: 'CNI';
    } = {},
  ): void {
    const revision = over.revision ?? 'default';
    const env = [
      { name: 'WEFT_PROXY_CPU_REQUEST', value: '10m' },
      { name: 'WEFT_PROXY_CPU_LIMIT', value: '' },
      { name: 'WEFT_PROXY_MEMORY_REQUEST', value: '16Mi' },
      { name: 'WEFT_PROXY_MEMORY_LIMIT', value: '128Mi' },
      { name: 'WEFT_CAPTURE', value: over.capture ?? 'InitContainer' },
    ];
    this.server.put(DEPLOYMENTS, {
      metadata: {
        name: `weft-${revision}`,
        namespace: 'weft-system',
        generation: 1,
        labels: { 'app.kubernetes.io/name': 'weft', 'weft.dev/rev': revision },
        annotations: over.annotations ?? {
          'meta.helm.sh/release-name': revision === 'default' ? 'weft' : `weft-${revision}`,
        },
      },
      spec: { replicas: 2, template: { spec: { containers: [{ env }] } }, ...over.spec },
      status: { observedGeneration: 1, replicas: 2, readyReplicas: 2, updatedReplicas: 2, ...over.status },
    });
  }

  issuer(data: Readonly<Record<string, string>>): void {
    this.server.put(SECRETS, {
      metadata: {
        name: 'weft-issuer',
        namespace: 'weft-system',
        labels: { 'app.kubernetes.io/managed-by': 'weft' },
      },
      data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
    });
  }

  /** The webhook configuration as the chart renders it, with these roots. */
  webhook(roots = this.roots, change: (webhook: WebhookOfChart) => object = (webhook) => webhook): void {
    this.server.put(WEBHOOKS, {
      metadata: { name: 'weft-default' },
      webhooks: webhooksOfChart().map((webhook) =>
        change({ ...webhook, clientConfig: { ...webhook.clientConfig, caBundle: base64(roots) } }),
      ),
    });
  }

  /** Everything that is there after both charts were installed and a namespace has joined. */
  async install(): Promise<void> {
    made ??= createRoot('cluster.local', STARTED).then(async (first) => {
      return { root: first, issuer: await createIssuer(first, 'cluster.local', STARTED) };
    });
    const { root, issuer } = await made;
    this.roots = root.certificate;
    this.controlPlane();
    this.server.put(SECRETS, {
      metadata: { name: 'weft-root', namespace: 'weft-system' },
      data: { 'tls.crt': base64(root.certificate), 'tls.key': base64(root.privateKey) },
    });
    this.issuer({ 'tls.crt': issuer.certificate, 'tls.key': issuer.privateKey, 'ca.crt': root.certificate });
    this.webhook();
    this.namespace('shop');
  }
}
