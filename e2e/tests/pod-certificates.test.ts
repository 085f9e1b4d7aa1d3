import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { app, deploy, load, namespace } from '../support/app.js';
import { kubernetesMinor } from '../support/kubernetes.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { replicas } from '../support/replicas.js';
import { apply, eventually, get, kubectl, kubectlRefused } from '../support/run.js';
import { runWeft } from '../support/weft.js';
import { type Caller, underTraffic } from '../support/traffic.js';
import { weftObject } from '../support/policy.js';

// The kubelet brings some pods of a strict namespace their certificates; the proxies of the others ask for theirs. They cannot be told
// apart from outside, and a Deployment moves from one way to the other under load.

const NS = 'e2e-pod-certificates';
const PLAIN = 'e2e-pod-certificates-plain';
const SYSTEM = 'weft-system';
const MOUNTED = { 'weft.dev/pod-certificates': 'enabled' };

const can = (await kubernetesMinor()) >= 37;

interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly creationTimestamp: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly nodeName: string;
    readonly volumes: readonly { readonly name: string; readonly configMap?: object }[];
  };
  readonly status: {
    readonly conditions: readonly { readonly type: string; readonly lastTransitionTime: string }[];
  };
}

const identity = (account: string): string => `spiffe://cluster.local/ns/${NS}/sa/${account}`;

async function only(label: string): Promise<Pod> {
  const names = await podsOf(NS, `deployment=${label}`);
  expect(names).toHaveLength(1);
  return get<Pod>('pod', names[0]!, '-n', NS);
}

async function callsFrom(caller: string, server: string, namespaceOf = NS): Promise<Record<string, number>> {
  const url = `http://${server}.${NS}:8080/`;
  const { failures, requests, statuses } = await load(
    namespaceOf,
    `deploy/${caller}`,
    ...['-url', url, '-count', '20', '-rate', '50', '-fresh'],
  );
  expect(requests).toBe(20);
  return { failed: Object.values(failures).reduce((all, n) => all + n, 0), ok: statuses['200'] ?? 0 };
}

