/** Objects as people write them, small. */

export type Written = Readonly<Record<string, unknown>>;

export type Fields = Readonly<Record<string, unknown>>;

export const meta = (name: string, more: Fields = {}): Fields => ({ name, namespace: 'shop', ...more });
export const ours = (kind: string, name: string, spec: Fields, more: Fields = {}): Written => ({
  apiVersion: 'weft.dev/v1alpha1',
  kind,
  metadata: meta(name, more),
  spec,
});
export const target = { kind: 'Service', name: 'reviews' };
export const tp = (spec: Fields, name = 'reviews', more: Fields = {}): Written =>
  ours('TrafficPolicy', name, { targetRefs: [target], ...spec }, more);
export const routes = (...list: Fields[]): Written => tp({ routes: list });
export const namespace = (labels: Fields = { 'weft.dev/inject': 'enabled' }, name = 'shop'): Written => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
});
export const service = (spec: Fields = {}, name = 'reviews'): Written => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: meta(name),
  spec: { selector: { app: 'reviews' }, ports: [{ name: 'http', port: 8080 }], ...spec },
});
/** The same, as a controller made it. */
export const made = (spec: Fields): Written => ({
  ...service(spec),
  metadata: meta('reviews', {
    ownerReferences: [
      { apiVersion: 'flagger.app/v1beta1', kind: 'Canary', name: 'reviews', uid: 'c', controller: true },
    ],
  }),
});
export const ports = (...list: Fields[]): Written => service({ ports: list });
export interface PodFields {
  readonly labels?: Fields;
  readonly annotations?: Fields;
  readonly spec?: Fields;
}
export const template = ({ labels = {}, annotations = {}, spec = {} }: PodFields): Fields => ({
  metadata: { labels: { app: 'reviews', version: 'v1', ...labels }, annotations },
  spec: {
    containers: [{ name: 'app', image: 'app', ports: [{ name: 'web', containerPort: 8080 }] }],
    ...spec,
  },
});
export const deployment = (fields: PodFields = {}): Written => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: meta('reviews'),
  spec: { template: template(fields) },
});
export const proxy = (env: readonly Fields[] = []): Fields => ({
  name: 'weft-proxy',
  command: ['/usr/local/bin/weft-proxy', 'run'],
  args: [],
  env,
  securityContext: { runAsUser: 2112 },
});
export const INIT = {
  name: 'weft-init',
  command: ['/usr/local/bin/weft-proxy', 'init'],
  args: ['--outbound-port', '15101', '--inbound-port', '15106', '--skip-inbound-ports', '15120,15121'],
};
export const pod = (name: string, fields: PodFields = {}, proxied: Fields | 'none' = proxy()): Written => {
  const { metadata, spec } = template(fields);
  const initContainers = proxied === 'none' ? [] : [INIT, proxied];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: meta(name, metadata as Fields),
    spec: { initContainers, ...(spec as Fields) },
    status: { phase: 'Running', podIP: '10.0.0.1' },
  };
};
export const slice = (
  ...addresses: readonly { readonly ip: string; readonly ready: boolean }[]
): Written => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: meta('reviews-1', { labels: { 'kubernetes.io/service-name': 'reviews' } }),
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: addresses.map(({ ip, ready }) => ({ addresses: [ip], conditions: { ready } })),
});
export const route = (name: string, spec: Fields): Written => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: meta(name),
  spec: { parentRefs: [{ group: '', kind: 'Service', name: 'reviews' }], ...spec },
});
export const to = (path: string): Fields => ({
  matches: [{ path: { type: 'PathPrefix', value: path } }],
  backendRefs: [{ name: 'reviews', port: 8080 }],
});
export const role = (rule: Fields = {}, name = 'reader'): Written =>
  ours('MeshRole', name, { rules: [rule] });
export const binding = (subject: Fields, more: Fields = {}): Written =>
  ours('MeshRoleBinding', 'web-reads', {
    roleRef: { kind: 'MeshRole', name: 'reader' },
    subjects: [subject],
    ...more,
  });
export const account = (name: string): Written => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: meta(name),
});
export const JWK = {
  kty: 'EC',
  crv: 'P-256',
  kid: 'a',
  alg: 'ES256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
};
export const issuer = ours('JwtIssuer', 'login', {
  issuer: 'https://login.example',
  audiences: ['shop'],
  jwks: { inline: JSON.stringify({ keys: [JWK] }) },
});
export const byToken = (name: string): Written => binding({ jwt: { issuer: name } });
export const grant = (from: Fields): Written => ({
  apiVersion: 'gateway.networking.k8s.io/v1beta1',
  kind: 'ReferenceGrant',
  metadata: { name: 'shop-may', namespace: 'stock' },
  spec: {
    from: [{ group: 'weft.dev', kind: 'TrafficPolicy', namespace: 'shop', ...from }],
    to: [{ group: '', kind: 'Service' }],
  },
});
export const stock = { ...service(), metadata: { name: 'items', namespace: 'stock' } };
export const toStock = routes({ split: [{ service: { name: 'items', namespace: 'stock', port: 8080 } }] });
export const backendTls = (ca: string): Written => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'BackendTLSPolicy',
  metadata: meta('reviews'),
  spec: {
    targetRefs: [{ group: '', kind: 'Service', name: 'reviews' }],
    validation: {
      hostname: 'reviews.example',
      caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: ca }],
    },
  },
});
export const limit = (more: Fields): Written => tp({ rateLimit: [{ requests: 100, per: '1s', ...more }] });
export const check = (more: Fields): Written =>
  tp({ externalAuthorization: { service: { name: 'reviews', port: 8080 }, ...more } });
export const SHOP = [namespace(), service(), deployment()];
export const OPAQUE = { appProtocol: 'tcp', name: 'raw', port: 8080 };
export const condition = (reason: string): Fields => ({
  status: {
    conditions: [
      { type: 'Programmed', status: 'False', reason, message: 'by 2 of 2', observedGeneration: 1 },
    ],
  },
});

export function listening(containerPort: number): Written {
  return deployment({ spec: { containers: [{ name: 'app', image: 'app', ports: [{ containerPort }] }] } });
}

export function named(name: string): Written {
  return deployment({ spec: { containers: [{ name, image: 'app' }] } });
}

export function many(index: number, count: number): Written {
  const subjects = Array.from({ length: count }, (_, i) => ({
    serviceAccount: { name: `web-${index}-${i}` },
  }));
  return ours('MeshRoleBinding', `many-${index}`, {
    roleRef: { kind: 'MeshRole', name: 'reader' },
    subjects,
  });
}
