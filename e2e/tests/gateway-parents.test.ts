import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { deploy, namespace } from '../support/app.js';
import {
  httpRoute,
  installGatewayApi,
  parent,
  parentsOf,
  request,
  routeCondition,
} from '../support/gateway.js';
import { apply, eventually, get, kubectl, run } from '../support/run.js';

const NS = 'e2e-gateway-parents';
const CONSUMER = 'e2e-gateway-consumer';

/** A route that marks what it touches. */
const marks = (mark: string, match: object = {}): object => ({
  ...match,
  filters: [
    { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-mark', value: mark }] } },
  ],
  backendRefs: [{ name: 'one', namespace: NS, port: 8080 }],
});

async function mark(url: string, from = NS): Promise<string | undefined> {
  return (await request(from, 'deploy/client', url)).headers['x-mark'];
}

function becomes(url: string, expected: string | undefined, from = NS): Promise<true> {
  return eventually(
    `${url} from ${from} is marked ${expected ?? 'not at all'}`,
    async () => {
      const found = await mark(url, from);
      if (found !== expected) throw new Error(`marked ${String(found)}`);
      return true as const;
    },
    15,
  );
}

const service = (name: string, spec: object): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: NS },
  spec,
});

beforeAll(async () => {
  await installGatewayApi();
  await apply([namespace(NS), namespace(CONSUMER)]);
  await apply([
    service('ports', {
      selector: { app: 'one' },
      ports: [
        { name: 'web', port: 8080 },
        { name: 'admin', port: 8081, targetPort: 8080, appProtocol: 'http' },
      ],
    }),
    service('second', { selector: { app: 'one' }, ports: [{ name: 'http', port: 8080 }] }),
    service('bare', { ports: [{ name: 'http', port: 8080 }] }),
    service('headless', {
      clusterIP: 'None',
      selector: { app: 'one' },
      ports: [{ name: 'http', port: 8080 }],
    }),
    service('elsewhere', { type: 'ExternalName', externalName: 'example.org' }),
  ]);
  await deploy(
    { namespace: NS, name: 'one' },
    { namespace: NS, name: 'client' },
    { namespace: CONSUMER, name: 'client' },
  );
});

afterEach(() =>
  kubectl('delete', 'httproute,grpcroute', '--all', '-n', NS).then(() =>
    kubectl('delete', 'httproute', '--all', '-n', CONSUMER),
  ),
);

afterAll(() => kubectl('delete', 'namespace', NS, CONSUMER, '--wait=false'));

test.each([
  ['port', { port: 8081 }],
  ['name of the port', { sectionName: 'admin' }],
])('a parent by %s leaves the other ports alone', async (_what, ref) => {
  await apply(httpRoute(NS, 'admin', { parentRefs: [parent('ports', ref)], rules: [marks('admin')] }));
  await becomes('http://ports:8081/', 'admin');
  expect(await mark('http://ports:8080/')).toBeUndefined();
});

test('a port has its own routes before those of the whole Service', async () => {
  await apply([
    httpRoute(NS, 'whole', { parentRefs: [parent('ports')], rules: [marks('whole')] }),
    httpRoute(NS, 'admin', {
      parentRefs: [parent('ports', { port: 8081 })],
      rules: [marks('admin', { matches: [{ path: { type: 'PathPrefix', value: '/admin' } }] })],
    }),
  ]);
  await becomes('http://ports:8081/admin', 'admin');
  await becomes('http://ports:8080/', 'whole');
});

test('several parents on one route, each with its own status', async () => {
  await apply(
    httpRoute(NS, 'both', {
      parentRefs: [parent('ports', { port: 8080 }), parent('second'), parent('missing')],
      rules: [marks('both')],
    }),
  );
  await becomes('http://ports:8080/', 'both');
  await becomes('http://second:8080/', 'both');
  await routeCondition({ namespace: NS, name: 'both', parent: 'missing' }, 'Accepted', 'False');
  const parents = await parentsOf(NS, 'both');
  expect(parents.map(({ parentRef }) => parentRef.name).sort()).toEqual(['missing', 'ports', 'second']);
  const accepted = parents.map(({ parentRef, conditions }) => [
    parentRef.name,
    conditions.find(({ type }) => type === 'Accepted')?.status,
  ]);
  expect(Object.fromEntries(accepted)).toEqual({ ports: 'True', second: 'True', missing: 'False' });
});