/** Lines of all replicas' logs. */
async function issued(pod: string): Promise<Record<string, unknown>[]> {
  const logs = await kubectl('logs', '-n', SYSTEM, '-l', 'app.kubernetes.io/name=weft', '--tail=-1');
  return logs
    .split('\n')
    .filter((line) => line.includes('issued a certificate'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line['pod'] === `${NS}/${pod}`);
}

/** One caller over connections that it keeps, and over new ones. */
const callersOf = (url: string): readonly Caller[] => [
  { namespace: NS, target: 'deploy/asking-client', flags: ['-url', url, '-rate', '100'] },
  { namespace: NS, target: 'deploy/asking-client', flags: ['-url', url, '-rate', '20', '-fresh'] },
];

(can ? describe : describe.skip)('pods with certificates from the kubelet', () => {
  beforeAll(async () => {
    await apply([namespace(NS), namespace(PLAIN, {})]);
    await apply(weftObject('MeshTLSPolicy', NS, 'default', { mode: 'Strict' }));
    await deploy(
      { namespace: NS, name: 'mounted-server', annotations: MOUNTED },
      { namespace: NS, name: 'mounted-client', annotations: MOUNTED },
      { namespace: NS, name: 'asking-server' },
      { namespace: NS, name: 'asking-client' },
      { namespace: PLAIN, name: 'client' },
    );
    await kubectl('wait', '-n', NS, '--for=condition=Programmed', 'meshtlspolicy/default', '--timeout=60s');
  });

  afterAll(() => kubectl('delete', 'namespace', NS, PLAIN, '--wait=false'));

  test('have no token and no ConfigMap, and the log says that a request of their kubelet was answered', async () => {
    const pod = await only('mounted-server');
    const volumes = pod.spec.volumes.filter(({ name }) => name.startsWith('weft-'));
    expect(volumes.map(({ name }) => name).sort()).toEqual(['weft-identity', 'weft-state', 'weft-trust']);
    expect(volumes.filter(({ configMap }) => configMap !== undefined)).toEqual([]);
    const lines = await issued(pod.metadata.name);
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect(line).toMatchObject({ identity: identity('mounted-server'), podUid: pod.metadata.uid });
      expect([typeof line['request'], line['peer']]).toEqual(['string', undefined]);
    }
  });

  test.each([
    ['mounted-client', 'mounted-server'],
    ['mounted-client', 'asking-server'],
    ['asking-client', 'mounted-server'],
    ['asking-client', 'asking-server'],
  ])('%s calls %s in strict mode, which sees its identity', async (caller, server) => {
    expect(await callsFrom(caller, server)).toEqual({ failed: 0, ok: 20 });
    const { metadata } = await only(server);
    const labels = { direction: 'inbound', peer: identity(caller), tls: 'mutual' };
    expect(sum(await proxyMetrics(NS, metadata.name), 'weft_requests_total', labels)).toBeGreaterThanOrEqual(
      20,
    );
  });

  test('refuse who has no certificate', async () => {
    expect(await callsFrom('client', 'mounted-server', PLAIN)).toMatchObject({ ok: 0 });
  });

  test('leave their keys in no Secret', async () => {
    const { items } = await get<{ items: { data?: Record<string, string> }[] }>('secrets', '-n', NS);
    const texts = items.flatMap(({ data = {} }) => Object.values(data)).map((value) => atob(value));
    expect(texts.filter((text) => text.includes('PRIVATE KEY'))).toEqual([]);
  });

  test('get what is true, and a request that lies is denied in words', async () => {
    const { metadata, spec } = await only('asking-client');
    const uid = async (kind: string, name: string): Promise<string> =>
      kubectl('get', kind, name, '-n', NS, '-o', 'jsonpath={.metadata.uid}');
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null'];
    const csr = execFileSync('openssl', ['req', '-new', ...curve, '-subj', '/', '-outform', 'DER'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const request = async (name: string, serviceAccountName: string): Promise<object> => ({
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'PodCertificateRequest',
      metadata: { name, namespace: NS },
      spec: {
        signerName: 'weft.dev/workload',
        podName: metadata.name,
        podUID: metadata.uid,
        serviceAccountName,
        serviceAccountUID: await uid('serviceaccount', serviceAccountName),
        nodeName: spec.nodeName,
        nodeUID: await uid('node', spec.nodeName),
        stubPKCS10Request: csr.toString('base64'),
      },
    });
    await apply([await request('lie', 'asking-server'), await request('truth', 'asking-client')]);
    interface Request {
      readonly status?: {
        readonly certificateChain?: string;
        readonly conditions?: readonly {
          readonly type: string;
          readonly reason: string;
          readonly message: string;
        }[];
      };
    }
    const decided = async (name: string): Promise<NonNullable<Request['status']>> =>
      eventually(`${name} is decided`, async () => {
        const { status } = await get<Request>('podcertificaterequest', name, '-n', NS);
        return status?.conditions === undefined ? undefined : status;
      });
    const lie = await decided('lie');
    expect(lie.certificateChain).toBeUndefined();
    expect(lie.conditions).toEqual([
      expect.objectContaining({
        type: 'Denied',
        reason: 'PodMismatch',
        message: expect.stringContaining(`runs as ${NS}/asking-client, not as ${NS}/asking-server`),
      }),
    ]);
    expect((await decided('truth')).conditions).toEqual([expect.objectContaining({ type: 'Issued' })]);
  });

  test('a word that is none is refused when the pod is created', async () => {
    const [, deployment] = app({ namespace: NS, name: 'unclear' }) as [
      object,
      { spec: { template: { spec: object } } },
    ];
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'unclear', namespace: NS, annotations: { 'weft.dev/pod-certificates': 'yes' } },
      spec: deployment.spec.template.spec,
    };
    await apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'unclear', namespace: NS } });
    const said = await kubectlRefused(['apply', '-f', '-'], JSON.stringify(pod));
    expect(said).toMatch(/weft\.dev\/pod-certificates: "yes" is neither/);
  });

  test('a Deployment moves to the kubelet and back under load, and no call fails', async () => {
    await deploy({ namespace: NS, name: 'mover', replicas: 2 });
    const ways: string[] = [];
    await underTraffic(callersOf('http://mover:8080/'), async () => {
      for (const annotations of [MOUNTED, {}]) {
        await deploy({ namespace: NS, name: 'mover', replicas: 2, annotations });
        const { items } = await get<{ items: Pod[] }>('pods', '-n', NS, '-l', 'deployment=mover');
        const newest = items.sort((a, b) =>
          b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp),
        )[0]!;
        ways.push(newest.spec.volumes.some(({ name }) => name === 'weft-identity') ? 'mounted' : 'asking');
      }
    });
    expect(ways).toEqual(['mounted', 'asking']);
  }, 300_000);

  test('a pod that starts while the control plane restarts gets its certificate', async () => {
    await replicas();
    await kubectl('rollout', 'restart', '-n', SYSTEM, 'deployment/weft-default');
    await deploy({ namespace: NS, name: 'meanwhile', annotations: MOUNTED });
    await kubectl('rollout', 'status', '-n', SYSTEM, 'deployment/weft-default', '--timeout=120s');
    await replicas();
    expect(await callsFrom('meanwhile', 'asking-server')).toEqual({ failed: 0, ok: 20 });
    expect(await callsFrom('asking-client', 'mounted-server')).toEqual({ failed: 0, ok: 20 });
  }, 300_000);

  test('start, and how long that takes beside the other way is printed', async () => {
    const took = async (name: string, annotations: Readonly<Record<string, string>>): Promise<number[]> => {
      await deploy({ namespace: NS, name, replicas: 6, annotations });
      const { items } = await get<{ items: Pod[] }>('pods', '-n', NS, '-l', `deployment=${name}`);
      return items.map(({ metadata: { creationTimestamp }, status: { conditions } }) => {
        const ready = conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? '';
        return (Date.parse(ready) - Date.parse(creationTimestamp)) / 1_000;
      });
    };
    const asking = await took('timed-asking', {});
    const mounted = await took('timed-mounted', MOUNTED);
    interface Event {
      readonly reason: string;
      readonly message: string;
      readonly involvedObject: { readonly name: string };
    }
    const { items } = await get<{ items: Event[] }>(
      'events',
      '-n',
      NS,
      '--field-selector',
      'reason=FailedMount',
    );
    const waited = items.filter(
      ({ message, involvedObject }) =>
        involvedObject.name.startsWith('timed-mounted') &&
        message.includes('credential bundle is not issued yet'),
    );
    const pods = new Set(waited.map(({ involvedObject }) => involvedObject.name)).size;
    const line = (all: number[]): string => all.sort((a, b) => a - b).join(' ');
    console.log(
      `seconds from creation to Ready, six pods at once: proxies that ask ${line(asking)}; kubelets that ask ${line(mounted)}; ` +
        `FailedMount for ${pods} of 6`,
    );
    expect([asking.length, mounted.length]).toEqual([6, 6]);
  }, 300_000);

  test('hold the rotation of an issuer by name until they are recreated, and no call fails', async () => {
    const mounted = ['mounted-server', 'mounted-client', 'meanwhile', 'timed-mounted'];
    interface Status {
      readonly state: string;
      readonly message: string;
      readonly behind: readonly { readonly pod: string; readonly lacks: string }[];
    }
    const isTheirs = ({ pod, lacks }: Status['behind'][number]): boolean =>
      lacks === 'certificate' && mounted.some((name) => pod.startsWith(`${NS}/${name}-`));
    await underTraffic(callersOf('http://mounted-server:8080/'), async () => {
      const rotation = runWeft(['identity', 'rotate', '--timeout', '10', '-o', 'json'], { timeout: 660_000 });
      const status = await eventually(
        'only pods of kubelets are behind',
        async () => {
          const { data } = await get<{ data: Record<string, string> }>(
            'configmap',
            'weft-rotation',
            '-n',
            SYSTEM,
          );
          const said = JSON.parse(data['status.json'] ?? '{}') as Status;
          return said.state === 'Reissuing' && said.behind.length > 0 && said.behind.every(isTheirs) && said;
        },
        240,
      );
      expect(status.message).toMatch(/Pods that have theirs from the kubelet \([1-9]/);
      for (const name of mounted) await kubectl('rollout', 'restart', '-n', NS, `deployment/${name}`);
      for (const name of mounted)
        await kubectl('rollout', 'status', '-n', NS, `deployment/${name}`, '--timeout=120s');
      expect(await rotation).toContain('"Done"');
    });
  }, 900_000);
});
