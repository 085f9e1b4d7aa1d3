import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, namespace } from '../support/app.js';
import { trafficPolicy, waitForCondition, weftObject } from '../support/policy.js';
import { apply, CommandError, eventually, kubectl } from '../support/run.js';
import { weft } from '../support/weft.js';

const NS = 'e2e-explain';
const WEB = `spiffe://cluster.local/ns/${NS}/sa/web`;

interface Stage {
  readonly stage: string;
  readonly verdict: string;
  readonly rule?: string;
}

interface Report {
  readonly policy?: string;
  readonly caller: {
    readonly verdict: string;
    readonly route?: string;
    readonly caller: { readonly identity: string };
    readonly routes: readonly {
      readonly name: string;
      readonly verdict: string;
      readonly differs?: readonly object[];
    }[];
    readonly split: readonly {
      readonly backend: string;
      readonly endpoints: readonly { readonly pod?: string }[];
    }[];
  };
  readonly receiver?: { readonly answer: { readonly verdict: string; readonly stages: readonly Stage[] } };
}

const explain = async (...words: string[]): Promise<Report> =>
  JSON.parse(await weft('explain', 'deploy/web', '-n', NS, '-o', 'json', ...words)) as Report;

/** What it prints, and how it ends, where it says no. */
async function refused(...words: string[]): Promise<CommandError> {
  const error: unknown = await weft('explain', ...words).catch((thrown: unknown) => thrown);
  if (!(error instanceof CommandError)) throw new Error(`not refused: ${String(error)}`);
  return error;
}

beforeAll(async () => {
  await apply(namespace(NS));
  await deploy(
    { namespace: NS, name: 'server-v1', service: 'server', version: 'v1' },
    { namespace: NS, name: 'server-v2', service: 'server', version: 'v2' },
    { namespace: NS, name: 'web' },
  );
  const target = [{ kind: 'Service', name: 'server', port: 8080 }];
  const testers = {
    name: 'testers',
    match: [{ headers: [{ name: 'x-group', exact: 'beta' }] }],
    split: [{ labels: { version: 'v2' } }],
  };
  const routes = [testers, { name: 'rest', split: [{ labels: { version: 'v1' } }] }];
  await apply(trafficPolicy(NS, 'server', { targetRefs: target, routes }));
  await waitForCondition(NS, 'server', 'Accepted', 'True');
});

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

test('a header match decides, and the explanation names the policy, the pod and why others do not take it', async () => {
  await eventually('the proxy has the routes', async () => {
    const { caller } = await explain('http://server:8080/', '-H', 'x-group: beta');
    return caller.route === 'testers';
  });
  const { caller, policy } = await explain('http://server:8080/', '-H', 'x-group: alpha');
  expect({ policy, route: caller.route, verdict: caller.verdict, identity: caller.caller.identity }).toEqual({
    policy: `TrafficPolicy ${NS}/server`,
    route: 'rest',
    verdict: 'sent',
    identity: WEB,
  });
  expect(caller.routes[0]?.differs).toEqual([
    { part: 'header', name: 'x-group', wanted: 'exactly beta', found: 'alpha' },
  ]);
  expect(caller.split[0]?.endpoints[0]?.pod).toMatch(new RegExp(`^${NS}/server-v1-`));
  const text = await weft('explain', 'deploy/web', '-n', NS, 'http://server:8080/');
  expect(text).toMatch(/no +testers +header x-group is absent, not exactly beta/);
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(140);
});

test('a call that is denied names the rule, by the receiver that would refuse it', async () => {
  await apply([
    weftObject('MeshRole', NS, 'admin', { rules: [{ services: ['server'], paths: ['/admin/*'] }] }),
    weftObject('MeshRoleBinding', NS, 'no-admin', {
      subjects: [{ serviceAccount: { name: 'web' } }],
      roleRef: { kind: 'MeshRole', name: 'admin' },
      effect: 'Deny',
    }),
  ]);
  const words = ['deploy/web', '-n', NS, '--receiver', 'GET', 'http://server:8080/admin/users'];
  await eventually('the receiver has the rule', async () => {
    const error = await refused(...words).catch(() => undefined);
    return error?.message.includes(`[${NS}/no-admin]`);
  });
  const { receiver } = await explain('--receiver', 'http://server:8080/public');
  expect(receiver?.answer).toMatchObject({ verdict: 'sent' });
});

test('what nobody declares is said in words', async () => {
  for (const [url, said] of [
    ['http://nobody:8080/', `there is no Service ${NS}/nobody`],
    ['http://server:81/', 'does not declare port 81'],
  ] as const)
    expect((await refused('deploy/web', '-n', NS, url)).message).toContain(said);
});
