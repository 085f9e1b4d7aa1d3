import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { deploy, namespace } from '../support/app.js';
import {
  type Response,
  httpRoute,
  installGatewayApi,
  parent,
  request,
  routeCondition,
  seen,
} from '../support/gateway.js';
import type { Condition } from '../support/policy.js';
import { apply, eventually, get, kubectl } from '../support/run.js';

const NS = 'e2e-gateway-more';
const CLIENT = 'deploy/client';

const ask = (path: string, ...flags: string[]): Promise<Response> =>
  request(NS, CLIENT, `http://front:8080${path}`, ...flags);
const backend = (name: string, weight = 1): object => ({ name, port: 8080, weight });

async function routeTo(rule: object): Promise<void> {
  await apply(httpRoute(NS, 'front', { parentRefs: [parent('front')], rules: [rule] }));
  await routeCondition({ namespace: NS, name: 'front' }, 'Accepted', 'True');
}

/** An XBackendTrafficPolicy on Service `one`. */
async function onBackend(spec: object): Promise<void> {
  await apply({
    apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
    kind: 'XBackendTrafficPolicy',
    metadata: { name: 'one', namespace: NS },
    spec: { targetRefs: [{ group: '', kind: 'Service', name: 'one' }], ...spec },
  });
}

beforeAll(async () => {
  await installGatewayApi('experimental');
  await apply(namespace(NS));
  await deploy(
    { namespace: NS, name: 'front', version: 'front' },
    { namespace: NS, name: 'one', version: 'one', replicas: 3 },
    { namespace: NS, name: 'two', version: 'two' },
    { namespace: NS, name: 'client' },
  );
});

afterAll(async () => {
  await kubectl('delete', 'namespace', NS, '--wait=false', '--ignore-not-found');
  await installGatewayApi();
});

const isOldLine = process.env['WEFT_GATEWAY_API'] === '1.6';

describe('retries (GEP-1731)', () => {
  beforeAll(async () => {
    const retry = { codes: [500], attempts: 2, backoff: '200ms' };
    await routeTo({ retry, backendRefs: [backend('one')] });
    await eventually('the route acts', async () => (await ask('/until/2/500')).status === 200);
  });

  test('a listed status is tried again, no sooner than the backoff says', async () => {
    const third = await ask('/until/3/500');
    expect(third.status).toBe(200);
    expect(seen(third).headers['x-weft-attempt']).toBe('3');
    expect(third.millis).toBeGreaterThanOrEqual(200 + 400);
  });

  test('whatever the method, as often as attempts says, and no other status', async () => {
    expect((await ask('/until/2/500', '-method', 'POST')).status).toBe(200);
    expect((await ask('/until/4/500')).status).toBe(500);
    expect((await ask('/until/2/503')).status).toBe(503);
  });

  // Up to 1.6 the API server refuses zero.
  (isOldLine ? test.skip : test)('no attempts: nothing is tried again', async () => {
    await routeTo({ retry: { codes: [500], attempts: 0 }, backendRefs: [backend('one')] });
    await eventually('the route acts', async () => (await ask('/until/2/500')).status === 500);
    await routeTo({ retry: { codes: [500] }, backendRefs: [backend('one')] });
    await eventually('one where none is said', async () => (await ask('/until/2/500')).status === 200);
    expect((await ask('/until/3/500')).status).toBe(500);
  });

  test('once the budget of the backend is used up, 503 (GEP-3388)', async () => {
    await onBackend({
      retryConstraint: {
        budget: { percent: 0, interval: '10s' },
        minRetryRate: { count: 1, interval: '10s' },
      },
    });
    await eventually('the budget acts', async () => {
      const answers = await Promise.all(Array.from({ length: 5 }, () => ask('/until/2/500')));
      const refused = answers.filter(({ status }) => status === 503);
      expect(answers.filter(({ status }) => status === 500)).toEqual([]);
      return (
        refused.length > 0 && refused.every(({ headers }) => headers['x-weft-reason'] === 'retry-budget')
      );
    });
    await kubectl('delete', 'xbackendtrafficpolicy', 'one', '-n', NS);
  });
});

