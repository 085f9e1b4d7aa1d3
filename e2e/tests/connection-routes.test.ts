import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deploy, inPod, namespace } from '../support/app.js';
import { installGatewayApi, parent, routeCondition, tcpRoute, tlsRoute } from '../support/gateway.js';
import { apply, eventually, kubectl } from '../support/run.js';

const NS = 'e2e-connection-routes';
const DATA = 'e2e-connection-routes-data';

const service = (name: string, app: string, rest: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: NS, ...rest },
  spec: {
    selector: { app },
    ports: [
      { name: 'tcp-greet', port: 7001 },
      { name: 'tls', port: 443, targetPort: 7443 },
    ],
  },
});

/** Which application greets who connects to the front. */
async function greeter(): Promise<string> {
  const said = await inPod(NS, 'deploy/client', 'tcp', '-address', 'front:7001', '-greet');
  return /: 220 (\S+)/.exec(said)?.[1] ?? said;
}

/** Which application answers TLS with a server name at the front. */
const ask = (name: string): Promise<string> =>
  inPod(NS, 'deploy/client', 'tls', '-address', 'front:443', '-name', name);

const greets = (name: string): Promise<true> =>
  eventually(`${name} greets`, async () => (await greeter()) === name || undefined);

const backend = (name: string, weight = 1, rest: object = {}): object => ({
  name,
  port: 7001,
  weight,
  ...rest,
});

async function tcp(name: string, backendRefs: object[]): Promise<void> {
  await apply(
    tcpRoute(NS, name, { parentRefs: [parent('front', { port: 7001 })], rules: [{ backendRefs }] }),
  );
}

beforeAll(async () => {
  await installGatewayApi();
  await apply([namespace(NS), namespace(DATA)]);
  const container = { args: ['--greet', ':7001', '--tls', ':7443'] };
  await deploy(
    { namespace: NS, name: 'one', version: 'one', container },
    { namespace: NS, name: 'two', version: 'two', container },
    { namespace: DATA, name: 'three', container },
    { namespace: NS, name: 'client' },
  );
  await apply([service('front', 'one'), service('one-tls', 'one'), service('two-tls', 'two')]);
});

afterAll(() => kubectl('delete', 'namespace', NS, DATA, '--wait=false', '--ignore-not-found'));

describe('TCPRoute', () => {
  test('sends the connections to a Service elsewhere, and by weight', async () => {
    expect(await greeter()).toBe('one');
    await tcp('r', [backend('two')]);
    await routeCondition({ namespace: NS, name: 'r', kind: 'TCPRoute' }, 'Accepted', 'True');
    await greets('two');
    await tcp('r', [backend('one'), backend('two')]);
    const seen = new Set<string>();
    await eventually('both greet', async () => seen.add(await greeter()).size === 2 || undefined);
    await tcp('r', [backend('one', 1), backend('two', 0)]);
    await greets('one');
    for (let i = 0; i < 5; i++) expect(await greeter()).toBe('one');
  });

  test('a backend in another namespace waits for its grant; until then the connection is reset', async () => {
    await tcp('r', [backend('three', 1, { namespace: DATA })]);
    const refs = await routeCondition(
      { namespace: NS, name: 'r', kind: 'TCPRoute' },
      'ResolvedRefs',
      'False',
    );
    expect(refs.reason).toBe('RefNotPermitted');
    await eventually('nobody greets', () =>
      greeter().then(
        () => undefined,
        () => true,
      ),
    );
    await apply({
      apiVersion: 'gateway.networking.k8s.io/v1beta1',
      kind: 'ReferenceGrant',
      metadata: { name: 'front', namespace: DATA },
      spec: {
        from: [{ group: 'gateway.networking.k8s.io', kind: 'TCPRoute', namespace: NS }],
        to: [{ group: '', kind: 'Service' }],
      },
    });
    await greets('three');
  });

  test('of two the oldest acts, the other says so and takes over', async () => {
    await tcp('r', [backend('one')]);
    await greets('one');
    await tcp('younger', [backend('two')]);
    const lost = await routeCondition(
      { namespace: NS, name: 'younger', kind: 'TCPRoute' },
      'Accepted',
      'False',
    );
    expect([lost.reason, lost.message]).toEqual(['Conflicted', expect.stringContaining(`TCPRoute ${NS}/r`)]);
    expect(await greeter()).toBe('one');
    await kubectl('delete', 'tcproute', 'r', '-n', NS);
    await greets('two');
    await kubectl('delete', 'tcproute', 'younger', '-n', NS);
    await greets('one');
  });
});

test('a TLSRoute sends TLS where its server name says, unopened, and refuses other names', async () => {
  const route = (name: string, hostnames: string[], to: string): object =>
    tlsRoute(NS, name, {
      parentRefs: [parent('front', { port: 443 })],
      hostnames,
      rules: [{ backendRefs: [{ name: to, port: 443 }] }],
    });
  await apply([
    route('all', ['*.example.org'], 'one-tls'),
    route('reports', ['reports.example.org'], 'two-tls'),
  ]);
  await routeCondition({ namespace: NS, name: 'reports', kind: 'TLSRoute' }, 'Accepted', 'True');
  await eventually('the routes act', async () => (await ask('reports.example.org')).startsWith('two'));
  expect(await ask('reports.example.org')).toBe('two for reports.example.org');
  expect(await ask('a.example.org')).toBe('one for a.example.org');
  await expect(ask('example.com')).rejects.toThrow();
});
