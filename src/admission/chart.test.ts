import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { names } from '../base/index.js';

/** The chart as rendered into deploy/, which CI checks to be current. */
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}

interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values?: readonly string[];
}

interface Webhook {
  readonly name: string;
  readonly failurePolicy: string;
  readonly sideEffects: string;
  readonly timeoutSeconds: number;
  readonly clientConfig: { readonly caBundle?: string; readonly service: { readonly path: string } };
  readonly namespaceSelector: { readonly matchExpressions: readonly Requirement[] };
  readonly objectSelector: { readonly matchExpressions: readonly Requirement[] };
}

const rendered = readFileSync(new URL('../../deploy/weft.yaml', import.meta.url), 'utf8');
const manifests = parseAllDocuments(rendered)
  .map((document) => document.toJS() as Manifest | null)
  .filter((manifest) => manifest !== null);

function only(kind: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  expect(found).toHaveLength(1);
  return found[0]!;
}

const { webhooks } = only('MutatingWebhookConfiguration') as Manifest & { webhooks: Webhook[] };

type Labels = Readonly<Record<string, string>>;

/** As the API server evaluates a label selector: all requirements hold, and NotIn is true where the label is not. */
function matches(selector: Webhook['objectSelector'], labels: Labels): boolean {
  return selector.matchExpressions.every(({ key, operator, values = [] }) => {
    const value = labels[key];
    const within = value !== undefined && values.includes(value);
    return { In: within, NotIn: !within, Exists: value !== undefined, DoesNotExist: value === undefined }[
      operator
    ];
  });
}

function asked(namespace: string, namespaceLabels: Labels, podLabels: Labels = {}): string[] {
  const labels = { 'kubernetes.io/metadata.name': namespace, ...namespaceLabels };
  return webhooks
    .filter((hook) => matches(hook.namespaceSelector, labels) && matches(hook.objectSelector, podLabels))
    .map(({ name }) => name);
}

const enabled = { 'weft.dev/inject': 'enabled' };
const disabled = { 'weft.dev/inject': 'disabled' };

test('a pod of a labelled namespace is asked about once', () => {
  expect(asked('shop', enabled)).toEqual(['namespace.inject.weft.dev']);
  expect(asked('shop', enabled, enabled)).toHaveLength(1);
  expect(asked('shop', { ...enabled, 'weft.dev/rev': 'default' })).toEqual([
    'namespace.revision.inject.weft.dev',
  ]);
});

test('a pod can opt in alone, and opt out', () => {
  expect(asked('shop', {}, enabled)).toEqual(['pod.inject.weft.dev']);
  expect(asked('shop', { 'weft.dev/rev': 'default' }, enabled)).toEqual(['pod.revision.inject.weft.dev']);
  expect(asked('shop', {})).toEqual([]);
  expect(asked('shop', enabled, disabled)).toEqual([]);
  expect(asked('shop', disabled, enabled)).toEqual([]);
});

test('a namespace of another revision is left to that one', () => {
  expect(asked('shop', { ...enabled, 'weft.dev/rev': 'canary' })).toEqual([]);
});

test.each(['kube-system', 'weft-system', 'kube-public', 'kube-node-lease'])(
  'no label makes %s depend on us',
  (name) => {
    for (const labels of [{}, enabled, disabled, { ...enabled, 'weft.dev/rev': 'default' }]) {
      for (const pod of [{}, enabled, disabled]) expect(asked(name, labels, pod)).toEqual([]);
    }
  },
);

test('the configuration is what the webhook promises', () => {
  for (const hook of webhooks) {
    expect(hook).toMatchObject({
      failurePolicy: 'Fail',
      sideEffects: 'None',
      timeoutSeconds: 5,
      reinvocationPolicy: 'IfNeeded',
    });
    expect(hook.clientConfig.service.path).toBe('/inject');
    expect(hook.clientConfig.caBundle).toBeUndefined();
  }
});