/** The same session in the words of the line that is installed; 1.7 prunes those of 1.6. */
const inItsWords = isOldLine
  ? {
      header: { type: 'Header', sessionName: 'x-sid' },
      cookie: { sessionName: 'sid', cookieConfig: { lifetimeType: 'Permanent' } },
      path: '',
    }
  : {
      header: { type: 'Header', header: { name: 'x-sid' } },
      cookie: { cookie: { name: 'sid', lifetimeType: 'Permanent' } },
      path: ' Path=/;',
    };

describe('sessions (GEP-1619)', () => {
  const weights = (one: number, two: number): object => ({
    sessionPersistence: inItsWords.header,
    backendRefs: [backend('one', one), backend('two', two)],
  });
  const token = ({ headers }: Response): string | undefined => headers['x-sid'];

  test('keep to their pod, whatever becomes of the weights', async () => {
    await routeTo(weights(1, 0));
    const first = await eventually('a session begins', async () => {
      const answer = await ask('/');
      return token(answer) === undefined ? undefined : answer;
    });
    const home = seen(first).pod;
    await routeTo(weights(0, 1));
    await eventually('new ones go elsewhere', async () => seen(await ask('/')).version === 'two');
    for (let i = 0; i < 12; i++) {
      const again = await ask('/', '-headers', `x-sid=${token(first) ?? ''}`);
      expect([seen(again).pod, token(again)]).toEqual([home, undefined]);
    }
  });

  test('move when their pod is gone, and say so', async () => {
    await routeTo(weights(1, 0));
    const first = await eventually('a session begins with `one`', async () => {
      const answer = await ask('/');
      return seen(answer).version === 'one' && token(answer) !== undefined ? answer : undefined;
    });
    const before = token(first) ?? '';
    await kubectl('delete', 'pod', seen(first).pod, '-n', NS, '--wait=true');
    const moved = await eventually('it is told another token', async () => {
      const answer = await ask('/', '-headers', `x-sid=${before}`);
      expect(answer.status).toBe(200);
      return token(answer) === undefined ? undefined : answer;
    });
    expect(token(moved)).not.toBe(before);
    const after = await ask('/', '-headers', `x-sid=${token(moved) ?? ''}`);
    expect(seen(after).pod).toBe(seen(moved).pod);
  });

  test('of a policy on the Service are kept in a cookie for every path', async () => {
    await routeTo({ backendRefs: [backend('one')] });
    await onBackend({ sessionPersistence: { absoluteTimeout: '1h', ...inItsWords.cookie } });
    const first = await eventually('the policy acts', async () => {
      const answer = await ask('/');
      return answer.headers['set-cookie'] === undefined ? undefined : answer;
    });
    const cookie = first.headers['set-cookie'] ?? '';
    const pair = cookie.slice(0, cookie.indexOf(';'));
    expect(pair).toMatch(/^sid=[0-9a-f]{16}\.[0-9a-f]+$/);
    expect(cookie).toBe(`${pair};${inItsWords.path} Max-Age=3600; HttpOnly; SameSite=Strict`);
    for (let i = 0; i < 12; i++) {
      const again = await ask('/', '-headers', `cookie=${pair}`);
      expect([seen(again).pod, again.headers['set-cookie']]).toEqual([seen(first).pod, undefined]);
    }
  });
});

