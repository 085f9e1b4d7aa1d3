/** What the real control plane wants of a cluster beside what a world has: namespaces, tokens, its own pods. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { names } from '../../../src/base/index.js';
import type { ApiServer, StoredObject } from '../../../src/testing/index.js';
import { COLLECTIONS, NAMESPACE } from '../../scenarios/objects.js';

const CONFIG_MAPS = '/api/v1/configmaps';
const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const LEASES = '/apis/coordination.k8s.io/v1/leases';

/** Puts what there is before Weft is installed, and what its chart would put; tokens are as `testToken` makes them. */
export function furnish(api: ApiServer, replicas: readonly { name: string; address: string }[]): void {
  const injected = { [names.Label.inject]: 'enabled' };
  api.put('/api/v1/namespaces', { metadata: { name: NAMESPACE, labels: injected } });
  api.put('/api/v1/namespaces', { metadata: { name: names.SYSTEM_NAMESPACE } });
  api.put(WEBHOOKS, { metadata: { name: names.revisionName('default') }, webhooks: [] });
  for (const replica of replicas) api.put(COLLECTIONS.pods, ownPod(replica));
  api.onPost(REVIEWS, (body) => {
    const { token } = (body as { spec: { token: string } }).spec;
    return { status: 201, body: { status: review(api, Buffer.from(token, 'base64url').toString()) } };
  });
}

function ownPod({ name, address }: { name: string; address: string }): StoredObject {
  const labels = { 'app.kubernetes.io/name': 'weft', [names.Label.rev]: 'default' };
  return {
    metadata: { name, namespace: names.SYSTEM_NAMESPACE, uid: name, labels },
    spec: { serviceAccountName: names.SYSTEM_SERVICE_ACCOUNT, containers: [{ name: 'weft' }] },
    status: {
      phase: 'Running',
      podIPs: [{ ip: address }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

function review(api: ApiServer, uid: string): object {
  const pod = api.all(COLLECTIONS.pods).find(({ metadata }) => metadata.uid === uid);
  if (pod === undefined) return { authenticated: false, error: 'invalid bearer token' };
  const { serviceAccountName = 'default' } = pod.spec as { serviceAccountName?: string };
  const extra = {
    'authentication.kubernetes.io/pod-name': [pod.metadata.name],
    'authentication.kubernetes.io/pod-uid': [uid],
  };
  const username = `system:serviceaccount:${pod.metadata.namespace}:${serviceAccountName}`;
  return { authenticated: true, audiences: [names.TOKEN_AUDIENCE], user: { username, extra } };
}

/** A kubeconfig for an API server that asks for nothing. */
export async function writeKubeconfig(server: string, directory: string): Promise<string> {
  const path = join(directory, 'kubeconfig');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'it',
    contexts: [{ name: 'it', context: { cluster: 'it', user: 'it' } }],
    clusters: [{ name: 'it', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'it', user: {} }],
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

/** The kubelet's part: the trust bundle, as pods mount it. Throws until there is one. */
export async function writeBundle(api: ApiServer, directory: string): Promise<void> {
  const map = api.get(CONFIG_MAPS, { namespace: NAMESPACE, name: names.TRUST_CONFIG_MAP });
  const bundle = (map?.data as Record<string, string> | undefined)?.[names.TRUST_BUNDLE_KEY];
  if (bundle === undefined) throw new Error('no trust bundle yet');
  await writeFile(join(directory, 'bundle.pem'), bundle);
}

/** Name of the replica that leads. */
export function leader(api: ApiServer): string {
  const at = { namespace: names.SYSTEM_NAMESPACE, name: names.revisionName('default') };
  const spec = api.get(LEASES, at)?.spec as { holderIdentity?: string } | undefined;
  return spec?.holderIdentity ?? '';
}
