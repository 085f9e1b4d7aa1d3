import { names, pause } from '../../src/base/index.js';
import { createOfflineIssuer, createOfflineRoot } from '../../src/identity/index.js';
import type { ApiServer, StoredObject } from '../../src/testing/index.js';
import type { Plane } from '../chaos/plane/plane.js';
import { NAMESPACE, PORTS } from '../scenarios/objects.js';
import type { Pod, PodSpec } from '../scenarios/pod.js';
import type { World } from '../scenarios/world.js';

const MINUTE = 60_000;
/** What an issuer lasts, and with it each certificate; proxies renew theirs when half of what is left has passed. */
export const CERTIFICATE_MINUTES = 5;
const ROLES = '/apis/weft.dev/v1alpha1/meshroles';
const BINDINGS = '/apis/weft.dev/v1alpha1/meshrolebindings';
const POLICIES = '/apis/weft.dev/v1alpha1/trafficpolicies';

/** How often each changes. */
const EVERY = { endpoints: 30_000, policies: 10_000, roles: 15_000, certificates: 2 * MINUTE } as const;
export type Changes = Record<keyof typeof EVERY, number>;

/** An installation whose issuer comes from elsewhere and ends in minutes, so that no certificate lasts longer. */
export async function shortIssuers(): Promise<(api: ApiServer) => Promise<void>> {
  const root = await createOfflineRoot(Date.now());
  const encoded = (text: string): string => Buffer.from(text).toString('base64');
  return async (api) => {
    const lifeMs = CERTIFICATE_MINUTES * MINUTE;
    const issuer = await createOfflineIssuer(root, { lifeMs, now: Date.now() });
    api.put('/api/v1/secrets', {
      metadata: { name: 'weft-issuer', namespace: names.SYSTEM_NAMESPACE },
      data: {
        'tls.crt': encoded(issuer.certificate),
        'tls.key': encoded(issuer.privateKey),
        'ca.crt': encoded(root.certificate),
      },
    });
  };
}

export interface Churning {
  readonly world: World<Plane>;
  readonly callees: readonly Pod[];
  readonly renew: (api: ApiServer) => Promise<void>;
}

/** Changes everything over and over until the signal aborts, and counts how often. Throws when a change cannot be made. */
export async function churn({ world, callees, renew }: Churning, signal: AbortSignal): Promise<Changes> {
  const changes: Changes = { endpoints: 0, policies: 0, roles: 0, certificates: 0 };
  const old = [...callees];
  const acts: Record<keyof Changes, (number: number) => Promise<void> | void> = {
    endpoints: async (number) => {
      old.push(...(await world.start(callee(`r${number}`))));
      await old.shift()?.delete();
    },
    policies: (number) => void world.api.put(POLICIES, policy(number)),
    roles: (number) => changeRoles(world.api, number),
    certificates: () => renew(world.api),
  };
  const kinds = Object.keys(EVERY) as (keyof Changes)[];
  await Promise.all(
    kinds.map(async (kind) => {
      while (await pause(EVERY[kind], signal)) {
        changes[kind] += 1;
        await acts[kind](changes[kind]);
      }
    }),
  );
  return changes;
}

export function callee(name: string): PodSpec {
  return { name, app: 'reviews', target: [], behaviour: { latencyMillis: 5, spread: 0.5 } };
}

const metadata = (name: string, generation: number): StoredObject['metadata'] => ({
  name,
  namespace: NAMESPACE,
  uid: name,
  generation,
});

function policy(number: number): StoredObject {
  const headers = { response: { set: [{ name: 'x-mark', value: String(number) }] } };
  const targetRefs = [{ kind: 'Service', name: 'reviews', port: PORTS.http }];
  return {
    ...ours('TrafficPolicy'),
    metadata: metadata('reviews', number),
    spec: { targetRefs, routes: [{ headers }] },
  };
}

/** A role and its binding, which come and go: nobody needs them, since the default is to allow. */
function changeRoles(api: ApiServer, number: number): void {
  const at = { namespace: NAMESPACE, name: 'readers' };
  if (number % 2 === 0) {
    api.remove(BINDINGS, at);
    api.remove(ROLES, at);
    return;
  }
  const rules = [{ services: ['reviews'], ports: [PORTS.http], paths: [`/${number}/*`, '/'] }];
  const subjects = [{ serviceAccount: { name: 'web' } }];
  const roleRef = { kind: 'MeshRole', name: 'readers' };
  api.put(ROLES, { ...ours('MeshRole'), metadata: metadata('readers', number), spec: { rules } });
  api.put(BINDINGS, {
    ...ours('MeshRoleBinding'),
    metadata: metadata('readers', number),
    spec: { subjects, roleRef },
  });
}

const ours = (kind: string): { apiVersion: string; kind: string } => ({
  apiVersion: `${names.API_GROUP}/${names.API_VERSION}`,
  kind,
});
