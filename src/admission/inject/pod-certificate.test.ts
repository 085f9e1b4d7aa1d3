import { describe, expect, test } from '@jest/globals';
import jsonPatch from 'fast-json-patch';
import { createLogger } from '../../base/index.js';
import { answerReview, type AdmissionReview } from '../review.js';
import { aReview, settings } from './fixtures.js';
import { injectionHandler } from './handler.js';
import type { PodCertificates } from './settings.js';

interface Given {
  readonly pod?: string;
  readonly namespace?: string;
  readonly podCertificates: PodCertificates;
}

const annotated = (value: string | undefined): Record<string, string> =>
  value === undefined ? {} : { 'weft.dev/pod-certificates': value };

async function review(
  object: object,
  { namespace, podCertificates }: Given,
): Promise<AdmissionReview['response']> {
  const handler = injectionHandler({
    settings: () => settings({ podCertificates }),
    namespaceOf: () => ({ labels: { 'weft.dev/inject': 'enabled' }, annotations: annotated(namespace) }),
    log: createLogger({ level: 'silent' }),
    skipped: () => {},
  });
  return (await answerReview(aReview(object), handler, 4_000)).review.response;
}

const podOf = ({ pod }: Partial<Given>) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', annotations: annotated(pod) },
  spec: { serviceAccountName: 'web', containers: [{ name: 'app', image: 'app' }] },
});

interface Injected {
  readonly metadata: object;
  readonly spec: {
    readonly volumes: { name: string; projected?: { sources: object[] } }[];
    readonly initContainers: {
      name: string;
      env?: { name: string; value?: string }[];
      volumeMounts?: object[];
    }[];
  };
}

function after(object: object, { patch }: AdmissionReview['response']): Injected {
  const operations = JSON.parse(Buffer.from(patch ?? '', 'base64').toString()) as jsonPatch.Operation[];
  return jsonPatch.applyPatch(object, operations, true, false).newDocument as Injected;
}

const CAN = undefined;
const CANNOT = 'the kubelet of node old is of v1.36.1: that takes version 1.37 on every node';

describe('who decides', () => {
  test.each([
    [{}, 'Off', CAN, false],
    [{}, 'On', CAN, true],
    [{}, 'Auto', CAN, true],
    [{}, 'Auto', CANNOT, false],
    [{ namespace: 'enabled' }, 'Off', CAN, true],
    [{ namespace: 'disabled' }, 'On', CAN, false],
    [{ namespace: 'disabled' }, 'On', CANNOT, false],
    [{ namespace: 'enabled', pod: 'disabled' }, 'On', CANNOT, false],
    [{ namespace: 'disabled', pod: 'enabled' }, 'Off', CAN, true],
    [{ namespace: 'perhaps' }, 'Off', CAN, false],
  ] as const)('%j with %s where %s: %s', async (given, choice, obstacle, isGiven) => {
    const all = { ...given, podCertificates: { choice, obstacle } };
    const response = await review(podOf(all), all);
    const { volumes } = after(podOf(all), response).spec;
    expect(volumes.some(({ name }) => name === 'weft-identity')).toBe(isGiven);
    expect(volumes.some(({ name }) => name === 'weft-token')).toBe(!isGiven);
    expect(volumes.find(({ name }) => name === 'weft-trust')?.projected !== undefined).toBe(isGiven);
  });

  test.each([
    [{}, 'On'],
    [{ namespace: 'enabled' }, 'Off'],
    [{ pod: 'enabled' }, 'Auto'],
  ] as const)(
    '%j with %s is refused where it cannot be, and the refusal says what to do',
    async (given, choice) => {
      const all = { ...given, podCertificates: { choice, obstacle: CANNOT } };
      const { allowed, status } = await review(podOf(all), all);
      expect(allowed).toBe(false);
      expect(status?.message).toMatch(/node old is of v1\.36\.1.*weft\.dev\/pod-certificates: disabled/);
    },
  );

  test('a word that is none is refused at a pod, and told of at its namespace', async () => {
    const podCertificates = { choice: 'Off' } as const;
    const { status } = await review(podOf({ pod: 'yes' }), { podCertificates });
    expect(status?.message).toMatch(/weft\.dev\/pod-certificates: "yes" is neither "enabled" nor "disabled"/);
    const { warnings } = await review(podOf({}), { namespace: 'yes', podCertificates });
    expect(warnings?.join()).toMatch(/the namespace's annotation weft\.dev\/pod-certificates: "yes"/);
  });
});

describe('a pod that has been given one', () => {
  const given = { pod: 'enabled', podCertificates: { choice: 'Off' } } as const;
  const injected = async (): Promise<Injected> => after(podOf(given), await review(podOf(given), given));

  test('passes the next round also where no more are given by then', async () => {
    const again = await review(await injected(), { podCertificates: { choice: 'Off', obstacle: CANNOT } });
    expect([again.allowed, again.patch]).toEqual([true, undefined]);
  });

  const replaced = (pod: Injected, name: string, source: object): Injected => {
    const volumes = pod.spec.volumes.map((volume) =>
      volume.name === name ? { ...volume, projected: { ...volume.projected, sources: [source] } } : volume,
    );
    return { ...pod, spec: { ...pod.spec, volumes } };
  };

  test.each([
    [
      'roots of somebody else',
      (pod: Injected) =>
        replaced(pod, 'weft-trust', { clusterTrustBundle: { name: 'theirs', path: 'bundle.pem' } }),
    ],
    [
      'another signer',
      (pod: Injected) =>
        replaced(pod, 'weft-identity', {
          podCertificate: {
            signerName: 'a.example/b',
            keyType: 'ECDSAP256',
            credentialBundlePath: 'credentials.pem',
          },
        }),
    ],
    [
      'no volume',
      (pod: Injected) => ({
        ...pod,
        spec: { ...pod.spec, volumes: pod.spec.volumes.filter(({ name }) => name !== 'weft-identity') },
      }),
    ],
    [
      'a proxy that is told nothing of it',
      (pod: Injected) => ({
        ...pod,
        spec: {
          ...pod.spec,
          initContainers: pod.spec.initContainers.map((one) => ({
            ...one,
            env: one.env?.filter(({ name }) => name !== 'WEFT_POD_CERTIFICATE'),
          })),
        },
      }),
    ],
  ] as const)('is refused with %s', async (_what, change) => {
    const { allowed, status } = await review(change(await injected()), given);
    expect(allowed).toBe(false);
    expect(status?.message).toMatch(/is not what Weft writes/);
  });

  test('shows its key to no container but the proxy', async () => {
    const pod = podOf(given);
    const spec = {
      ...pod.spec,
      containers: [{ name: 'app', volumeMounts: [{ name: 'weft-identity', mountPath: '/k' }] }],
    };
    const { allowed, status } = await review({ ...pod, spec }, given);
    expect([allowed, status?.message]).toEqual([
      false,
      expect.stringMatching(/weft-identity, which only the proxy may use/),
    ]);
  });
});
