import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ownKinds } from '../controller/index.js';
import { analyze } from './analyze/index.js';
import { ClusterFixture } from './cluster.fixture.js';
import { demandNamespace, demandRevision } from './control-planes.js';
import { createPage, printable } from './page.js';
import { program } from './program.js';
import { status } from './status.js';

const page = createPage({ colours: false });
let cluster: ClusterFixture;

beforeEach(async () => {
  cluster = await ClusterFixture.start();
});

afterEach(() => cluster.stop());

const accepted = {
  type: 'Accepted',
  status: 'True',
  reason: 'Accepted',
  message: 'fine',
  observedGeneration: 1,
};
const missing = {
  type: 'ResolvedRefs',
  status: 'False',
  reason: 'TargetNotFound',
  message: 'Service shop/x does not exist',
  observedGeneration: 1,
};

test('status shows conditions with their reasons, and pods by namespace', async () => {
  cluster.namespace('shop');
  cluster.namespace('quiet', {});
  cluster.pod('a', true);
  cluster.pod('b', false);
  cluster.policy('reviews', [accepted, missing]);
  const text = await status({ client: cluster.client, page, output: 'text', revision: 'default' });
  expect(text).toMatch(
    /NAMESPACE +KIND +NAME +ACCEPTED +RESOLVED +PROGRAMMED\nshop +TrafficPolicy +reviews +yes +no \(TargetNotFound\) +not yet/,
  );
  expect(text).toContain('shop/reviews Service shop/x does not exist');
  expect(text).toMatch(/NAMESPACE +PODS +MESHED +READY +WITHOUT PROXY\nshop +2 +1 +1 +b/);
  expect(text).not.toContain('quiet');
});

test('status and analyze show every kind of ours that is judged', async () => {
  for (const { resource, api } of ownKinds()) {
    const at = api.scope === 'Namespaced' ? { namespace: 'shop' } : {};
    cluster.server.put(`/apis/${resource.apiVersion}/${resource.plural}`, {
      metadata: { name: 'one', ...at },
      spec: {},
      status: { conditions: [missing] },
    });
  }
  const shown = await status({ client: cluster.client, page, output: 'text', revision: 'default' });
  const { text } = await analyze({ files: [], client: () => cluster.client, page });
  for (const { api } of ownKinds()) {
    if (api.scope === 'Namespaced') expect(shown).toMatch(new RegExp(`shop +${api.kind} +one +not yet`));
    const title = `${api.kind} ${api.scope === 'Namespaced' ? 'shop/' : ''}one (cluster)`;
    expect(text).toContain(title);
    expect(text.slice(text.indexOf(title))).toMatch(/status\.ResolvedRefs: TargetNotFound: Service shop\/x/);
  }
});

test('status of a namespace names who calls in plain text, by pod where the address is one', async () => {
  cluster.namespace('shop');
  cluster.pod('a', true);
  cluster.pod('b', true);
  cluster.server.put('/api/v1/pods', {
    metadata: { name: 'scraper', namespace: 'tools' },
    spec: { containers: [{ name: 'app' }] },
    status: { phase: 'Running', podIPs: [{ ip: '10.244.0.9' }] },
  });
  const calls = 'weft_plain_connections_total{destination="shop/reviews:9080"';
  const metrics = [
    `${calls},address="10.244.0.9",verdict="would-refuse"} 7`,
    `${calls},address="192.0.2.1",verdict="refused"} 2`,
    'weft_requests_total{address="10.244.0.9"} 100',
  ];
  cluster.server.onGet('/api/v1/namespaces/shop/pods/a:15121/proxy/metrics', () => metrics.join('\n'));
  const options = { client: cluster.client, page, namespace: 'shop', revision: 'default' };
  const text = await status({ ...options, output: 'text' });
  expect(text).toMatch(/tools\/scraper +10\.244\.0\.9 +shop\/reviews:9080 +7 +0/);
  expect(text).toMatch(/- +192\.0\.2\.1 +shop\/reviews:9080 +0 +2/);
  expect(text).toMatch(/1 proxy did not answer, such as that of shop\/b: /);
  const { plain } = JSON.parse(await status({ ...options, output: 'json' })) as { plain: object };
  expect(plain).toMatchObject({
    asked: 1,
    callers: [{ pod: 'tools/scraper', wouldRefuse: 7 }, { refused: 2 }],
  });
});

test('status as JSON is for programs', async () => {
  cluster.policy('reviews', [{ ...accepted, observedGeneration: 0 }]);
  const report = JSON.parse(
    await status({ client: cluster.client, page, output: 'json', revision: 'default' }),
  ) as object;
  expect(report).toMatchObject({
    policies: [{ namespace: 'shop', name: 'reviews', outdated: true }],
    namespaces: [],
  });
});

