/** A mesh of two replicas of the control plane and some proxies, without sockets between these, whose leader's time runs fast. */
import { Metrics, createLogger, type Clock, type Watched } from '../../base/index.js';
import {
  fingerprintOf,
  fingerprintsOf,
  keyIdOf,
  signerIn,
  type IssuerMaterial,
} from '../../identity/index.js';
import { connectPlain, type KubeClient } from '../../kube/index.js';
import { DEFAULT_SETTINGS } from '../../model/index.js';
import { TrustTally } from '../../proxies/index.js';
import { meshContainers, type ApiServer } from '../../testing/index.js';
import { OwnAcks, publishAcks } from '../acks.js';
import { createClusterView, runClusterView, type ClusterView } from '../cluster-view.js';
import { Collector } from '../collector.js';
import { followIssuer, trustStanding } from '../issuer.js';
import { leaderWork } from '../leader.js';
import { Peers } from '../peers.js';
import { isHeardOf } from './counts.js';
import { ROTATION, isRotating, requestData, type RotationRequest, type RotationStatus } from './record.js';

export const SYSTEM = 'weft-system';
const MAPS = '/api/v1/configmaps';
const TRUST_BUNDLES = '/apis/certificates.k8s.io/v1/clustertrustbundles';
const log = createLogger({ level: 'silent' });

/** How much faster the clock of the leader runs. */
export const FASTER = 120;
const began = Date.now();
const clock: Clock = {
  now: () => began + (Date.now() - began) * FASTER,
  monotonic: () => performance.now(),
};

export class Replica {
  readonly tally: TrustTally;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly view: ClusterView;
  readonly #client: KubeClient;
  readonly #abort = new AbortController();
  readonly #running: Promise<unknown>[];
  readonly #lead: (signal: AbortSignal) => Promise<void>;
  #leads: { readonly abort: AbortController; readonly ended: Promise<void> } | undefined;

  constructor(server: ApiServer, name: string) {
    server.put('/api/v1/pods', {
      metadata: { name, namespace: SYSTEM, uid: name },
      spec: { containers: [] },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    });
    this.#client = connectPlain(server.url);
    const [client, metrics, signal] = [this.#client, new Metrics(), this.#abort.signal];
    const settings = { revision: 'default', systemNamespace: SYSTEM, trustDomain: 'cluster.local' };
    const pod = { name, uid: name };
    const view = createClusterView({ client, ...settings, log, metrics });
    this.view = view;
    this.tally = new TrustTally(({ uid, pod: of }) => {
      const there = view.pods.store.get(of);
      return there?.metadata.uid === uid && isHeardOf(there);
    });
    view.pods.store.onChange(() => this.tally.changed());
    const collector = new Collector({ view, installed: DEFAULT_SETTINGS, log });
    collector.attach();
    this.issuer = followIssuer({ view, log, clock }, signal);
    const own = new OwnAcks(0);
    const peers = new Peers({ view, pod, systemNamespace: SYSTEM });
    const trust = trustStanding(this.issuer, this.tally);
    this.#lead = leaderWork({
      client,
      view,
      collector,
      issuer: this.issuer,
      own,
      peers,
      trust,
      ...settings,
      log,
      metrics,
      clock,
      lookAtTrustMs: 50,
    });
    this.#running = [
      runClusterView(view, { client, log, restart: () => undefined }, signal),
      publishAcks(
        {
          client,
          ...settings,
          pod,
          own,
          trust: () => (isRotating(view.rotation.store) ? trust() : undefined),
          log,
          everyMs: 20,
        },
        signal,
      ),
    ];
  }

  lead(): void {
    const abort = new AbortController();
    this.#leads = { abort, ended: this.#lead(abort.signal) };
  }

  async stopLeading(): Promise<void> {
    this.#leads?.abort.abort();
    await this.#leads?.ended;
    this.#leads = undefined;
  }

  async end(): Promise<void> {
    await this.stopLeading();
    this.#abort.abort();
    await Promise.all(this.#running);
    this.#client.close();
  }
}

/** What a proxy holds. */
interface Held {
  readonly roots: string;
  /** Of the issuer of its certificate... */
  readonly issuer: string;
  readonly issuerKey: string;
  /** ...and of the root that signed that. */
  readonly root: string;
}

