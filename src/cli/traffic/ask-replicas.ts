import { z } from 'zod';
import { MeshError, names } from '../../base/index.js';
import { reasonOf } from '../../dashboard/index.js';
import { Resources, resourcePath, type KubeClient } from '../../kube/index.js';
import { WINDOWS_MS, trafficView, type TrafficEdge, type WindowName } from '../../telemetry/index.js';
import { CONTROL_PLANES, readList } from '../read-list.js';

/** An edge as one replica counted it: what is counted in a time, and how long that was. */
export interface SeenEdge extends TrafficEdge {
  readonly seconds: number;
}

/** What all replicas know together. Each proxy reports to one of them, so that their counts add up. */
export interface Traffic {
  readonly edges: readonly SeenEdge[];
  /** Proxies that report. */
  readonly proxies: number;
  /** What is missing, one line each. */
  readonly notes: readonly string[];
}

const pod = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.string().optional(),
  }),
  status: z.object({ phase: z.string().default('') }).prefault({}),
});
type Replica = z.infer<typeof pod>['metadata'];

const tokenRequest = z.object({ status: z.object({ token: z.string() }) });

/** The API server gives none for less. */
const TOKEN_SECONDS = 600;
const TOKEN_USED_MS = 300_000;
const TIMEOUT_MS = 5_000;
/** A window that begins so much later than was asked for is worth a note. */
const SHORTER = 0.9;

/** Asks the replicas of the control planes in a namespace, again and again with the same tokens. */
export class Replicas {
  readonly #client: KubeClient;
  readonly #systemNamespace: string;
  readonly #tokens = new Map<string, { readonly token: Promise<string>; readonly until: number }>();

  constructor(client: KubeClient, systemNamespace: string) {
    this.#client = client;
    this.#systemNamespace = systemNamespace;
  }

  /** Throws where none of them answers. */
  async ask(since: WindowName, namespace: string | undefined): Promise<Traffic> {
    const replicas = await this.#find();
    const answers = await Promise.allSettled(
      replicas.map((replica) => this.#askOne(replica, since, namespace)),
    );
    const [edges, notes]: [SeenEdge[], string[]] = [[], []];
    let [proxies, answered] = [0, 0];
    for (const [i, answer] of answers.entries()) {
      const name = replicas[i]?.name ?? '';
      if (answer.status === 'rejected') {
        notes.push(`${name} did not answer, so its proxies are missing: ${reasonOf(answer.reason)}`);
        continue;
      }
      answered += 1;
      const { value } = answer;
      proxies += value.proxies;
      const seconds = value.coversMs / 1000;
      for (const edge of value.edges) edges.push({ ...edge, seconds });
      if (value.coversMs < WINDOWS_MS[since] * SHORTER)
        notes.push(`${name} knows only the last ${lengthOf(value.coversMs)}: it has not run for longer`);
    }
    if (answered === 0) throw failure(answers);
    return { edges, proxies, notes };
  }

  async #find(): Promise<readonly Replica[]> {
    const at = { namespace: this.#systemNamespace, labelSelector: CONTROL_PLANES };
    const pods = await readList(this.#client, Resources.pod, pod, at);
    const running = pods.filter(
      ({ metadata, status }) => status.phase === 'Running' && metadata.deletionTimestamp === undefined,
    );
    if (running.length === 0)
      throw new MeshError(
        'not-found',
        `no control plane runs in namespace ${this.#systemNamespace}; weft check says more, and --system-namespace names another`,
      );
    return running.map(({ metadata }) => metadata);
  }

  async #askOne(
    replica: Replica,
    since: WindowName,
    namespace: string | undefined,
  ): Promise<z.infer<typeof trafficView>> {
    const target = `https:${replica.name}:${names.ControlPlanePort.view}`;
    const answer = await this.#client.request({
      path: `${resourcePath(Resources.pod, { namespace: replica.namespace })}/${target}/proxy/traffic`,
      query: { since, namespace },
      headers: { [names.VIEW_TOKEN_HEADER]: await this.#token(replica) },
      timeoutMs: TIMEOUT_MS,
    });
    return trafficView.parse(answer);
  }

  #token({ namespace, labels }: Replica): Promise<string> {
    const account = names.viewAccount(labels[names.Label.rev] ?? 'default');
    const key = `${namespace}/${account}`;
    const known = this.#tokens.get(key);
    const now = performance.now();
    if (known !== undefined && known.until > now) return known.token;
    const token = this.#request(namespace, account);
    this.#tokens.set(key, { token, until: now + TOKEN_USED_MS });
    return token;
  }

  async #request(namespace: string, account: string): Promise<string> {
    const at = resourcePath({ apiVersion: 'v1', plural: 'serviceaccounts' }, { namespace, name: account });
    const answer = await this.#client.request({
      method: 'POST',
      path: `${at}/token`,
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { audiences: [names.VIEW_AUDIENCE], expirationSeconds: TOKEN_SECONDS },
      },
    });
    return tokenRequest.parse(answer).status.token;
  }
}

/** The first reason, with what to do where it is a right. */
function failure(answers: readonly PromiseSettledResult<unknown>[]): MeshError {
  const reasons = answers.flatMap((answer) =>
    answer.status === 'rejected' ? [answer.reason as unknown] : [],
  );
  const error = MeshError.from(reasons[0]);
  if (error.code !== 'permission-denied') return error;
  return new MeshError(
    'permission-denied',
    `${error.message}; to see traffic one needs, in the namespace of the control plane, "list" on pods, "get" on pods/proxy and "create" on serviceaccounts/token of the account weft-default-view: docs/stat.md has a Role`,
    { cause: error },
  );
}

function lengthOf(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
