import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, namespace } from '../support/app.js';
import { trafficPolicy, waitForCondition, weftObject } from '../support/policy.js';
import { apply, kubectl, run } from '../support/run.js';
import { weftSaid } from '../support/weft.js';

// What people ask before they apply something, and when they ask others for help.

const NS = 'e2e-analyze';
const targetRefs = [{ kind: 'Service', name: 'server', port: 8080 }];

/** Output and exit code of a command that may find something. */
const weft = (args: string, input = ''): ReturnType<typeof weftSaid> => weftSaid(args.split(' '), { input });

beforeAll(async () => {
  await run('npm', ['run', '--silent', 'build']);
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'server', service: 'server' }, { namespace: NS, name: 'client' });
});

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

const policy = JSON.stringify(
  trafficPolicy(NS, 'slow', { targetRefs, routes: [{ name: 'all', timeouts: { request: '2s' } }] }),
);

test('a change is told before it is applied, and is none after it', async () => {
  const before = await weft('diff -f -', policy);
  expect(before.code).toBe(1);
  expect(before.text).toContain(`Service ${NS}/server:8080, callers everywhere`);
  expect(before.text).toContain('+ route all: timeouts.request: 2s');
  expect(await kubectl('get', 'trafficpolicies', '-n', NS, '-o', 'name')).toBe('');
  await apply(JSON.parse(policy) as object);
  await waitForCondition(NS, 'slow', 'Accepted', 'True');
  expect(await weft('diff -f -', policy)).toMatchObject({ code: 0 });
  expect((await weft('diff --delete -f -', policy)).text).toContain('- route all: timeouts.request: 2s');
});

test('whom mode Strict would keep out is told', async () => {
  const strict = weftObject('MeshTLSPolicy', NS, 'all', { mode: 'Strict' });
  const { text, code } = await weft('diff -f -', JSON.stringify(strict));
  expect(code).toBe(1);
  expect(text).toMatch(
    new RegExp(`refused from now on: plain -> ${NS}/server:\\d+: bytes.*mTLS mode Strict`),
  );
});

test('mistakes of running objects are found by their codes', async () => {
  expect((await weft(`analyze -n ${NS} --strict`)).text).not.toContain('WEFT201');
  await apply(trafficPolicy(NS, 'lost', { targetRefs: [{ kind: 'Service', name: 'servre' }] }));
  const { text, code } = await weft(`analyze -n ${NS}`);
  expect(code).toBe(1);
  expect(text).toMatch(
    new RegExp(`TrafficPolicy ${NS}/lost \\(cluster\\)\\n  spec\\.targetRefs\\[0\\]: .*\\[WEFT201\\]`),
  );
});

test('a report has the logs of the control plane and of proxies, and its parts could be read', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'weft-')), 'report.tar.gz');
  expect(await weft(`bug-report -n ${NS} -f ${file}`)).toMatchObject({
    code: 0,
    text: expect.not.stringContaining('could not be read'),
  });
  const names = await run('tar', ['tzf', file]);
  expect(names).toMatch(/logs\/weft-system\/weft-default-[^/]+\.log/);
  expect(names).toMatch(new RegExp(`logs/${NS}/server-[^/]+\\.weft-proxy\\.log`));
  const all = await run('tar', ['xzOf', file]);
  expect(all).not.toMatch(/PRIVATE KEY|eyJ[A-Za-z0-9_-]{10,}\./);
});

test('both sides are told, and kubectl finds the program as its own', async () => {
  const { text, code } = await weft('version');
  expect(code).toBe(0);
  expect(text).toMatch(/^PART +VERSION/);
  expect(text).toMatch(/control plane +\S+ +weft-system\/weft-default, revision default/);
  const folder = await mkdtemp(join(tmpdir(), 'weft-'));
  const help = await run('bash', [
    '-c',
    `ln -s "$PWD/dist/weft.mjs" ${folder}/kubectl-weft && PATH="$PWD/node_modules/.bin:${folder}:$PATH" kubectl weft --help`,
  ]);
  expect(help).toMatch(/^Usage: kubectl weft /);
});