/** A proxy: takes over the bundle when its kubelet has it, tells its replica, and renews where the issuer is another. */
export class Proxy {
  held: Held | undefined;
  /** Its kubelet brings nothing new. */
  isStuck = false;
  /** Its kubelet renews a certificate at its own time; this has it do so. */
  isDue = false;
  readonly #hasPodCertificate: boolean;
  readonly #name: string;
  readonly #isTelling: boolean;
  #stream = new AbortController();

  constructor(server: ApiServer, name: string, { tells = true, podCertificate = false } = {}) {
    this.#name = name;
    this.#isTelling = tells;
    this.#hasPodCertificate = podCertificate;
    const { init, proxy } = meshContainers({ podCertificate });
    server.put('/api/v1/pods', {
      metadata: { name, namespace: 'shop', uid: `uid-${name}` },
      spec: { containers: [], initContainers: [init, { ...proxy, restartPolicy: 'Always' }] },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    });
  }

  async look(server: ApiServer, replica: Replica): Promise<void> {
    const data = this.#hasPodCertificate ? trustBundleIn(server) : bundleIn(server);
    const signsWith = replica.issuer.current;
    if (data === undefined || signsWith === undefined || this.#seesNothing) return;
    const { 'bundle.pem': roots = '' } = data;
    const before = this.#isToRenew(data['issuer']) ? undefined : this.held;
    if (before?.roots === roots) return;
    const issuer = fingerprintOf(signsWith.chain);
    const root = await signerIn(signsWith.roots, signsWith.chain);
    this.held = { issuer, issuerKey: keyIdOf(signsWith.chain), root: root ?? 'nobody', ...before, roots };
    this.#tell(replica);
  }

  /** Nobody tells a kubelet of another issuer. */
  #isToRenew(issuer: string | undefined): boolean {
    return this.#hasPodCertificate ? this.isDue || this.held === undefined : this.held?.issuer !== issuer;
  }

  get #seesNothing(): boolean {
    return this.isStuck && this.held !== undefined;
  }

  #tell(replica: Replica): void {
    const { issuerKey: issuer = '', roots = '' } = this.held ?? {};
    this.#stream.abort();
    this.#stream = new AbortController();
    const told = this.#isTelling ? fingerprintsOf(roots) : [];
    const proxy = { uid: `uid-${this.#name}`, pod: `shop/${this.#name}`, roots: told, issuer };
    replica.tally.enter(proxy, this.#stream.signal);
  }

  end(): void {
    this.#stream.abort();
  }
}

function trustBundleIn(server: ApiServer): Record<string, string> | undefined {
  const bundle = server.get(TRUST_BUNDLES, { name: 'weft.dev:workload:default' });
  const { trustBundle } = (bundle?.['spec'] ?? {}) as { trustBundle?: string };
  return trustBundle === undefined ? undefined : { 'bundle.pem': trustBundle };
}

function bundleIn(server: ApiServer): Record<string, string> | undefined {
  return server.get(MAPS, { namespace: 'shop', name: 'weft-trust' })?.data as
    Record<string, string> | undefined;
}

/** What would have failed: pairs of whom one does not trust what the other shows, the control plane among them. */
export function misfits(proxies: readonly Proxy[], replicas: readonly Replica[]): string[] {
  const held = proxies.flatMap((proxy) => (proxy.held === undefined ? [] : [proxy.held]));
  const trusts = [
    ...held.map(({ roots }) => fingerprintsOf(roots)),
    ...replicas.flatMap(({ issuer }) => (issuer.current ? [fingerprintsOf(issuer.current.roots)] : [])),
  ];
  return held.filter(({ root }) => trusts.some((roots) => !roots.includes(root))).map(({ root }) => root);
}

export function ask(server: ApiServer, request: Partial<RotationRequest> & { readonly id: string }): void {
  const before = server.get(MAPS, { namespace: SYSTEM, name: 'weft-rotation' });
  const data = requestData({ of: 'root', takeOver: false, ...request });
  server.put(MAPS, {
    metadata: { namespace: SYSTEM, name: 'weft-rotation' },
    data: { ...(before?.data as object | undefined), ...data },
  });
}

export function statusIn(server: ApiServer): RotationStatus | undefined {
  const map = server.get(MAPS, { namespace: SYSTEM, name: 'weft-rotation' });
  return map === undefined ? undefined : ROTATION.keep(map).status;
}
