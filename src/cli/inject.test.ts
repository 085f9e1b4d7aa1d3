import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { inject } from './inject.js';

const settings = {
  revision: 'default',
  systemNamespace: 'weft-system',
  trustDomain: 'cluster.local',
  clusterDomain: 'cluster.local',
  image: 'docker.io/weft/weft:dev',
  proxyLog: 'info',
  scrapeAnnotations: false,
  resources: { cpuRequest: '10m', memoryRequest: '16Mi', memoryLimit: '128Mi' },
  nativeSidecar: true,
  podCertificates: { choice: 'Off' as const },
  capture: 'InitContainer' as const,
};

async function injected(
  text: string,
): Promise<{ readonly documents: unknown[]; readonly notes: readonly string[] }> {
  const file = join(await mkdtemp(join(tmpdir(), 'weft-')), 'manifests.yaml');
  await writeFile(file, text);
  const { manifests, notes } = await inject({ files: [file], settings });
  return { documents: parseAllDocuments(manifests).map((document) => document.toJS() as unknown), notes };
}

const GOLDEN = 'src/admission/inject/golden';

test('a pod comes out as the webhook patches it', async () => {
  const { documents } = await injected(await readFile(`${GOLDEN}/init-containers.pod.yaml`, 'utf8'));
  expect(documents).toEqual([parse(await readFile(`${GOLDEN}/init-containers.patched.yaml`, 'utf8'))]);
});

const workload = (kind: string, spec: string): string =>
  `kind: ${kind}\nmetadata: {name: web}\nspec: ${spec}\n`;
const template = '{template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: a}]}}}';
const PROXY = { initContainers: [{ name: 'weft-init' }, { name: 'weft-proxy' }] };

test('the pods of workloads get their proxy, and everything else stays as it is', async () => {
  const service = 'kind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n';
  const { documents, notes } = await injected(
    [
      service,
      workload('Deployment', template),
      workload('CronJob', `{jobTemplate: {spec: ${template}}}`),
    ].join('---\n'),
  );
  expect(documents[0]).toEqual(parse(service));
  expect(documents[1]).toMatchObject({ spec: { template: { spec: PROXY } } });
  expect(documents[2]).toMatchObject({ spec: { jobTemplate: { spec: { template: { spec: PROXY } } } } });
  expect(notes).toEqual([]);
});

test('injecting what is injected changes nothing', async () => {
  const once = await injected(workload('Deployment', template));
  const twice = await injected(JSON.stringify(once.documents[0]));
  expect(twice.documents).toEqual(once.documents);
});

test('what the webhook warns about, skips or refuses is said', async () => {
  const marked = template.replace('labels: {app: web}', "annotations: {weft.dev/opaque-port: '80'}");
  expect((await injected(workload('Deployment', marked))).notes).toEqual([
    'Deployment web: unknown annotation weft.dev/opaque-port; did you mean weft.dev/opaque-ports?',
  ]);
  const host = template.replace('spec: {', 'spec: {hostNetwork: true, ');
  expect((await injected(workload('Deployment', host))).notes).toEqual([
    expect.stringMatching(/^Deployment web: skipped: HostNetwork: /),
  ]);
  const bad = template.replace('labels: {app: web}', 'annotations: {weft.dev/weight: heavy}');
  await expect(injected(workload('Deployment', bad))).rejects.toThrow(
    /^Deployment web: weft cannot give this pod its proxy: annotation weft.dev\/weight/,
  );
});