test('a Service without endpoints of its own is a front for those of others', async () => {
  await apply(httpRoute(NS, 'front', { parentRefs: [parent('bare')], rules: [marks('front')] }));
  await becomes('http://bare:8080/', 'front');
});

test.each([
  ['headless', /headless/i],
  ['elsewhere', /ExternalName/i],
])('the Service %s is refused as a parent, with the reason', async (name, why) => {
  await apply(httpRoute(NS, 'refused', { parentRefs: [parent(name)], rules: [marks('x')] }));
  const refused = await routeCondition({ namespace: NS, name: 'refused' }, 'Accepted', 'False');
  expect(refused.message).toMatch(why);
});

test.each([
  ['port', { port: 9999 }],
  ['section', { sectionName: 'nothing' }],
])('a parent whose %s does not exist is refused', async (_what, ref) => {
  await apply(httpRoute(NS, 'refused', { parentRefs: [parent('ports', ref)], rules: [marks('x')] }));
  const refused = await routeCondition({ namespace: NS, name: 'refused' }, 'Accepted', 'False');
  expect(refused).toMatchObject({
    reason: 'NoMatchingParent',
    message: expect.stringMatching(/9999|nothing/),
  });
});

test('a Gateway as parent is none of our business', async () => {
  await apply(
    httpRoute(NS, 'gatewayed', {
      parentRefs: [{ name: 'some-gateway' }, parent('second')],
      rules: [marks('mesh')],
    }),
  );
  await becomes('http://second:8080/', 'mesh');
  await routeCondition({ namespace: NS, name: 'gatewayed', parent: 'second' }, 'Accepted', 'True');
  expect((await parentsOf(NS, 'gatewayed')).map(({ parentRef }) => parentRef.name)).toEqual(['second']);
});

test("other controllers' entries in the status stay as they are", async () => {
  await apply(
    httpRoute(NS, 'shared', {
      parentRefs: [{ name: 'some-gateway' }, parent('second')],
      rules: [marks('a')],
    }),
  );
  await routeCondition({ namespace: NS, name: 'shared', parent: 'second' }, 'Accepted', 'True');
  const theirs = {
    controllerName: 'example.org/gateway',
    parentRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'some-gateway' },
    conditions: [
      {
        type: 'Accepted',
        status: 'True',
        reason: 'Accepted',
        message: 'ours',
        observedGeneration: 1,
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ],
  };
  const route = await get<{ status: { parents: object[] } }>('httproute', 'shared', '-n', NS);
  const patch = JSON.stringify({ status: { parents: [theirs, ...route.status.parents] } });
  await kubectl(
    'patch',
    'httproute',
    'shared',
    '-n',
    NS,
    '--subresource=status',
    '--type=merge',
    '-p',
    patch,
  );
  await apply(
    httpRoute(NS, 'shared', {
      parentRefs: [{ name: 'some-gateway' }, parent('second')],
      rules: [marks('b')],
    }),
  );
  await becomes('http://second:8080/', 'b');
  await routeCondition({ namespace: NS, name: 'shared', parent: 'second' }, 'Accepted', 'True');
  const after = await get<{ status: { parents: object[] } }>('httproute', 'shared', '-n', NS);
  expect(after.status.parents).toContainEqual(theirs);
});

test('of two equal matches the older route has it, and routes of one Service are merged', async () => {
  const rules = (value: string): object[] => [
    marks(value, { matches: [{ path: { type: 'PathPrefix', value: '/x' } }] }),
  ];
  await apply(httpRoute(NS, 'z-older', { parentRefs: [parent('second')], rules: rules('older') }));
  await becomes('http://second:8080/x', 'older');
  await eventually('a second passes in the API server', async () => {
    const { metadata } = await get<{ metadata: { creationTimestamp: string } }>(
      'httproute',
      'z-older',
      '-n',
      NS,
    );
    return Date.now() - Date.parse(metadata.creationTimestamp) > 1500;
  });
  await apply(
    httpRoute(NS, 'a-younger', {
      parentRefs: [parent('second')],
      rules: [
        ...rules('younger'),
        marks('rest', { matches: [{ path: { type: 'PathPrefix', value: '/rest' } }] }),
      ],
    }),
  );
  await becomes('http://second:8080/rest', 'rest'); // routes of one Service are merged, not shadowed
  expect(await mark('http://second:8080/x')).toBe('older');
  await kubectl('delete', 'httproute', 'z-older', '-n', NS);
  await becomes('http://second:8080/x', 'younger');
});

