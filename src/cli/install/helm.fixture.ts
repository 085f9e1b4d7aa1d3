import { readFile } from 'node:fs/promises';
import { MeshError } from '../../base/index.js';
import type { Helm } from './helm.js';

type Flat = Readonly<Record<string, string>>;

/** For tests: Helm with a chart of one Deployment, which does nothing to a cluster but what `does` does. */
export class HelmFixture {
  /** What it was asked to tell or to change, with the folder of the charts as `CHARTS`. */
  readonly asked: string[] = [];
  /** Values that it tells of the release. */
  values: object | null = {};
  /** What it has of the release: by default the service account that revisions share, as the chart has it. */
  manifest = account({ 'helm.sh/resource-policy': 'keep' });
  /** Those that it knows. */
  releases: readonly string[] = ['weft'];
  does: (words: readonly string[]) => void | Promise<void> = () => undefined;

  readonly run: Helm = async (words) => {
    const [verb = '', release = ''] = words;
    if (verb === 'template') return release === 'weft-crds' ? '' : objects(await valuesOf(words));
    if (verb === 'status') return this.#status(release);
    if (verb === 'get' && release === 'manifest') return this.manifest;
    this.asked.push(words.map((word) => word.replace(/^\/.*\/(weft(-crds)?)$/, 'CHARTS/$1')).join(' '));
    await this.does(words);
    return verb === 'get' ? JSON.stringify(this.values) : '';
  };

  #status(release: string): string {
    if (this.releases.includes(release)) return '';
    throw new MeshError('precondition', 'helm status: Error: release: not found');
  }
}

/** The service account that revisions share, as a release has it. */
export function account(annotations: object): string {
  const object = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'weft', annotations } };
  return `---\n${JSON.stringify(object)}\n`;
}

/** Values of files, and what `--set` sets over them, by their paths. */
async function valuesOf(words: readonly string[]): Promise<Flat> {
  const after = (option: string): readonly string[] => words.filter((_, at) => words[at - 1] === option);
  const files = await Promise.all(
    after('--values').map(async (file) => flat(JSON.parse(await readFile(file, 'utf8').catch(() => '{}')))),
  );
  const set = after('--set').map((one) => one.split('='));
  return Object.assign({}, ...files, Object.fromEntries(set)) as Flat;
}

function flat(value: unknown, path = ''): Flat {
  if (typeof value !== 'object' || value === null) return path === '' ? {} : { [path]: String(value) };
  const all = Object.entries(value).map(([key, inner]) => flat(inner, path === '' ? key : `${path}.${key}`));
  return Object.assign({}, ...all) as Flat;
}

/** As the chart has it, with the defaults that matter. */
function objects(values: Flat): string {
  const given = (part: string): Flat =>
    Object.fromEntries(
      ['cpu', 'memory'].flatMap((resource) => {
        const amount = values[`resources.${part}.${resource}`];
        return amount === undefined ? [] : [[resource, amount]];
      }),
    );
  const tag = values['image.tag'] ?? '';
  const cluster = ['ClusterRole', 'MutatingWebhookConfiguration', 'ValidatingAdmissionPolicy'];
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'weft-default', namespace: 'weft-system' },
      spec: {
        replicas: Number(values['replicas'] ?? 2),
        template: {
          spec: {
            containers: [
              {
                image: `docker.io/weft/weft:${tag === '' ? '0.2.0' : tag}`,
                resources: {
                  requests: { cpu: '100m', memory: '256Mi', ...given('requests') },
                  limits: { memory: '1536Mi', ...given('limits') },
                },
              },
            ],
          },
        },
      },
    },
    ...cluster.map((kind) => ({
      apiVersion: kind === 'ClusterRole' ? 'rbac.authorization.k8s.io/v1' : 'admissionregistration.k8s.io/v1',
      kind,
      metadata: { name: 'weft-default' },
    })),
  ]
    .map((object) => `---\n${JSON.stringify(object)}\n`)
    .join('');
}
