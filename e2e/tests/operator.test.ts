import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { container, deploy, namespace } from '../support/app.js';
import { trafficPolicy, waitForCondition } from '../support/policy.js';
import { apply, eventually, get, kubectl } from '../support/run.js';
import { weft } from '../support/weft.js';

const NS = 'e2e-operator';
const LATE = 'e2e-operator-late';
const WEBHOOK = 'weft-default';

interface Webhooks {
  readonly webhooks: readonly { readonly clientConfig: { readonly caBundle?: string } }[];
}

interface Events {
  readonly items: {
    readonly reason: string;
    readonly message: string;
    readonly involvedObject: { readonly kind: string; readonly name: string };
  }[];
}

beforeAll(async () => {
  await apply([namespace(NS), namespace(LATE, {})]);
});

afterAll(() => kubectl('delete', 'namespace', NS, LATE, '--wait=false'));

const bundle = async (ns: string): Promise<string | undefined> =>
  (await get<{ data: Record<string, string> }>('configmap', 'weft-trust', '-n', ns)).data['bundle.pem'];

const holder = async (): Promise<string> =>
  (await get<{ spec: { holderIdentity: string } }>('lease', 'weft-default', '-n', 'weft-system')).spec
    .holderIdentity;

function event(ns: string, reason: string): Promise<Events['items'][number]> {
  return eventually(`an event ${reason} in ${ns}`, async () => {
    const { items } = await get<Events>('events', '-n', ns);
    return items.find((candidate) => candidate.reason === reason);
  });
}

test('a namespace that joins gets the trust bundle, and it is what the webhook is called with', async () => {
  const roots = await eventually('the bundle is there', () => bundle(NS), 10);
  const { webhooks } = await get<Webhooks>('mutatingwebhookconfiguration', WEBHOOK);
  for (const { clientConfig } of webhooks) {
    expect(Buffer.from(clientConfig.caBundle ?? '', 'base64').toString()).toBe(roots);
  }
});

test('a caBundle that somebody changed is put right, and pods are injected again', async () => {
  const path = '/webhooks/0/clientConfig/caBundle';
  const value = Buffer.from((await bundle(NS)) ?? '').toString('base64');
  await kubectl(
    'patch',
    'mutatingwebhookconfiguration',
    WEBHOOK,
    '--type=json',
    '-p',
    JSON.stringify([{ op: 'remove', path }]),
  );
  await eventually(
    'the operator has set it again',
    async () =>
      (await get<Webhooks>('mutatingwebhookconfiguration', WEBHOOK)).webhooks[0]?.clientConfig.caBundle ===
      value,
    30,
  );
});

test('the ReplicaSet of pods that were skipped says why', async () => {
  const spec = { hostNetwork: true };
  await apply({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'host', namespace: NS },
    spec: {
      selector: { matchLabels: { app: 'host' } },
      template: {
        metadata: { labels: { app: 'host' } },
        spec: {
          ...spec,
          containers: [
            container({ name: 'host', container: { args: ['--http', ':38081'], readinessProbe: null } }),
          ],
        },
      },
    },
  });
  const { involvedObject, message } = await event(NS, 'InjectionSkipped');
  expect(involvedObject).toMatchObject({ kind: 'ReplicaSet', name: expect.stringMatching(/^host-/) });
  expect(message).toMatch(/hostNetwork/);
});

test('pods older than the label are reported, by event and by weft check', async () => {
  await deploy({ namespace: LATE, name: 'old' });
  await kubectl('label', 'namespace', LATE, 'weft.dev/inject=enabled');
  const { involvedObject, message } = await event(LATE, 'InjectionMissing');
  expect(involvedObject.name).toMatch(/^old-/);
  expect(message).toMatch(/rollout restart/);
  const text = await weft('check');
  expect(text).toMatch(/1 pod should have a proxy and has none, such as e2e-operator-late\/old-/);
  expect(text).toMatch(/Weft is in order/);
});

test('when the leader is deleted another one leads within seconds, and goes on writing status', async () => {
  const before = await holder();
  await kubectl('delete', 'pod', '-n', 'weft-system', before, '--grace-period=0', '--force');
  const began = Date.now();
  await eventually(
    'another replica leads',
    async () => {
      const now = await holder();
      return now !== '' && now !== before;
    },
    60,
  );
  expect(Date.now() - began).toBeLessThan(30_000);
  await apply(trafficPolicy(NS, 'lost', { targetRefs: [{ kind: 'Service', name: 'nowhere' }] }));
  const condition = await waitForCondition(NS, 'lost', 'ResolvedRefs', 'False');
  expect(condition.reason).toBe('TargetNotFound');
  await kubectl('rollout', 'status', '-n', 'weft-system', 'deployment/weft-default', '--timeout=120s');
});