test('analyze reads files with many documents and names object, field and remedy', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'weft-')), 'policies.yaml');
  const head =
    'apiVersion: weft.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: NAME, namespace: shop}\n';
  const good = 'spec: {targetRefs: [{kind: Service, name: reviews}]}\n';
  const bad = 'spec: {targetRefs: [{kind: Service, name: reviews}], rotues: []}\n';
  await writeFile(
    file,
    `${head.replace('NAME', 'good')}${good}---\n${head.replace('NAME', 'bad')}${bad}---\n`,
  );
  const { ok, text } = await analyze({ files: [file], client: () => cluster.client, page });
  expect(ok).toBe(false);
  expect(text).toBe(
    `TrafficPolicy shop/bad (${file})\n  spec.rotues: unknown field "rotues"; did you mean routes? [WEFT102, line 9]\n1 error in 2 objects.`,
  );
});

test('analyze finds in the cluster what the API server dropped, by what kubectl left', async () => {
  const applied = {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name: 'reviews', namespace: 'shop' },
    spec: { targetRefs: [{ kind: 'Service', name: 'reviews' }], typo: 1 },
  };
  cluster.policy('reviews', [], {
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(applied) },
  });
  const { ok, text } = await analyze({ files: [], client: () => cluster.client, page });
  expect(ok).toBe(false);
  expect(text).toContain('spec.typo: unknown field "typo"');
});

test('analyze finds in the cluster what only the operator knows, and leaves what passes by itself', async () => {
  putService(cluster, 'reviews');
  putService(cluster, 'ratings');
  const programmed = { type: 'Programmed', status: 'False', observedGeneration: 1 };
  cluster.policy('refused', [
    accepted,
    { ...programmed, reason: 'Rejected', message: 'rejected by 2 of 2: shop/a' },
  ]);
  const ratings = { spec: { targetRefs: [{ kind: 'Service', name: 'ratings' }] } };
  cluster.policy('new', [accepted, { ...programmed, reason: 'Pending', message: '0 of 1' }], ratings);
  const { ok, text } = await analyze({ files: [], client: () => cluster.client, page });
  expect(ok).toBe(false);
  expect(text).toBe(
    'TrafficPolicy shop/refused (cluster)\n  status.Programmed: Rejected: rejected by 2 of 2: shop/a [WEFT212]\n1 error in 4 objects.',
  );
});

test('what the judges say of an object, its status does not repeat', async () => {
  const words = 'spec.targetRefs[0]: Service shop/reviews does not exist';
  cluster.policy('lost', [accepted, { ...missing, message: words }]);
  const { text } = await analyze({ files: [], client: () => cluster.client, page });
  expect(text).toMatch(
    /^TrafficPolicy shop\/lost \(cluster\)\n  spec\.targetRefs\[0\]: .*\[WEFT201\]\n1 error in 1 object\.$/,
  );
});

test('of one namespace only its own objects are reported, whatever they refer to', async () => {
  cluster.policy('lost', []);
  cluster.namespace('shop');
  cluster.namespace('other');
  const at = (namespace: string) => analyze({ files: [], client: () => cluster.client, page, namespace });
  expect((await at('other')).ok).toBe(true);
  cluster.client.close();
  expect((await at('shop')).text).toContain('TrafficPolicy shop/lost');
});

test('what may not be read is told, and nothing is said to be missing', async () => {
  cluster.policy('lost', [accepted]);
  cluster.server.refusing.set('/api/v1/services', 403);
  const { ok, text } = await analyze({ files: [], client: () => cluster.client, page });
  expect(ok).toBe(true);
  expect(text).toMatch(/^No problems found.*\nnote: .*services.*; what refers to it was not judged$/s);
});

const PAIR = `# two routes
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: reviews, namespace: shop}
spec:
  targetRefs: [{kind: Service, name: reviews}]
  routes:
    - timeouts: {request: 1s}
    - match: [{method: GET}]
`;

test('analyze reads folders, and says of each finding where it is, for people and for programs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-'));
  await mkdir(join(folder, 'below'));
  await writeFile(join(folder, 'below', 'a.yaml'), PAIR);
  await writeFile(join(folder, 'README.md'), 'spec: [');
  const as = (output: 'text' | 'json' | 'sarif', strict = false) =>
    analyze({ files: [folder], client: () => cluster.client, page, output, strict });
  expect(await as('text')).toMatchObject({
    ok: true,
    text: expect.stringMatching(
      /^TrafficPolicy shop\/reviews \(.*below\/a\.yaml\)\n  spec\.routes\[1\]: warning: never gets a request.*\[WEFT301, line 9\]\n1 warning in 1 object\.$/,
    ),
  });
  const json = JSON.parse((await as('json')).text) as object;
  expect(json).toMatchObject({
    objects: 1,
    findings: [
      { code: 'WEFT301', severity: 'warning', path: 'spec.routes[1]', source: { line: 9, column: 7 } },
    ],
  });
  const { runs } = JSON.parse((await as('sarif')).text) as { runs: { tool: object; results: object[] }[] };
  expect(runs[0]).toMatchObject({
    tool: {
      driver: { name: 'weft', rules: [{ id: 'WEFT301', defaultConfiguration: { level: 'warning' } }] },
    },
    results: [
      {
        ruleId: 'WEFT301',
        ruleIndex: 0,
        level: 'warning',
        locations: [{ physicalLocation: { region: { startLine: 9, startColumn: 7 } } }],
      },
    ],
  });
  expect((await as('text', true)).ok).toBe(false);
});

