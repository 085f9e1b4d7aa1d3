import {
  LogSampler,
  MeshError,
  cut,
  systemClock,
  type Clock,
  type Logger,
  type Metrics,
  type Watched,
} from '../base/index.js';
import {
  PodSigner,
  encodePem,
  identityMetrics,
  isFinal,
  type IssuerMaterial,
  type PlacedPod,
  type Refusal,
  type SignedForKubelet,
} from '../identity/index.js';
import {
  Resources,
  WriteRate,
  mergeStatus,
  objectKey,
  reconcile,
  storeSource,
  type KubeClient,
  type PodCertificateRequest,
  type QueueMetrics,
} from '../kube/index.js';
import type { ClusterView } from './cluster-view.js';
import { answersFor } from './revision.js';

type View = Pick<ClusterView, 'podCertificateRequests' | 'pods' | 'nodes' | 'namespaces'>;

export interface SignPodCertificatesOptions {
  readonly client: KubeClient;
  readonly view: View;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly trustDomain: string;
  readonly systemNamespace: string;
  readonly revision: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly queueMetrics: QueueMetrics;
  readonly clock?: Clock;
  /** How long what may pass is waited for before it is looked at again, in milliseconds. Default 1 s. */
  readonly againMs?: number;
}

/** As many as a mesh that starts at once needs, beside the writes of others. */
const WRITES = { perSecond: 100, burst: 200 };

/**
 * Issues pod certificates until the signal aborts: each pending request of our signer gets its status once, since that is for good.
 * Only the leader does it. Another that believes to lead writes at the same resource version, and comes too late.
 */
export async function signPodCertificates(
  options: SignPodCertificatesOptions,
  signal: AbortSignal,
): Promise<void> {
  const { view, log, queueMetrics, clock = systemClock } = options;
  const { store } = view.podCertificateRequests;
  const desk = new Desk(options, new PodSigner({ ...options, clock, podOf: podIn(view) }));
  const pending = (request: PodCertificateRequest): string[] =>
    request.isDecided ? [] : [objectKey(request)];
  await reconcile(
    {
      name: 'pod-certificate',
      log,
      metrics: queueMetrics,
      initial: () => [...store.values()].flatMap(pending),
      sources: [
        storeSource(store, (change) => (change.type === 'set' ? pending(change.object) : [])),
        // Who answers for a namespace, its labels say, which may come after the request, and change.
        storeSource(view.namespaces.store, ({ key }) => [...store.inNamespace(key)].flatMap(pending)),
      ],
      reconcile: (key, workSignal) => desk.decide(key, workSignal),
    },
    signal,
  );
}

class Desk {
  readonly #options: SignPodCertificatesOptions;
  readonly #signer: PodSigner;
  readonly #client: KubeClient;
  readonly #refusals = new LogSampler();
  /** By key, for which reasons a request was counted as refused: while it waits it is looked at every second. */
  readonly #counted = new Map<string, Set<Refusal['reason']>>();

  constructor(options: SignPodCertificatesOptions, signer: PodSigner) {
    this.#options = options;
    this.#signer = signer;
    this.#client = options.client.paced(new WriteRate(WRITES));
  }

  async decide(key: string, signal: AbortSignal): Promise<{ againAfterMs: number } | undefined> {
    const again = await this.#decide(key, signal);
    if (again === undefined) this.#counted.delete(key);
    return again;
  }

  async #decide(key: string, signal: AbortSignal): Promise<{ againAfterMs: number } | undefined> {
    const request = this.#pending(key);
    if (request === undefined) return undefined;
    const answer = await this.#signer.certify(claimOf(request));
    if (answer.kind === 'certified') {
      const isWritten = await this.#write(request, issuedStatus(answer, this.#now), signal);
      if (isWritten) this.#issued(request, answer);
      return undefined;
    }
    this.#tell(request, answer);
    if (!isFinal(answer)) return { againAfterMs: this.#options.againMs ?? 1_000 };
    await this.#write(request, deniedStatus(answer, this.#now), signal);
    return undefined;
  }

