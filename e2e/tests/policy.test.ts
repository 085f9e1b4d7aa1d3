import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { condition, trafficPolicy, waitForCondition } from '../support/policy.js';
import { apply, eventually, kubectl, kubectlRefused, run } from '../support/run.js';

const NS = 'e2e-policy';
const target = [{ kind: 'Service', name: 'server', port: 8080 }];

const yaml = (spec: object, name = 'bad'): string => JSON.stringify(trafficPolicy(NS, name, spec));
const refused = (spec: object): Promise<string> => kubectlRefused(['apply', '-f', '-'], yaml(spec));

beforeAll(async () => {
  await apply(namespace(NS));
  await deploy(
    { namespace: NS, name: 'server-v1', service: 'server', version: 'v1' },
    { namespace: NS, name: 'server-v2', service: 'server', version: 'v2' },
    { namespace: NS, name: 'client' },
  );
  await apply(
    trafficPolicy(NS, 'good', { targetRefs: target, routes: [{ split: [{ labels: { version: 'v2' } }] }] }),
  );
  await waitForCondition(NS, 'good', 'Accepted', 'True');
});

afterEachGoodStillWorks();

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

/** Whatever is wrong with the others, the good policy beside them keeps working. */
function afterEachGoodStillWorks(): void {
  afterEach(async () => {
    const report = await load(
      NS,
      'deploy/client',
      '-url',
      'http://server:8080/',
      '-count',
      '50',
      '-rate',
      '100',
    );
    expect(report.versions).toEqual({ v2: 50 });
  });
}

test('kubectl refuses an unknown field and names it', async () => {
  const said = await refused({ targetRefs: target, rutes: [] });
  expect(said).toMatch(/unknown field "spec\.rutes"/);
});

test('a client without strict validation gets a warning and the field is pruned', async () => {
  const said = await run('bash', ['-c', 'kubectl apply --validate=warn -f - 2>&1'], {
    input: yaml({ targetRefs: [{ kind: 'Service', name: 'elsewhere' }], rutes: [] }, 'pruned'),
  });
  expect(said).toMatch(/unknown field "spec\.rutes"/);
  expect(await kubectl('get', 'trafficpolicy', 'pruned', '-n', NS, '-o', 'jsonpath={.spec}')).not.toContain(
    'rutes',
  );
});

test('weft analyze reports the unknown field and the one that was probably meant', async () => {
  await run('npm', ['run', '--silent', 'build']);
  const said = await run('bash', ['-c', 'node dist/weft.mjs analyze -f - 2>&1 || true'], {
    input: yaml({ targetRefs: target, rutes: [] }),
  });
  expect(said).toMatch(/spec\.rutes/);
  expect(said).toMatch(/routes/);
});

test.each([
  [
    'weights that are all zero',
    { routes: [{ split: [{ labels: { version: 'v1' }, weight: 0 }] }] },
    /routes\[0\].*weight/s,
  ],
  ['a bad duration', { routes: [{ timeouts: { request: '2 seconds' } }] }, /timeouts/],
  [
    'a field that is not supported yet',
    { targetRefs: [{ kind: 'ExternalService', name: 'a' }] },
    /targetRefs.*not supported yet/s,
  ],
])('%s is refused, with the field and the remedy', async (_what, spec, message) => {
  expect(await refused({ targetRefs: target, ...spec })).toMatch(message);
});

test('a missing target is accepted into the status, and takes effect when the target appears', async () => {
  await apply(trafficPolicy(NS, 'early', { targetRefs: [{ kind: 'Service', name: 'late' }] }));
  const missing = await eventually('ResolvedRefs says what is missing', () =>
    condition(NS, 'early', 'ResolvedRefs'),
  );
  expect(missing).toMatchObject({ status: 'False', reason: 'TargetNotFound' });
  expect(missing.message).toMatch(/late/);
  await apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'late', namespace: NS },
    spec: { selector: { app: 'server' }, ports: [{ name: 'http', port: 8080 }] },
  });
  await eventually(
    'ResolvedRefs turns True',
    async () => (await condition(NS, 'early', 'ResolvedRefs'))?.status === 'True',
    20,
  );
});

test('the second policy on a target says that it lost, and to whom', async () => {
  await apply(
    trafficPolicy(NS, 'younger', {
      targetRefs: target,
      routes: [{ split: [{ labels: { version: 'v1' } }] }],
    }),
  );
  const lost = await eventually('the younger is judged', () => condition(NS, 'younger', 'Accepted'));
  expect(lost).toMatchObject({ status: 'False', reason: 'Conflicted' });
  expect(lost.message).toMatch(/good/);
});

test('a split to a Service that does not exist answers 500 for its share and says so', async () => {
  const routes = [{ split: [{ service: { name: 'nowhere' } }] }];
  await apply(trafficPolicy(NS, 'dangling', { targetRefs: [{ kind: 'Service', name: 'client' }], routes }));
  const dangling = await eventually('dangling is judged', () => condition(NS, 'dangling', 'ResolvedRefs'));
  expect(dangling).toMatchObject({ status: 'False', reason: 'BackendNotFound' });
  await eventually('its share is answered 500', async () => {
    const report = await load(
      NS,
      'deploy/client',
      '-url',
      'http://client:8080/',
      '-count',
      '5',
      '-rate',
      '50',
    );
    return report.statuses['500'] === 5;
  });
});

test('a policy that nobody uses says NoSubscribers rather than failing', async () => {
  const early = await eventually('early is programmed', () => condition(NS, 'early', 'Programmed'));
  expect(early).toMatchObject({ status: 'True', reason: 'NoSubscribers' });
});
