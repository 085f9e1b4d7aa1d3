import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, inPod, namespace } from '../support/app.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { trafficPolicy } from '../support/policy.js';
import { apply, eventually, kubectl } from '../support/run.js';

const NS = 'e2e-server-names';

/** Which version answers for a name. */
const ask = (name: string): Promise<string> =>
  inPod(NS, 'deploy/client', 'tls', '-address', 'secure:443', '-name', name);

beforeAll(async () => {
  await apply(namespace(NS));
  const container = { args: ['--tls', ':7443'] };
  await deploy(
    { namespace: NS, name: 'one', service: 'tls', version: 'one', container },
    { namespace: NS, name: 'two', service: 'tls', version: 'two', container },
    { namespace: NS, name: 'client' },
  );
  await apply([
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'secure', namespace: NS },
      spec: { selector: { app: 'tls' }, ports: [{ name: 'tls', port: 443, targetPort: 7443 }] },
    },
    trafficPolicy(NS, 'secure', {
      targetRefs: [{ kind: 'Service', name: 'secure', port: 443 }],
      routes: [
        {
          name: 'reports',
          match: [{ serverNames: ['reports.example.org'] }],
          split: [{ labels: { version: 'one' } }],
        },
        {
          name: 'tenants',
          match: [{ serverNames: ['*.example.org'] }],
          split: [{ labels: { version: 'two' } }],
        },
      ],
    }),
  ]);
});

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

test('TLS that nobody opens goes where its server name says, and the route is counted', async () => {
  await eventually('the policy acts', async () => {
    const first = await ask('reports.example.org');
    return first === 'one for reports.example.org' && (await ask('a.example.org')).startsWith('two');
  });
  for (let i = 0; i < 5; i++) {
    expect(await ask('reports.example.org')).toBe('one for reports.example.org');
    expect(await ask('b.example.org')).toBe('two for b.example.org');
  }
  const [client] = await podsOf(NS, 'app=client');
  const samples = await proxyMetrics(NS, client ?? '');
  for (const route of ['reports', 'tenants']) {
    expect(sum(samples, 'weft_tcp_connections_total', { route })).toBeGreaterThanOrEqual(5);
  }
});

test('a name that no route has reaches nobody', async () => {
  await expect(ask('example.com')).rejects.toThrow();
});
