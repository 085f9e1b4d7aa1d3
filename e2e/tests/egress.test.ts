import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deploy, inPod, load, namespace } from '../support/app.js';
import { request } from '../support/gateway.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import type { Condition } from '../support/policy.js';
import { apply, eventually, get, kubectl } from '../support/run.js';
import { weftObject } from '../support/policy.js';

const NS = 'e2e-egress';
/** Plays the outside: its Services are asked for by name, at an address where nobody is. */
const OUTSIDE = 'e2e-egress-outside';
/** Of TEST-NET-1 (RFC 5737): nothing is there, and the mesh knows nothing of it. */
const NOWHERE = '192.0.2.1';

const host = (name: string): string => `${name}.${OUTSIDE}.svc.cluster.local`;

const ask = (name: string, client = 'client'): Promise<string> =>
  inPod(NS, `deploy/${client}`, 'tls', '-address', `${NOWHERE}:443`, '-name', host(name));

const external = (name: string, spec: object): object => weftObject('ExternalService', NS, name, spec);

const policyOf = (word: string): Promise<string> =>
  kubectl('label', '--overwrite', 'namespace', NS, `weft.dev/outbound-policy=${word}`);

const TLS = { ports: [{ port: 443, protocol: 'TLS' }], privateAddresses: 'Allow' };

/** What the proxy of the client has counted. */
async function counted(labels: Record<string, string>): Promise<number> {
  const [client] = await podsOf(NS, 'app=client');
  return sum(await proxyMetrics(NS, client ?? ''), 'weft_egress_total', labels);
}

beforeAll(async () => {
  await apply([namespace(NS), namespace(OUTSIDE, {})]);
  const container = { args: ['--tls', ':7443'] };
  await deploy(
    { namespace: OUTSIDE, name: 'bank', container },
    { namespace: NS, name: 'client' },
    { namespace: NS, name: 'server' },
  );
  await apply(
    ['secure', 'hidden'].map((name) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: OUTSIDE },
      spec: { selector: { app: 'bank' }, ports: [{ name: 'tls', port: 443, targetPort: 7443 }] },
    })),
  );
  await apply(external('secure', { hosts: [host('secure')], ...TLS }));
  await policyOf('RegistryOnly');
  await kubectl('wait', '-n', NS, '--for=condition=Accepted', 'externalservice/secure', '--timeout=60s');
});

afterAll(() => kubectl('delete', 'namespace', NS, OUTSIDE, '--wait=false'));

test('what is declared is reached where its name leads, whatever was dialled', async () => {
  const said = await eventually('the declaration acts', () => ask('secure').catch(() => undefined));
  expect(said).toContain(host('secure'));
  expect(await counted({ verdict: 'allowed', service: `${NS}/secure` })).toBeGreaterThanOrEqual(1);
});

test('what is not declared is refused, counted by host, and Services are reached as before', async () => {
  await expect(ask('hidden')).rejects.toThrow();
  expect(await counted({ verdict: 'refused', host: host('hidden') })).toBeGreaterThanOrEqual(1);
  const report = await load(NS, 'deploy/client', '-url', `http://server.${NS}:8080/`, '-count', '5');
  expect(report.statuses['200']).toBe(5);
});

test('who may not use it is refused, until it may', async () => {
  await apply(external('hidden', { hosts: [host('hidden')], ...TLS, serviceAccounts: ['payments'] }));
  await eventually('the refusal has its reason', async () => {
    await ask('hidden').catch(() => undefined);
    return (await counted({ reason: 'external-service-not-permitted' })) > 0;
  });
  await expect(ask('hidden')).rejects.toThrow();
  await apply(
    external('hidden', {
      hosts: [host('hidden')],
      ...TLS,
      serviceAccounts: ['payments', 'client', 'default'],
    }),
  );
  await eventually('it may', () => ask('hidden').catch(() => undefined));
});

test('a name that leads inside is refused where nobody declared that it may', async () => {
  await apply(external('secure', { hosts: [host('secure')], ports: TLS.ports }));
  await eventually('the refusal has its reason', async () => {
    await ask('secure').catch(() => undefined);
    return (await counted({ reason: 'private-address', host: host('secure') })) > 0;
  });
  await expect(ask('secure')).rejects.toThrow();
});

test('a rehearsal counts what would be refused, by host', async () => {
  await policyOf('DryRunRegistryOnly');
  const node = await kubectl('get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[0].address}');
  const rehearsed = (): Promise<string> =>
    inPod(NS, 'deploy/client', 'tls', '-address', `${node}:6443`, '-name', 'api.example.com');
  await eventually('it is counted', async () => {
    // Whether the server likes the name is not what this asks.
    await rehearsed().catch(() => undefined);
    return (await counted({ verdict: 'would-refuse', host: 'api.example.com' })) > 0;
  });
});

test('an object says what became of it', async () => {
  const found = await get<{ status?: { conditions?: readonly Condition[] } }>(
    'externalservice',
    'secure',
    '-n',
    NS,
  );
  const accepted = found.status?.conditions?.find(({ type }) => type === 'Accepted');
  expect(accepted?.status).toBe('True');
});

describe('TLS that the proxy opens to the API server, which plays the outside', () => {
  const API = 'kubernetes.default.svc.cluster.local';
  const version = () => request(NS, 'deploy/client', `http://${NOWHERE}/version`, '-host', API);

  const trusting = (configMap: string, tls: object = {}): Promise<unknown> =>
    apply(
      external('api-server', {
        hosts: ['*.default.svc.cluster.local'],
        privateAddresses: 'Allow',
        ports: [
          {
            port: 80,
            protocol: 'HTTP',
            tls: {
              mode: 'Originate',
              caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: configMap }],
              ...tls,
            },
          },
        ],
      }),
    );

  const arrives = () =>
    eventually('it arrives', async () => {
      const response = await version().catch(() => undefined);
      return response?.status === 200 && response;
    });

  const isRefused = () =>
    eventually('it is refused', async () => {
      const response = await version().catch(() => undefined);
      return response?.status === 503 && response.headers['x-weft-reason'] === 'tls-failed';
    });

  test.each(['RegistryOnly', 'DryRunRegistryOnly', 'AllowAny'])('under %s', async (policy) => {
    await policyOf(policy);
    await trusting('kube-root-ca.crt');
    const { body } = await arrives();
    expect(JSON.parse(body)).toMatchObject({ gitVersion: expect.stringMatching(/^v1\./) });
    await trusting('gone');
    await isRefused();
    await trusting('kube-root-ca.crt', {
      subjectAltNames: [{ type: 'Hostname', hostname: 'other.example.org' }],
    });
    await isRefused();
  });

  test('an authority that is not there stands in the status', async () => {
    await trusting('gone');
    await eventually('its status says so', async () => {
      const found = await get<{ status?: { conditions?: readonly Condition[] } }>(
        'externalservice',
        'api-server',
        '-n',
        NS,
      );
      const resolved = found.status?.conditions?.find(({ type }) => type === 'ResolvedRefs');
      return resolved?.status === 'False' && resolved.reason === 'InvalidCACertificateRef';
    });
  });
});
