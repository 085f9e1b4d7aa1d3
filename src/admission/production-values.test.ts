import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';

/** The chart as rendered into deploy/ with its default values, and with those for production; CI checks both to be current. */
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}

interface Constraint {
  readonly topologyKey: string;
  readonly whenUnsatisfiable: string;
  readonly maxSkew: number;
  readonly nodeTaintsPolicy: string;
  readonly matchLabelKeys: readonly string[];
}

interface Deployment extends Manifest {
  readonly spec: {
    readonly replicas: number;
    readonly strategy: {
      readonly rollingUpdate: { readonly maxUnavailable: number; readonly maxSurge: number };
    };
    readonly template: {
      readonly spec: {
        readonly priorityClassName?: string;
        readonly topologySpreadConstraints: readonly Constraint[];
        readonly containers: readonly {
          readonly resources: {
            readonly requests: Readonly<Record<string, string>>;
            readonly limits: Readonly<Record<string, string>>;
          };
        }[];
      };
    };
  };
}

function manifests(file: string): Manifest[] {
  const text = readFileSync(new URL(`../../deploy/${file}`, import.meta.url), 'utf8');
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

const production = manifests('production.yaml');
const found = (kind: string): Manifest => production.find((manifest) => manifest.kind === kind)!;
const deployment = found('Deployment') as Deployment;
const { spec: pod } = deployment.spec.template;

test('three replicas, of which a drain takes one at a time and an upgrade none before its successor answers', () => {
  expect(deployment.spec.replicas).toBe(3);
  expect(found('PodDisruptionBudget')['spec']).toMatchObject({ maxUnavailable: 1 });
  expect(deployment.spec.strategy.rollingUpdate).toEqual({ maxUnavailable: 0, maxSurge: 1 });
});

test('no two replicas of a version share a node, and nodes that pods may not run on do not stand in the way', () => {
  const constraints = Object.fromEntries(
    pod.topologySpreadConstraints.map((constraint) => [constraint.topologyKey, constraint]),
  );
  expect(constraints['kubernetes.io/hostname']).toMatchObject({
    maxSkew: 1,
    whenUnsatisfiable: 'DoNotSchedule',
    nodeTaintsPolicy: 'Honor',
    matchLabelKeys: ['pod-template-hash'],
  });
  expect(constraints['topology.kubernetes.io/zone']?.whenUnsatisfiable).toBe('ScheduleAnyway');
});

test('it is not evicted for pods that wait for it', () => {
  expect(pod.priorityClassName).toBe('system-cluster-critical');
});

test('memory is enough for what was measured at most, with a third to spare, and CPU has no limit', () => {
  const figures = readFileSync('docs/control-plane-performance.md', 'utf8');
  const measured =
    /^\| memory at its highest, start included \|[^|]*\| \**([\d,]+)/m.exec(figures)?.[1] ?? '';
  const megabytes = Number(measured.replace(',', ''));
  expect(megabytes).toBeGreaterThan(100);
  const [container] = pod.containers;
  const { requests, limits } = container!.resources;
  expect(bytesOf(limits['memory']) / 1e6).toBeGreaterThan(megabytes * 1.33);
  expect(bytesOf(requests['memory']) / 1e6).toBeGreaterThan(megabytes);
  expect(limits['cpu']).toBeUndefined();
  expect(requests['cpu']).toBe('500m');
});

function bytesOf(quantity: string | undefined): number {
  const [, digits = '', unit = ''] = /^(\d+)(Mi|Gi)$/.exec(quantity ?? '') ?? [];
  return Number(digits) * (unit === 'Gi' ? 2 ** 30 : 2 ** 20);
}

test('all else is as with the default values: nothing that secures the mesh differs', () => {
  const others = (all: readonly Manifest[]): Manifest[] => all.filter(({ kind }) => kind !== 'Deployment');
  expect(others(production)).toEqual(others(manifests('weft.yaml')));
  const env = (all: readonly Manifest[]): unknown =>
    all.flatMap(({ kind, ...rest }) =>
      kind === 'Deployment' ? JSON.stringify(rest).match(/"env":\[.*?\]/) : [],
    );
  expect(env(production)).toEqual(env(manifests('weft.yaml')));
});
