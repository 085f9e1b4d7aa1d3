import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ClusterFixture } from './cluster.fixture.js';
import { createPage } from './page.js';
import { readVersions, versionsText } from './versions.js';

let cluster: ClusterFixture;

beforeEach(async () => {
  cluster = await ClusterFixture.start();
});

afterEach(() => cluster.stop());

function plane(image: string): void {
  cluster.controlPlane({ spec: { template: { spec: { containers: [{ name: 'weft', image }] } } } });
}

function pod(name: string, image: string): void {
  cluster.server.put('/api/v1/pods', {
    metadata: { name, namespace: 'shop' },
    spec: { containers: [{ name: 'app', image: 'app:9' }], initContainers: [{ name: 'weft-proxy', image }] },
  });
}

test('both sides are told, and nothing is said where they agree', async () => {
  plane('registry.example:5000/weft/weft:dev');
  pod('a', 'registry.example:5000/weft/weft:dev');
  const versions = await readVersions(cluster.client);
  expect(versions).toMatchObject({
    client: 'dev',
    controlPlanes: [{ namespace: 'weft-system', revision: 'default', version: 'dev' }],
    proxies: [{ version: 'dev', pods: 1, example: 'shop/a' }],
    skew: [],
  });
  expect(versionsText(versions, createPage({ colours: false }))).toMatch(
    /^PART +VERSION.*\nweft +dev +this program\ncontrol plane +dev +weft-system\/weft-default, revision default\nproxies +dev +1 pod, such as shop\/a\n/,
  );
});

test('proxies and a program of other versions are named, with what to do', async () => {
  plane('weft/weft:0.2.0');
  pod('a', 'weft/weft:0.1.0');
  pod('b', 'weft/weft:0.1.0');
  pod('c', 'weft/weft:0.2.0');
  const { skew } = await readVersions(cluster.client);
  expect(skew).toEqual([
    expect.stringMatching(/^this program is dev and the control plane 0\.2\.0/),
    expect.stringMatching(/^2 pods with a proxy of 0\.1\.0, such as shop\/a: recreate them/),
  ]);
});

test.each(['weft/weft:main', 'registry.example/weft@sha256:0a1b2c'])(
  'what %s is nobody can say from its name, so no difference is claimed',
  async (image) => {
    plane(image);
    pod('a', image);
    const { skew, gaps } = await readVersions(cluster.client);
    expect(skew).toEqual([]);
    expect(gaps).toEqual([expect.stringMatching(/is (main|sha256:0a1b2c), which is not a version/)]);
  },
);

test('a cluster without a control plane is told so', async () => {
  expect((await readVersions(cluster.client)).skew).toEqual([
    expect.stringContaining('there is no control plane'),
  ]);
});

test('who may not list pods is told that the proxies are missing', async () => {
  plane('weft/weft:dev');
  cluster.server.refusing.set('/api/v1/pods', 403);
  const versions = await readVersions(cluster.client);
  expect(versions).toMatchObject({
    proxies: [],
    skew: [],
    gaps: [expect.stringContaining('"list" on pods')],
  });
  expect(versionsText(versions, createPage({ colours: false }))).toMatch(
    /\nnote: you may not list the pods of the cluster, so the versions of proxies are not known/,
  );
});
