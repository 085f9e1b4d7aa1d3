import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deploy, namespace } from '../support/app.js';
import {
  type Calls,
  call,
  grpcRoute,
  httpRoute,
  installGatewayApi,
  parent,
  routeCondition,
} from '../support/gateway.js';
import { apply, eventually, kubectl } from '../support/run.js';

const NS = 'e2e-gateway-grpc';
const SERVICE = 'grpc.testing.TestService';

const ask = (method: string, ...flags: string[]): Promise<Calls> =>
  call(NS, 'deploy/client', '-address', 'front:9090', '-method', `/${method}`, ...flags);
const backend = (name: string, rest: object = {}): object => ({ name, port: 9090, ...rest });
const version = async (method: string, ...flags: string[]): Promise<string | undefined> =>
  Object.keys((await ask(method, ...flags)).versions)[0];

async function routeTo(rules: object[], acts: () => Promise<boolean>): Promise<void> {
  await apply(grpcRoute(NS, 'front', { parentRefs: [parent('front', { port: 9090 })], rules }));
  await routeCondition({ namespace: NS, name: 'front', kind: 'GRPCRoute' }, 'Accepted', 'True');
  await eventually('the route acts', acts, 15);
}

beforeAll(async () => {
  await installGatewayApi();
  await apply(namespace(NS));
  await deploy(
    { namespace: NS, name: 'front' },
    { namespace: NS, name: 'one', version: 'one' },
    { namespace: NS, name: 'two', version: 'two' },
    { namespace: NS, name: 'client' },
  );
});

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

describe('service, method and headers', () => {
  beforeAll(() =>
    routeTo(
      [
        {
          name: 'one-method',
          matches: [{ method: { service: SERVICE, method: 'EmptyCall' } }],
          backendRefs: [backend('one')],
        },
        { matches: [{ method: { service: SERVICE } }], backendRefs: [backend('two')] },
        {
          matches: [{ method: { service: SERVICE }, headers: [{ name: 'x-lane', value: 'b' }] }],
          backendRefs: [backend('one')],
        },
        { matches: [{ method: { method: 'Check' } }], backendRefs: [backend('two')] },
      ],
      async () => (await version(`${SERVICE}/EmptyCall`)) === 'one',
    ),
  );

  test.each<[what: string, method: string, flags: string[], version: string]>([
    ['service and method', `${SERVICE}/EmptyCall`, [], 'one'],
    ['service', `${SERVICE}/UnaryCall`, [], 'two'],
    ['service and header', `${SERVICE}/UnaryCall`, ['-headers', 'x-lane=b'], 'one'],
    ['method of any service', 'grpc.health.v1.Health/Check', [], 'two'],
  ])('%s', async (_what, method, flags, expected) => {
    expect(await version(method, ...flags)).toBe(expected);
  });

  test('a method that no rule matches is UNIMPLEMENTED', async () => {
    expect((await ask('grpc.health.v1.Health/List')).codes).toEqual({ Unimplemented: 1 });
  });
});

test('calls on one connection are shared by weight', async () => {
  await routeTo(
    [{ backendRefs: [backend('one', { weight: 7 }), backend('two', { weight: 3 })] }],
    async () => (await version(`${SERVICE}/EmptyCall`)) !== undefined,
  );
  const { codes, versions } = await ask(`${SERVICE}/EmptyCall`, '-count', '1000');
  expect(codes).toEqual({ OK: 1000 });
  // 3 of 10 of 1000, +- 3.89 standard deviations of 14.5.
  expect(versions['two']).toBeGreaterThan(243);
  expect(versions['two']).toBeLessThan(357);
});

test('a backend that does not exist answers UNAVAILABLE', async () => {
  await routeTo(
    [{ backendRefs: [backend('nowhere')] }],
    async () => (await ask(`${SERVICE}/EmptyCall`)).codes['Unavailable'] === 1,
  );
  const unresolved = await routeCondition(
    { namespace: NS, name: 'front', kind: 'GRPCRoute' },
    'ResolvedRefs',
    'False',
  );
  expect(unresolved.reason).toBe('BackendNotFound');
});

test('headers of calls and of their answers are changed', async () => {
  await routeTo(
    [
      {
        filters: [
          {
            type: 'RequestHeaderModifier',
            // The application answers with this header what it was called with.
            requestHeaderModifier: { set: [{ name: 'x-grpc-test-echo-initial', value: 'from-the-route' }] },
          },
          {
            type: 'ResponseHeaderModifier',
            responseHeaderModifier: { add: [{ name: 'x-back', value: 'b' }] },
          },
        ],
        backendRefs: [backend('one')],
      },
    ],
    async () => (await ask(`${SERVICE}/UnaryCall`)).headers['x-back'] === 'b',
  );
  const { headers } = await ask(`${SERVICE}/UnaryCall`);
  expect(headers).toMatchObject({ 'x-grpc-test-echo-initial': 'from-the-route', 'x-back': 'b' });
});

// GEP-1294 gives the order of route types; age does not count between them.
test('of a GRPCRoute and an HTTPRoute on one port the GRPCRoute has it, and the other says so', async () => {
  await kubectl('delete', 'grpcroute', 'front', '-n', NS, '--ignore-not-found');
  await apply(
    httpRoute(NS, 'older', {
      parentRefs: [parent('front', { port: 9090 })],
      rules: [{ backendRefs: [backend('two')] }],
    }),
  );
  await eventually('the HTTPRoute acts alone', async () => (await version(`${SERVICE}/EmptyCall`)) === 'two');
  await routeTo(
    [{ backendRefs: [backend('one')] }],
    async () => (await version(`${SERVICE}/EmptyCall`)) === 'one',
  );
  const refused = await routeCondition({ namespace: NS, name: 'older' }, 'Accepted', 'False');
  expect(refused).toMatchObject({ reason: 'Conflicted', message: expect.stringMatching(/front/) });
  await kubectl('delete', 'grpcroute', 'front', '-n', NS);
  await routeCondition({ namespace: NS, name: 'older' }, 'Accepted', 'True');
  await eventually('the HTTPRoute acts again', async () => (await version(`${SERVICE}/EmptyCall`)) === 'two');
});