test('a note never fails anything', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'weft-')), 'a.yaml');
  await writeFile(
    file,
    PAIR.replace('    - match: [{method: GET}]\n', '').replace('request: 1s', 'request: 1s, idle: 1s'),
  );
  const { ok, text } = await analyze({ files: [file], client: () => cluster.client, page, strict: true });
  expect(ok).toBe(true);
  expect(text).toMatch(
    /spec\.routes\[0\]\.timeouts\.idle: note: .*\[WEFT337, line 8\]\n1 note in 1 object\.$/,
  );
});

test('a Service whose port says one thing and is another is a warning, in files and in meshed namespaces', async () => {
  const ports = [{ name: 'http', port: 443 }];
  const object = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { ports },
  };
  const file = join(await mkdtemp(join(tmpdir(), 'weft-')), 'service.yaml');
  await writeFile(file, JSON.stringify(object));
  cluster.namespace('shop');
  for (const namespace of ['shop', 'unmeshed']) {
    cluster.server.put('/api/v1/services', { ...object, metadata: { name: 'web', namespace } });
  }
  for (const files of [[file], []]) {
    const { ok, text } = await analyze({ files, client: () => cluster.client, page });
    expect(ok).toBe(true);
    expect(text).toMatch(
      /^Service shop\/web .*\n  spec.ports: warning: port 443: the name "http" declares plain HTTP.*\[WEFT501/,
    );
    expect(text).toMatch(/1 warning in \d objects?\.$/);
  }
});

test('an annotation that is not what kubectl writes breaks nothing', async () => {
  putService(cluster, 'reviews');
  cluster.policy('odd', [accepted], {
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{' },
  });
  expect(await analyze({ files: [], client: () => cluster.client, page })).toMatchObject({ ok: true });
});

test('a namespace that does not exist is named, with the one that was meant', async () => {
  cluster.namespace('shop');
  await expect(demandNamespace(cluster.client, 'shop', 'weft status')).resolves.toBeUndefined();
  await expect(demandNamespace(cluster.client, 'shpo', 'weft status')).rejects.toThrow(
    'namespace shpo does not exist; try: weft status -n shop',
  );
  await expect(demandNamespace(cluster.client, 'elsewhere', 'weft status')).rejects.toThrow(
    'namespace elsewhere does not exist; to see those there are: kubectl get namespaces',
  );
});

test('a revision that does not exist is named, with one that does', async () => {
  await expect(demandRevision(cluster.client, 'canary', 'weft status')).resolves.toBeUndefined();
  cluster.controlPlane();
  await expect(demandRevision(cluster.client, 'default', 'weft status')).resolves.toBeUndefined();
  await expect(demandRevision(cluster.client, 'canary', 'weft status')).rejects.toThrow(
    'there is no control plane of revision canary; there is: default; try: weft status --revision default',
  );
});

test('a namespace beside its option is told apart', async () => {
  const weft = program().exitOverride();
  for (const command of weft.commands) command.exitOverride();
  weft.configureOutput({ writeErr: () => undefined });
  await expect(weft.parseAsync(['node', 'weft', 'status', 'shop'])).rejects.toThrow(
    'the namespace is an option: weft status -n shop',
  );
});

test('analyze says which file it cannot read', async () => {
  await expect(analyze({ files: ['/nowhere.yaml'], client: () => cluster.client, page })).rejects.toThrow(
    /cannot read \/nowhere.yaml/,
  );
});

test('every command explains itself', () => {
  for (const command of program().commands) expect(command.description()).not.toBe('');
  expect(program().commands.map((command) => command.name())).toEqual(
    expect.arrayContaining(['controller', 'check', 'status', 'analyze', 'inject', 'dashboard']),
  );
});

test('what a cluster says moves no cursor and turns no text around, and keeps its lines and our colours', () => {
  const esc = '\u001b';
  expect(printable(`a\nb\t${esc}[31mred${esc}[39m`)).toBe(`a\nb\t${esc}[31mred${esc}[39m`);
  expect(printable(`x${esc}[2J${esc}]0;title\u0007y\rz\u009b1A\u202egpj.exe`)).toBe(
    'x[2J]0;titleyz1Agpj.exe',
  );
});

function putService({ server }: ClusterFixture, name: string): void {
  const spec = { clusterIP: '10.96.0.1', ports: [{ name: 'http', port: 80 }] };
  server.put('/api/v1/services', { metadata: { name, namespace: 'shop' }, spec });
}
