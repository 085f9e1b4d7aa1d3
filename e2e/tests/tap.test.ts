import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { deploy, inPod, namespace } from '../support/app.js';
import { trafficPolicy, waitForCondition, weftObject } from '../support/policy.js';
import { apply, eventually, kubeTools, kubectl } from '../support/run.js';

const NS = 'e2e-tap';
const WEB = `spiffe://cluster.local/ns/${NS}/sa/web`;
const TOKEN = 'Bearer e2e-very-secret';

interface Told {
  readonly side: string;
  readonly path: string;
  readonly status: number;
  readonly verdict: string;
  readonly rule?: string;
  readonly caller: string;
  readonly attempts: readonly { readonly endpoint: string; readonly result: string }[];
  readonly requestHeaders: readonly (readonly [string, string])[];
}

/** A command that goes on. */
interface Running {
  readonly child: ChildProcess;
  out: string;
  errors: string;
}

const running: Running[] = [];

async function start(...args: string[]): Promise<Running> {
  const env = await kubeTools();
  const child = spawn('node_modules/.bin/node', ['dist/weft.mjs', ...args], { env });
  const started: Running = { child, out: '', errors: '' };
  child.stdout.on('data', (text: Buffer) => (started.out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (started.errors += text.toString()));
  running.push(started);
  return started;
}

/** Waits for what a command writes. */
const until = async (what: string, holds: () => boolean): Promise<unknown> =>
  eventually(what, () => Promise.resolve(holds()));

/** A tap that has begun. */
async function tap(...args: string[]): Promise<Running> {
  const started = await start('tap', ...args, '-n', NS, '-o', 'json');
  await until('it watches', () => started.errors.includes('watching'));
  return started;
}

const told = ({ out }: Running): Told[] =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Told);

const ask = async (path: string, ...flags: string[]): Promise<string> =>
  inPod(NS, 'deploy/web', 'request', '-url', `http://server:8080${path}`, ...flags);

beforeAll(async () => {
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'server' }, { namespace: NS, name: 'web' });
  await apply(
    trafficPolicy(NS, 'server', {
      targetRefs: [{ kind: 'Service', name: 'server', port: 8080 }],
      routes: [{ name: 'all', retries: { attempts: 2 } }],
    }),
  );
  await waitForCondition(NS, 'server', 'Accepted', 'True');
  await apply([
    weftObject('MeshRole', NS, 'admin', { rules: [{ services: ['server'], paths: ['/admin/*'] }] }),
    weftObject('MeshRoleBinding', NS, 'no-admin', {
      subjects: [{ serviceAccount: { name: 'web' } }],
      roleRef: { kind: 'MeshRole', name: 'admin' },
      effect: 'Deny',
    }),
  ]);
  const status = async (path: string): Promise<number> =>
    (JSON.parse(await ask(path)) as { readonly status: number }).status;
  await eventually('the rule acts', async () => (await status('/admin/users')) === 403);
  await eventually('the route acts', async () => (await status('/until/2/503')) === 200);
});

afterEach(() => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL');
});

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

test('a live request is seen on both sides, with the caller and without its token', async () => {
  const [calls, received] = [
    await tap('deploy/web', '--to', 'server', '--path', '/live'),
    await tap('deploy/server', '--from', 'web', '--path', '/live'),
  ];
  await ask('/live', '-headers', `authorization=${TOKEN}`);
  await until('both have told', () => told(calls).length > 0 && told(received).length > 0);
  for (const [{ out }, side] of [
    [calls, 'caller'],
    [received, 'receiver'],
  ] as const) {
    const [line] = out.split('\n').map((text) => JSON.parse(text === '' ? '{}' : text) as Told);
    expect(line).toMatchObject({ side, path: '/live', verdict: 'carried', caller: WEB });
    expect(line?.requestHeaders).toContainEqual(['authorization', '(redacted)']);
    expect(out).not.toContain('e2e-very-secret');
  }
});

test('a denied request is seen with its rule', async () => {
  const denied = await tap(`ns/${NS}`, '--verdict', 'denied');
  await ask('/public');
  await ask('/admin/users');
  await until('it is told', () => told(denied).length > 0);
  expect(told(denied)[0]).toMatchObject({
    side: 'receiver',
    path: '/admin/users',
    status: 403,
    rule: `${NS}/no-admin`,
    caller: WEB,
  });
});

test('a tap ends with its watcher, also one that is killed', async () => {
  // As many as a proxy bears; the next is refused, until the first have gone.
  const four = [];
  for (let index = 0; index < 4; index += 1) four.push(await tap('deploy/server'));
  const fifth = await start('tap', 'deploy/server', '-n', NS);
  const [code] = (await once(fifth.child, 'exit')) as [number];
  expect({ code, errors: fifth.errors }).toMatchObject({ code: 2 });
  expect(fifth.errors).toContain('4 taps are on in this proxy already');
  for (const { child } of four) child.kill('SIGKILL');
  await eventually('a tap is possible again', async () => {
    const again = await start('tap', 'deploy/server', '-n', NS, '--for', '1s');
    const [ended] = (await once(again.child, 'exit')) as [number];
    return ended === 0;
  });
});

test('a retried request is traced with both attempts', async () => {
  const traced = await start(
    'trace',
    'deploy/web',
    '-n',
    NS,
    '--to',
    'server',
    '--path',
    '/until',
    '-o',
    'json',
  );
  await until('it waits', () => traced.errors.includes('waiting'));
  await ask('/until/2/503', '-headers', 'x-request-id=e2e-1');
  const [code] = (await once(traced.child, 'exit')) as [number];
  expect({ code, errors: traced.errors }).toMatchObject({ code: 0 });
  const { caller, receivers } = JSON.parse(traced.out) as {
    readonly caller: Told;
    readonly receivers: readonly { readonly event: Told }[];
  };
  expect(caller.attempts.map(({ result }) => result)).toEqual(['503', '200']);
  expect(receivers.map(({ event }) => event.status)).toEqual([503, 200]);
});