// Up to 1.6 an XBackend selects no pods.
(isOldLine ? test.skip : test)(
  'an XBackend sends to the pods that it selects, with its sessions',
  async () => {
    const pods = (rest: object): object => ({
      apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
      kind: 'XBackend',
      metadata: { name: 'ones', namespace: NS },
      spec: {
        type: 'EndpointSelector',
        endpointSelector: { matchLabels: { app: 'one' } },
        port: { number: 8080 },
        ...rest,
      },
    });
    interface XBackend {
      readonly status?: { readonly ancestors?: readonly { readonly conditions: readonly Condition[] }[] };
    }
    const accepted = async (): Promise<string | undefined> => {
      const { status } = await get<XBackend>('xbackend', 'ones', '-n', NS);
      return status?.ancestors?.[0]?.conditions.find(({ type }) => type === 'Accepted')?.status;
    };
    await apply(pods({ sessionPersistence: inItsWords.header }));
    const ref = { group: 'gateway.networking.x-k8s.io', kind: 'XBackend', name: 'ones' };
    await routeTo({ matches: [{ path: { value: '/pods' } }], backendRefs: [ref] });
    const first = await eventually('its pods answer', async () => {
      const answer = await ask('/pods');
      return answer.status === 200 && answer.headers['x-sid'] !== undefined ? answer : undefined;
    });
    expect(seen(first).version).toBe('one');
    for (let i = 0; i < 6; i++) {
      const again = await ask('/pods', '-headers', `x-sid=${first.headers['x-sid'] ?? ''}`);
      expect(seen(again).pod).toBe(seen(first).pod);
    }
    await eventually('its status says so', async () => (await accepted()) === 'True');
    await apply(pods({ protocol: 'H2C' }));
    await eventually('what Weft does not act on is refused', async () => (await accepted()) === 'False');
    await eventually('and nothing is sent there', async () => (await ask('/pods')).status === 500);
    await kubectl('delete', 'xbackend', 'ones', '-n', NS);
  },
);

test('an XMesh that names Weft is accepted and told what the conformance suite tests', async () => {
  const mesh = (spec: object): object => ({
    apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
    kind: 'XMesh',
    metadata: { name: 'weft' },
    spec: { controllerName: 'weft.dev/mesh-controller', ...spec },
  });
  interface Mesh {
    readonly status?: {
      readonly conditions: readonly { readonly type: string; readonly status: string }[];
      readonly supportedFeatures?: readonly { readonly name: string }[];
    };
  }
  const verdict = async (): Promise<[accepted: string | undefined, features: readonly string[]]> => {
    const { status } = await get<Mesh>('xmesh', 'weft');
    const accepted = status?.conditions.find(({ type }) => type === 'Accepted')?.status;
    return [accepted, (status?.supportedFeatures ?? []).map(({ name }) => name)];
  };
  const asked = parse(await readFile('e2e/conformance/options.yaml', 'utf8')) as {
    supportedFeatures: string[];
  };
  await apply(mesh({}));
  const features = await eventually('it is accepted', async () => {
    const [accepted, told] = await verdict();
    return accepted === 'True' ? told : undefined;
  });
  expect(features).toEqual(expect.arrayContaining(asked.supportedFeatures));
  await apply(mesh({ parametersRef: { group: '', kind: 'ConfigMap', name: 'a', namespace: NS } }));
  await eventually('parameters are refused', async () => (await verdict())[0] === 'False');
  expect((await verdict())[1]).toEqual([]);
  await kubectl('delete', 'xmesh', 'weft');
});

test('of two equal matches of routes of one age the first by name has it', async () => {
  const marked = (name: string): object =>
    httpRoute(NS, name, {
      parentRefs: [parent('front')],
      rules: [
        {
          matches: [{ path: { type: 'PathPrefix', value: '/tie' } }],
          filters: [
            {
              type: 'ResponseHeaderModifier',
              responseHeaderModifier: { set: [{ name: 'x-by', value: name }] },
            },
          ],
          backendRefs: [backend('one')],
        },
      ],
    });
  const age = async (name: string): Promise<string> =>
    (await get<{ metadata: { creationTimestamp: string } }>('httproute', name, '-n', NS)).metadata
      .creationTimestamp;
  await eventually('both are of one second', async () => {
    await kubectl('delete', 'httproute', 'z-tie', 'a-tie', '-n', NS, '--ignore-not-found');
    await apply([marked('z-tie'), marked('a-tie')]);
    return (await age('z-tie')) === (await age('a-tie'));
  });
  await eventually('the first by name has it', async () => (await ask('/tie')).headers['x-by'] === 'a-tie');
  await kubectl('delete', 'httproute', 'a-tie', '-n', NS);
  await eventually('then the other', async () => (await ask('/tie')).headers['x-by'] === 'z-tie');
});
