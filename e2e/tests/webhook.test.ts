import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, namespace } from '../support/app.js';
import { apply, eventually, get, kubectl } from '../support/run.js';
import { installWeft, weftSaid } from '../support/weft.js';

// What becomes of pods when somebody lays hands on the webhook configuration, and of those that slipped in meanwhile.

const NS = 'e2e-webhook';
const WEBHOOK = 'weft-default';

interface Webhooks {
  readonly webhooks: readonly {
    readonly name: string;
    readonly clientConfig: { readonly caBundle?: string };
  }[];
}

interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
    readonly spec: { readonly initContainers?: readonly { readonly name: string }[] };
  }[];
}

beforeAll(() => apply(namespace(NS)));

afterAll(async () => {
  await kubectl('delete', 'namespace', NS, '--wait=false');
  // Helm alone would leave what a test that failed has changed.
  await kubectl('delete', 'mutatingwebhookconfiguration', WEBHOOK, '--ignore-not-found');
  await installWeft();
});

const patch = (operations: readonly object[]): Promise<string> =>
  kubectl('patch', 'mutatingwebhookconfiguration', WEBHOOK, '--type=json', '-p', JSON.stringify(operations));

async function caBundles(): Promise<readonly (string | undefined)[]> {
  const { webhooks } = await get<Webhooks>('mutatingwebhookconfiguration', WEBHOOK);
  return webhooks.map(({ clientConfig }) => clientConfig.caBundle);
}

/** The message of an event that says so; others with its reason may be of tests of before. */
async function told(reason: string, says: RegExp): Promise<void> {
  interface Events {
    readonly items: readonly { readonly reason: string; readonly message: string }[];
  }
  await eventually(`an event ${reason}`, async () => {
    const { items } = await get<Events>('events', '-A');
    return items.find((one) => one.reason === reason && says.test(one.message));
  });
}

/** Names of pods of an application, by whether they have a proxy. */
async function podsOf(app: string): Promise<{ readonly meshed: string[]; readonly plain: string[] }> {
  const { items } = await get<Pods>('pods', '-n', NS, '-l', `app=${app}`);
  const staying = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const isMeshed = ({ spec }: Pods['items'][number]): boolean =>
    spec.initContainers?.some(({ name }) => name === 'weft-proxy') ?? false;
  const names = (pods: Pods['items']): string[] => pods.map(({ metadata }) => metadata.name);
  return { meshed: names(staying.filter(isMeshed)), plain: names(staying.filter((pod) => !isMeshed(pod))) };
}

/** Roots that are not ours: those of the API server. */
async function otherRoots(): Promise<string> {
  const { data } = await get<{ data: Record<string, string> }>('configmap', 'kube-root-ca.crt', '-n', NS);
  return Buffer.from(data['ca.crt'] ?? '').toString('base64');
}

test.each([
  ['emptied', () => Promise.resolve('')],
  ['overwritten', otherRoots],
])('a caBundle that is %s is ours again within seconds, and pods are injected', async (what, other) => {
  const before = await caBundles();
  const value = await other();
  const began = Date.now();
  await patch(
    before.map((_, index) => ({ op: 'replace', path: `/webhooks/${index}/clientConfig/caBundle`, value })),
  );
  await eventually('it is ours again', async () => (await caBundles()).join() === before.join(), 10);
  console.log(`a caBundle that was ${what} was ours again after ${Date.now() - began} ms`);
  await deploy({ namespace: NS, name: what });
  expect((await podsOf(what)).plain).toEqual([]);
});

test('a selector that somebody changed is told by an event and by weft check, and pods slip in', async () => {
  const value = { matchLabels: { tier: 'nobody' } };
  const { webhooks } = await get<Webhooks>('mutatingwebhookconfiguration', WEBHOOK);
  await patch(
    webhooks.map((_, index) => ({ op: 'replace', path: `/webhooks/${index}/objectSelector`, value })),
  );
  await told('WebhookChanged', /objectSelector also demands tier In \[nobody\]/);
  const check = await weftSaid(['check']);
  expect(check.text).toMatch(/objectSelector also demands tier In \[nobody\]/);
  expect(check.code).not.toBe(0);
  await deploy({ namespace: NS, name: 'slipped', replicas: 2 });
  expect(await podsOf('slipped')).toEqual({ meshed: [], plain: [expect.any(String), expect.any(String)] });
  await kubectl('delete', 'mutatingwebhookconfiguration', WEBHOOK);
  await installWeft();
  expect((await weftSaid(['check'])).text).not.toMatch(/objectSelector/);
});

test('a webhook configuration that is deleted is told', async () => {
  await kubectl('delete', 'mutatingwebhookconfiguration', WEBHOOK);
  await told('WebhookMissing', /does not exist/);
  expect((await weftSaid(['check'])).text).toMatch(/weft-default does not exist, so no pod gets a proxy/);
  await deploy({ namespace: NS, name: 'meanwhile' });
  expect((await podsOf('meanwhile')).plain).toHaveLength(1);
});

test('pods that slipped in are evicted where the installation says so, as their budgets allow, and their successors have a proxy', async () => {
  await apply({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'meanwhile', namespace: NS },
    spec: { maxUnavailable: 0, selector: { matchLabels: { app: 'meanwhile' } } },
  });
  const held = await podsOf('meanwhile');
  await installWeft('podsWithoutProxy.evictPerMinute=60');
  await eventually(
    'both have successors with a proxy',
    async () => {
      const { meshed, plain } = await podsOf('slipped');
      return meshed.length === 2 && plain.length === 0;
    },
    150,
  );
  await told('InjectionEvicted', /its successor gets one/);
  expect(await podsOf('meanwhile')).toEqual(held);
  await kubectl('delete', 'poddisruptionbudget', 'meanwhile', '-n', NS);
  await eventually(
    'the one that its budget held, too',
    async () => (await podsOf('meanwhile')).meshed.length === 1,
    90,
  );
}, 420_000);