  /** The request, while this revision has to decide about it. */
  #pending(key: string): PodCertificateRequest | undefined {
    const { view, revision } = this.#options;
    const request = view.podCertificateRequests.store.get(key);
    if (request === undefined || request.isDecided) return undefined;
    const { namespace } = request.metadata;
    // Without its labels nobody knows whose it is; it comes again with them.
    if (view.namespaces.store.get(namespace) === undefined) return undefined;
    return answersFor(view, revision, { namespace, labels: {} }) ? request : undefined;
  }

  get #now(): string {
    return rfc3339(new Date((this.#options.clock ?? systemClock).now()));
  }

  /** False: it has moved on, and comes again as it is now. */
  async #write({ metadata }: PodCertificateRequest, status: object, signal: AbortSignal): Promise<boolean> {
    try {
      await mergeStatus(this.#client, Resources.podCertificateRequest, metadata, { status, signal });
      return true;
    } catch (thrown) {
      const { code } = MeshError.from(thrown);
      if (code !== 'conflict' && code !== 'not-found') throw thrown;
      return false;
    }
  }

  #tell({ metadata }: PodCertificateRequest, { reason, message }: Refusal): void {
    const request = objectKey({ metadata });
    const counted = this.#counted.get(request) ?? new Set();
    this.#counted.set(request, counted);
    if (!counted.has(reason)) identityMetrics(this.#options.metrics).refusals.inc({ reason });
    counted.add(reason);
    const sample = this.#refusals.take(`${reason} ${request}`);
    if (sample !== undefined)
      this.#options.log.warn({ reason, request, why: cut(message), ...sample }, 'refused a certificate');
  }

  #issued(
    { metadata, nodeName: node }: PodCertificateRequest,
    { identity, pod, ...rest }: SignedForKubelet,
  ): void {
    identityMetrics(this.#options.metrics).issued.inc();
    const { serial, spkiSha256, notAfter } = rest;
    const about = { pod: `${pod.namespace}/${pod.name}`, podUid: pod.uid, node, request: metadata.name };
    this.#options.log.info({ identity, ...about, serial, spkiSha256, notAfter }, 'issued a certificate');
  }
}

function podIn({ pods, nodes }: View): (namespace: string, name: string) => PlacedPod | undefined {
  return (namespace, name) => {
    const pod = pods.store.get(`${namespace}/${name}`);
    if (pod === undefined) return undefined;
    const { serviceAccount, nodeName, hostNetwork } = pod;
    return {
      uid: pod.metadata.uid,
      serviceAccount,
      nodeName,
      hostNetwork,
      nodeUid: nodes.store.get(nodeName)?.metadata.uid,
    };
  };
}

function claimOf(request: PodCertificateRequest): Parameters<PodSigner['certify']>[0] {
  const { metadata, csr, maxExpirationSeconds, ...rest } = request;
  return {
    ...rest,
    namespace: metadata.namespace,
    csr: Buffer.from(csr, 'base64'),
    maxLifeMs: maxExpirationSeconds * 1_000,
  };
}

/** Where Kubernetes has a word of its own for a reason, that. */
const REASONS: Partial<Record<Refusal['reason'], string>> = {
  'csr-key': 'UnsupportedKeyType',
  'unknown-annotation': 'InvalidUnverifiedUserAnnotations',
};

function deniedStatus({ reason, message }: Refusal, now: string): object {
  const word =
    REASONS[reason] ?? reason.replaceAll(/(?:^|-)(.)/g, (_, letter: string) => letter.toUpperCase());
  const hint = reason === 'csr-key' ? '; ask with keyType ECDSAP256' : '';
  return { conditions: [condition('Denied', word, `${message}${hint}`, now)] };
}

function issuedStatus(
  { chain, identity, notBefore, notAfter, refreshAt }: SignedForKubelet,
  now: string,
): object {
  return {
    conditions: [condition('Issued', 'Issued', `to ${identity}`, now)],
    certificateChain: chain.map((der) => encodePem('CERTIFICATE', der)).join(''),
    notBefore: rfc3339(notBefore),
    beginRefreshAt: rfc3339(refreshAt),
    notAfter: rfc3339(notAfter),
  };
}

function condition(type: string, reason: string, message: string, lastTransitionTime: string): object {
  return { type, status: 'True', reason, message, lastTransitionTime };
}

/** To the second, as the API server compares it with the certificate. */
function rfc3339(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}
