import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deploy, inPod, namespace } from '../support/app.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { apply, eventually, get, kubectl, run } from '../support/run.js';
import { weftSaid } from '../support/weft.js';
import { weftObject } from '../support/policy.js';

const NS = 'e2e-access';
const PLAIN = 'e2e-access-plain';
const NODE = 'weft-node';
const WEB = `spiffe://cluster.local/ns/${NS}/sa/web`;

const weft = (kind: string, name: string, spec: object): object => weftObject(kind, NS, name, spec);
const role = (name: string, ...rules: object[]): object => weft('MeshRole', name, { rules });
const binding = (name: string, spec: object): object =>
  weft('MeshRoleBinding', name, {
    subjects: [{ serviceAccount: { name: 'web' } }],
    roleRef: { kind: 'MeshRole', name: 'caller' },
    ...spec,
  });
const byDefault = (word: string): Promise<string> =>
  kubectl('label', 'namespace', NS, `weft.dev/default-access=${word}`, '--overwrite');

interface Caller {
  readonly namespace: string;
  readonly target: string;
}
const WEB_POD: Caller = { namespace: NS, target: 'deploy/web' };
const OTHER_POD: Caller = { namespace: NS, target: 'deploy/other' };
const PLAIN_POD: Caller = { namespace: PLAIN, target: 'deploy/client' };

const HTTP = `http://server.${NS}:8080`;
const GRPC = `server.${NS}:9090`;
const TCP = `server.${NS}:7000`;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Status and reason of one request. */
async function ask({ namespace, target }: Caller, path: string, ...flags: string[]): Promise<string> {
  const said = await inPod(namespace, target, 'request', '-url', `${HTTP}${path}`, ...flags);
  const { status, headers } = JSON.parse(said) as Answer;
  return `${status} ${headers['x-weft-reason'] ?? ''}`.trim();
}

/** Statuses of requests over HTTP/2 with prior knowledge. */
async function askH2({ namespace, target }: Caller, path: string): Promise<object> {
  const flags = ['-url', `${HTTP}${path}`, '-count', '3', '-rate', '30', '-h2'];
  return (JSON.parse(await inPod(namespace, target, 'load', ...flags)) as { statuses: object }).statuses;
}

async function call({ namespace, target }: Caller, method: string): Promise<string> {
  const flags = ['-address', GRPC, '-method', `/grpc.testing.TestService/${method}`];
  const { codes } = JSON.parse(await inPod(namespace, target, 'call', ...flags)) as { codes: object };
  return Object.keys(codes).join();
}

const bytes = ({ namespace, target }: Caller): Promise<string> =>
  inPod(namespace, target, 'tcp', '-address', TCP, '-size', '1000').then(
    () => 'carried',
    () => 'refused',
  );

async function verdicts(labels: Record<string, string>): Promise<number> {
  const pods = await podsOf(NS, 'app=server');
  const all = await Promise.all(pods.map((pod) => proxyMetrics(NS, pod)));
  return sum(all.flat(), 'weft_access_verdicts_total', labels);
}

/** What `weft authz` prints of the cluster, and the code that scripts read. */
const authz = (...words: string[]): ReturnType<typeof weftSaid> => weftSaid(['authz', ...words]);

const programmed = (name: string): Promise<string> =>
  kubectl('wait', '-n', NS, '--for=condition=Programmed', `meshrolebinding/${name}`, '--timeout=60s');

let dir: string;

/** A certificate for `uri` by the authority of the mesh: its owner has a key like any pod, and runs none of our proxies. */
async function certify(uri: string): Promise<readonly [string, string]> {
  const secret = await get<{ data: Record<string, string> }>('secret', 'weft-issuer', '-n', 'weft-system');
  const file = (name: string): string => join(dir, name);
  for (const name of ['tls.crt', 'tls.key'])
    await writeFile(file(name), Buffer.from(secret.data[name] ?? '', 'base64'), { mode: 0o600 });
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    'extendedKeyUsage=serverAuth,clientAuth',
    `subjectAltName=critical,URI:${uri}`,
  ];
  await writeFile(file('extensions'), extensions.join('\n'));
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await run('openssl', ['req', ...key, '-subj', '/', '-keyout', file('key.pem'), '-out', file('csr.pem')]);
  const by = ['-CA', file('tls.crt'), '-CAkey', file('tls.key'), '-CAcreateserial', '-days', '1'];
  const made = ['-extfile', file('extensions'), '-out', file('leaf.pem')];
  await run('openssl', ['x509', '-req', '-in', file('csr.pem'), ...by, ...made]);
  await run('bash', ['-c', `cat ${file('leaf.pem')} ${file('tls.crt')} > ${file('chain.pem')}`]);
  return [file('chain.pem'), file('key.pem')];
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weft-access-'));
  await apply([namespace(NS), namespace(PLAIN, {})]);
  await deploy(
    { namespace: NS, name: 'server' },
    { namespace: NS, name: 'web' },
    { namespace: NS, name: 'other' },
    { namespace: PLAIN, name: 'client' },
  );
});

afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
  await kubectl('delete', 'namespace', NS, PLAIN, '--wait=false');
});

test('nobody is asked anything before somebody says so', async () => {
  for (const caller of [WEB_POD, OTHER_POD, PLAIN_POD]) {
    expect(await ask(caller, '/api/items')).toBe('200');
    expect(await bytes(caller)).toBe('carried');
  }
});

test('a rehearsed default refuses nothing and counts whom it would refuse', async () => {
  await byDefault('DryRunDeny');
  await eventually('it is counted', async () => {
    expect(await ask(OTHER_POD, '/api/items')).toBe('200');
    expect(await ask(PLAIN_POD, '/api/items')).toBe('200');
    const would = { verdict: 'would-deny', binding: 'default' };
    const other = `spiffe://cluster.local/ns/${NS}/sa/other`;
    return (await verdicts({ ...would, peer: other })) > 0 && (await verdicts({ ...would, peer: '' })) > 0;
  });
  expect(await verdicts({ verdict: 'denied' })).toBe(0);
});

describe('closed by default, with a role for one service account', () => {
  beforeAll(async () => {
    await apply([
      role(
        'caller',
        { services: ['server'], ports: [8080], methods: ['GET'], paths: ['/api/*', '/users/{id}'] },
        { services: ['server'], ports: [9090], grpc: ['grpc.testing.TestService/EmptyCall'] },
        { services: ['server'], ports: [7000] },
      ),
      binding('web-calls', {}),
    ]);
    await programmed('web-calls');
    await byDefault('Deny');
    await eventually('others are refused', async () => (await ask(OTHER_POD, '/api/items')) !== '200');
  });

  test('HTTP/1.1 and HTTP/2', async () => {
    for (const path of ['/api/items', '/users/7']) {
      expect(await ask(WEB_POD, path)).toBe('200');
      expect(await askH2(WEB_POD, path)).toEqual({ '200': 3 });
      for (const caller of [OTHER_POD, PLAIN_POD]) {
        expect(await ask(caller, path)).toBe('403 access-denied');
        expect(await askH2(caller, path)).toEqual({ '403': 3 });
      }
    }
    for (const [path, flags] of [
      ['/', []],
      ['/api', []],
      ['/users/7/8', []],
      ['/api/items', ['-method', 'POST']],
      ['/api/items', ['-method', 'DELETE']],
    ] as const)
      expect(await ask(WEB_POD, path, ...flags)).toBe('403 access-denied');
  });

  test('gRPC', async () => {
    expect(await call(WEB_POD, 'EmptyCall')).toBe('OK');
    expect(await call(WEB_POD, 'UnimplementedCall')).toBe('PermissionDenied');
    expect(await call(WEB_POD, 'emptycall')).toBe('PermissionDenied');
    for (const caller of [OTHER_POD, PLAIN_POD])
      expect(await call(caller, 'EmptyCall')).toBe('PermissionDenied');
  });

  test('bytes', async () => {
    expect(await bytes(WEB_POD)).toBe('carried');
    for (const caller of [OTHER_POD, PLAIN_POD]) expect(await bytes(caller)).toBe('refused');
  });

  test('what was refused is counted by its caller, and the kubelet needs no rule', async () => {
    const other = `spiffe://cluster.local/ns/${NS}/sa/other`;
    expect(await verdicts({ verdict: 'denied', peer: other, binding: 'default' })).toBeGreaterThan(0);
    const { items } = await get<{
      items: { status: { conditions: { type: string; status: string }[] } }[];
    }>('pods', '-n', NS, '-l', 'app=server');
    for (const { status } of items)
      expect(status.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'True' }));
  });

  test.each(['plain', 'weft1-h1', 'weft1-tcp', 'weft1-h2'])(
    'no form of a path gets by, from who runs no proxy of ours, over %s',
    async (wire) => {
      const evasions = [
        ...['/', '/admin', '/API/items', '/api', '/apix', '//api/items', '/api//items', '/./api/items'],
        ...['/api/../admin', '/api/./items', '/api/%2e%2e/admin', '/api/%2E%2E/admin', '/%61pi/items'],
        ...[
          '/api/..%2fadmin',
          '/api%2fitems',
          '/api/..%5cadmin',
          '/api/items;x',
          '/api;/items',
          '/api/..;/admin',
        ],
        ...[
          '/api/%00',
          '/api/%252e%252e/admin',
          '/api/%c0%ae%c0%ae/admin',
          '/api/%zz',
          '/users/',
          '/users//7',
        ],
        ...['/users/7%2f8', '/admin?/api/items', '/grpc.testing.TestService/EmptyCall'],
        ...(wire === 'weft1-h2' ? [] : ['http://server/admin', 'http://api/admin', '*']),
      ];
      const good = ['/api/items', '/api/items?a=//../%2e;', '/users/caf%C3%A9'];
      const [pod] = await podsOf(NS, 'app=server');
      const { status } = await get<{ status: { podIP: string } }>('pod', pod ?? '', '-n', NS);
      const peer = ['e2e/support/raw-peer.mjs', `${status.podIP}:8080`, wire];
      const credentials = wire === 'plain' ? [] : await certify(WEB);
      const said = await run('ip', [
        ...['netns', 'exec', NODE, 'node', ...peer],
        ...[JSON.stringify([...evasions, ...good]), ...credentials],
      ]);
      const answers = JSON.parse(said) as { target: string; status: number; reason: string }[];
      const allowed = answers.filter((answer) => answer.status === 200).map(({ target }) => target);
      expect(allowed).toEqual(wire === 'plain' ? [] : good);
      for (const { target, status: code, reason } of answers.filter((answer) => answer.status !== 200))
        expect([target, `${code} ${reason}`]).toEqual([
          target,
          expect.stringMatching(/^(403 access-denied|400 (ambiguous-path|bad-[a-z]+))$/),
        ]);
    },
  );

  test('weft authz says what the proxies do, and by whose word', async () => {
    await run('npm', ['run', '--silent', 'build', '--', '--log-level=warning']);
    const service = `${NS}/server`;
    const asked = [
      [WEB_POD, `${NS}/web`, 'GET', '/users/7'],
      [WEB_POD, `${NS}/web`, 'GET', '/users/7/8'],
      [WEB_POD, `${NS}/web`, 'POST', '/api/items'],
      [OTHER_POD, `${NS}/other`, 'GET', '/api/items'],
      [PLAIN_POD, 'plain', 'GET', '/api/items'],
    ] as const;
    const answers: object[] = [];
    for (const [pod, caller, method, path] of asked) {
      const { code } = await authz('can-i', caller, service, method, path, '--port', '8080');
      answers.push({ caller, method, path, code });
      const passes = (await ask(pod, path, '-method', method)) === '200';
      expect({ caller, method, path, passes }).toEqual({ caller, method, path, passes: code === 0 });
    }
    expect(answers).toMatchObject([{ code: 0 }, { code: 1 }, { code: 1 }, { code: 1 }, { code: 1 }]);
    const said = async (...words: string[]): Promise<string> => (await authz(...words)).text;
    expect(await said('can-i', `${NS}/web`, service, '--port', '7000')).toContain(
      `by MeshRoleBinding ${NS}/web-calls (Allow, spec.subjects[0], MeshRole ${NS}/caller spec.rules[2])`,
    );
    expect(await said('can-i', `${NS}/other`, service, 'GET', '/api/items', '--port', '8080')).toContain(
      `by the default of namespace ${NS}, Deny (label weft.dev/default-access=Deny)`,
    );
    const whoCan = await said('who-can', service, '--port', '8080');
    expect(whoCan).toMatch(new RegExp(`Allow .*${NS}/web .*${NS}/web-calls .*GET /api/\\* /users/\\{\\}`));
    expect(whoCan).toContain('everybody else: refused by ');
    expect((await authz('can-i', `${NS}/web`, `${NS}/nobody`, 'GET', '/')).code).toBe(2);
  });

  test('what is denied ends though it is open', async () => {
    await apply([role('watching', { services: ['server'], ports: [9090] })]);
    await apply(binding('web-watches', { roleRef: { kind: 'MeshRole', name: 'watching' } }));
    await programmed('web-watches');
    const watch = (open: string): Promise<string> =>
      inPod(NS, 'deploy/web', 'watch', '-address', GRPC, '-open', open).catch(String);
    const watching = watch('60s');
    expect(await watch('2s')).toMatch(/^ok: open for 2s, 1 messages/);
    await apply(
      binding('nobody-watches', { effect: 'Deny', roleRef: { kind: 'MeshRole', name: 'watching' } }),
    );
    expect(await watching).toMatch(/1 messages, and after/);
  });

  test('statuses say what is missing, and a binding that denies without its role denies', async () => {
    await apply(binding('lost', { effect: 'Deny', roleRef: { kind: 'MeshRole', name: 'missing' } }));
    await eventually('the condition says so', async () => {
      const { status } = await get<{ status?: { conditions?: { type: string; reason: string }[] } }>(
        ...['meshrolebinding', 'lost', '-n', NS],
      );
      return status?.conditions?.some(
        ({ type, reason }) => type === 'ResolvedRefs' && reason === 'RoleNotFound',
      );
    });
    await eventually('it denies', async () => (await ask(WEB_POD, '/api/items')) === '403 access-denied');
    await kubectl('delete', 'meshrolebinding', 'lost', '-n', NS);
    await eventually('it is gone', async () => (await ask(WEB_POD, '/api/items')) === '200');
  });
});

test('the way back is one label', async () => {
  await byDefault('Allow');
  await eventually('others may call again', async () => (await ask(OTHER_POD, '/api/items')) === '200');
  expect(await bytes(PLAIN_POD)).toBe('carried');
});