test('a route in the namespace of a caller acts there, in the place of the Service’s own', async () => {
  const url = `http://second.${NS}:8080/`;
  await apply([
    httpRoute(NS, 'producer', { parentRefs: [parent('second')], rules: [marks('producer')] }),
    httpRoute(CONSUMER, 'consumer', {
      parentRefs: [parent('second', { namespace: NS })],
      rules: [marks('consumer')],
    }),
  ]);
  await becomes(url, 'consumer', CONSUMER);
  await becomes(url, 'producer');
  await kubectl('delete', 'httproute', 'consumer', '-n', CONSUMER);
  await becomes(url, 'producer', CONSUMER);
});

test('a backend of an unknown kind is refused in the status and answered 500, the other rules go on', async () => {
  await apply(
    httpRoute(NS, 'kinds', {
      parentRefs: [parent('second')],
      rules: [
        marks('good'),
        {
          matches: [{ path: { type: 'PathPrefix', value: '/odd' } }],
          backendRefs: [{ group: 'example.org', kind: 'Bucket', name: 'b', port: 80 }],
        },
      ],
    }),
  );
  const unresolved = await routeCondition({ namespace: NS, name: 'kinds' }, 'ResolvedRefs', 'False');
  expect(unresolved).toMatchObject({ reason: 'InvalidKind', message: expect.stringMatching(/Bucket/) });
  await becomes('http://second:8080/', 'good');
  expect((await request(NS, 'deploy/client', 'http://second:8080/odd')).status).toBe(500);
});

test('a filter that Weft does not know is refused rather than ignored', async () => {
  const extensionRef = { group: 'example.org', kind: 'Sanitizer', name: 's' };
  await apply(
    httpRoute(NS, 'extended', {
      parentRefs: [parent('second')],
      rules: [
        marks('good'),
        {
          ...marks('odd', { matches: [{ path: { type: 'PathPrefix', value: '/odd' } }] }),
          filters: [{ type: 'ExtensionRef', extensionRef }],
        },
      ],
    }),
  );
  const parents = await eventually('the status speaks of the filter', async () => {
    const [own] = await parentsOf(NS, 'extended');
    return own?.conditions.some(({ message }) => /Sanitizer|ExtensionRef/.test(message)) === true
      ? own
      : undefined;
  });
  expect(
    parents.conditions.some(({ type, status }) => (type === 'PartiallyInvalid') === (status === 'True')),
  ).toBe(true);
  // Never served as if the filter had been applied.
  expect((await request(NS, 'deploy/client', 'http://second:8080/odd')).status).toBe(500);
});

test('observedGeneration ends at the last of many quick edits, and so does the traffic', async () => {
  for (let edit = 0; edit < 20; edit++) {
    await apply(httpRoute(NS, 'edited', { parentRefs: [parent('second')], rules: [marks(`edit-${edit}`)] }));
  }
  const { metadata } = await get<{ metadata: { generation: number } }>('httproute', 'edited', '-n', NS);
  expect(metadata.generation).toBe(20);
  for (const type of ['Accepted', 'ResolvedRefs']) {
    const { observedGeneration } = await routeCondition({ namespace: NS, name: 'edited' }, type, 'True');
    expect(observedGeneration).toBe(20);
  }
  await becomes('http://second:8080/', 'edit-19');
  // Writes that are still under way would be of older generations.
  for (let look = 0; look < 5; look++) {
    const [own] = await parentsOf(NS, 'edited');
    expect(own?.conditions.map(({ observedGeneration }) => observedGeneration)).toEqual(
      own?.conditions.map(() => 20),
    );
    await run('sleep', ['0.2']);
  }
});