test('chart and code agree on names and ports', () => {
  const { ports } = (
    only('Service') as Manifest & { spec: { ports: { port: number; targetPort: string }[] } }
  ).spec;
  expect(ports.map(({ port }) => port)).toEqual([
    443,
    names.ControlPlanePort.csr,
    names.ControlPlanePort.config,
    names.ControlPlanePort.health,
  ]);
  const { spec } = only('Deployment') as Manifest & {
    spec: {
      template: {
        spec: { serviceAccountName: string; containers: { ports: { containerPort: number }[] }[] };
      };
    };
  };
  expect(spec.template.spec.serviceAccountName).toBe(names.SYSTEM_SERVICE_ACCOUNT);
  expect(spec.template.spec.containers[0]?.ports.map(({ containerPort }) => containerPort)).toEqual(
    Object.values(names.ControlPlanePort),
  );
  for (const kind of ['Deployment', 'Service', 'MutatingWebhookConfiguration']) {
    expect(only(kind).metadata.name).toBe(names.revisionName('default'));
  }
});

test('nothing in the chart has a finalizer, and nothing may write pods or read all Secrets', () => {
  expect(rendered).not.toContain('finalizers');
  interface Rule {
    readonly resources: string[];
    readonly verbs: string[];
    readonly resourceNames?: string[];
  }
  const { rules } = only('ClusterRole') as Manifest & { rules: Rule[] };
  const reading = new Set(['get', 'list', 'watch']);
  for (const rule of rules) {
    expect(rule.resources).not.toContain('secrets');
    expect([...rule.resources, ...rule.verbs]).not.toContain('*');
    if (rule.resources.includes('pods')) expect(rule.verbs.every((verb) => reading.has(verb))).toBe(true);
  }
});

test('every value of the chart is in its schema, with a description', () => {
  const read = (file: string): string =>
    readFileSync(new URL(`../../charts/weft/${file}`, import.meta.url), 'utf8');
  const values = parse(read('values.yaml')) as Record<string, unknown>;
  const { properties } = JSON.parse(read('values.schema.json')) as {
    properties: Record<string, { description?: string; minimum?: number }>;
  };
  // With no replica, no pod of a meshed namespace could be created.
  expect(properties['replicas']?.minimum).toBe(1);
  expect(Object.keys(properties).filter((name) => name !== 'global')).toEqual(Object.keys(values));
  for (const [name, { description }] of Object.entries(properties))
    expect([name, description]).not.toContain(undefined);
});

test('the keys of the mesh may be read where they are used, and the cluster otherwise only followed', () => {
  const rulesOf = (kind: string) =>
    (only(kind) as Manifest & { rules: { resources: string[]; resourceNames?: string[]; verbs: string[] }[] })
      .rules;
  const secrets = rulesOf('Role').filter(({ resources }) => resources.includes('secrets'));
  expect(secrets.map(({ resourceNames, verbs }) => [resourceNames, verbs])).toEqual([
    [undefined, ['create']],
    [
      ['weft-root', 'weft-issuer'],
      ['get', 'patch'],
    ],
    [['weft-issuer'], ['list', 'watch']],
  ]);
  const unnamed = rulesOf('ClusterRole').filter(({ resourceNames }) => resourceNames === undefined);
  expect(unnamed.flatMap(({ verbs }) => verbs)).not.toContain('get');
});

test('a network policy opens the ports of the control plane and no others, certificates and config to pods only', () => {
  const { spec } = only('NetworkPolicy') as Manifest & {
    spec: { ingress: { ports: { port: string }[]; from?: object[] }[]; policyTypes: string[] };
  };
  const open = spec.ingress.map(({ ports, from }) => [ports.map(({ port }) => port), from]);
  expect(spec.policyTypes).toEqual(['Ingress']);
  expect(open).toEqual([
    [['webhook', 'view'], undefined],
    [['csr', 'config'], [{ namespaceSelector: {} }]],
    [['health'], undefined],
  ]);
});
