import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { deploy, load, namespace } from '../support/app.js';
import { apply, kubectl } from '../support/run.js';

const NS = 'e2e-rollout';

beforeAll(async () => {
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'server', replicas: 3 }, { namespace: NS, name: 'client' });
});

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

test('a rolling restart of the callee at 200 rps of GETs fails no request', async () => {
  const running = load(
    NS,
    'deploy/client',
    '-url',
    'http://server:8080/',
    '-rate',
    '200',
    '-duration',
    '40s',
  );
  await sleep(1000); // traffic flows before the restart; the count below shows it flowed throughout
  await kubectl('rollout', 'restart', '-n', NS, 'deployment/server');
  await kubectl('rollout', 'status', '-n', NS, 'deployment/server', '--timeout=35s');
  const report = await running;
  expect(report.requests).toBeGreaterThan(7000);
  expect(report.failures).toEqual({});
});
