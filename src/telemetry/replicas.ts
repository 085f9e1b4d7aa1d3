import { z } from 'zod';
import { MeshError, names } from '../base/index.js';
import { Resources, listObjects, reasonOf, resourcePath, type KubeClient, type Pod } from '../kube/index.js';
import { authorityView, joinAuthorities, type Authorities } from './authority.js';
import { HISTORY_MINUTES, MINUTE_MS, historyView, type HistoryView } from './history.js';
import { COUNTS } from './measures.js';
import { WINDOWS_MS, trafficView, type TrafficEdge, type WindowName } from './view.js';

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

/** What all replicas know of each of the last minutes. */
export interface Minutes {
  /** Edges of each minute, oldest first; undefined for a minute of which no replica knows. */
  readonly minutes: readonly (readonly SeenEdge[] | undefined)[];
  /** Whether of a minute that is known some replica knows nothing, so that it may be a part of what happened. */
  readonly partial: readonly boolean[];
  /** How long ago the last of them ended, to the minute: each replica begins its own. */
  readonly endedMs: number;
  /** Who is missing, one line each. */
  readonly notes: readonly string[];
}

type Replica = Pod['metadata'];

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
    const { answers, notes } = await this.#askAll('traffic', { since, namespace }, trafficView);
    const edges: SeenEdge[] = [];
    let proxies = 0;
    for (const { name, answer } of answers) {
      proxies += answer.proxies;
      const seconds = answer.coversMs / 1000;
      for (const edge of answer.edges) edges.push({ ...edge, seconds });
      if (answer.coversMs < WINDOWS_MS[since] * SHORTER)
        notes.push(`${name} knows only the last ${lengthOf(answer.coversMs)}: it has not run for longer`);
    }
    return { edges, proxies, notes };
  }

  /** The last half hour by the minute. Throws where no replica answers; those of versions before it do not. */
  async minutes(): Promise<Minutes> {
    const { answers, notes } = await this.#askAll('history', {}, historyView);
    const all = answers.map(({ answer }) => answer);
    // Replicas that know each minute.
    const knowing = Array.from({ length: HISTORY_MINUTES }, (_, minute) => {
      const from = (HISTORY_MINUTES - minute) * MINUTE_MS;
      return all.filter(({ coversMs, endedMs }) => coversMs >= from + endedMs).length;
    });
    return {
      minutes: knowing.map((replicas, minute) =>
        replicas === 0
          ? undefined
          : all.flatMap(({ edges }) => edges.flatMap((edge) => edgeIn(edge, minute))),
      ),
      partial: knowing.map((replicas) => replicas > 0 && (replicas < all.length || notes.length > 0)),
      endedMs: Math.max(0, ...all.map(({ endedMs }) => endedMs)),
      notes,
    };
  }

  /** Root and issuer of the mesh. Throws where no replica answers; those of versions before it do not. */
  async authority(): Promise<Authorities> {
    const { answers, notes } = await this.#askAll('authority', {}, authorityView);
    return joinAuthorities(
      answers.map(({ answer }) => answer),
      notes,
    );
  }

  async #askAll<T>(
    path: string,
    query: Readonly<Record<string, string | undefined>>,
    shape: z.ZodType<T>,
  ): Promise<{ readonly answers: readonly { name: string; answer: T }[]; readonly notes: string[] }> {
    const replicas = await this.#find();
    const settled = await Promise.allSettled(
      replicas.map(async (replica) => ({
        name: replica.name,
        answer: shape.parse(await this.#askOne(replica, path, query)),
      })),
    );
    const answers = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (answers.length === 0) throw failure(settled, replicas);
    const notes = settled.flatMap((one, i) =>
      one.status === 'rejected'
        ? [`${replicas[i]?.name} did not answer, so its proxies are missing: ${reasonOf(one.reason)}`]
        : [],
    );
    return { answers, notes };
  }

  async #find(): Promise<readonly Replica[]> {
    const at = { namespace: this.#systemNamespace, labelSelector: names.CONTROL_PLANES };
    const pods = await listObjects(this.#client, Resources.pod, at);
    const running = pods.filter(({ metadata, phase }) => phase === 'Running' && !metadata.deleting);
    if (running.length === 0)
      throw new MeshError(
        'not-found',
        `no control plane runs in namespace ${this.#systemNamespace}; weft check says more, and --system-namespace names another`,
      );
    return running.map(({ metadata }) => metadata);
  }

  async #askOne(
    replica: Replica,
    path: string,
    query: Readonly<Record<string, string | undefined>>,
  ): Promise<unknown> {
    const target = `https:${replica.name}:${names.ControlPlanePort.view}`;
    return this.#client.request({
      path: `${resourcePath(Resources.pod, { namespace: replica.namespace })}/${target}/proxy/${path}`,
      query,
      headers: { [names.VIEW_TOKEN_HEADER]: await this.#token(replica) },
      timeoutMs: TIMEOUT_MS,
    });
  }

  #token(replica: Replica): Promise<string> {
    const { namespace } = replica;
    const account = accountOf(replica);
    const key = `${namespace}/${account}`;
    const known = this.#tokens.get(key);
    const now = performance.now();
    if (known !== undefined && known.until > now) return known.token;
    const token = this.#request(namespace, account);
    this.#tokens.set(key, { token, until: now + TOKEN_USED_MS });
    // Who may not have one now may be given the right while we run.
    token.catch(() => this.#tokens.delete(key));
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

/** The edge in one of its minutes; nothing where nothing happened. */
function edgeIn(
  { columns, ...name }: HistoryView['edges'][number],
  minute: number,
): readonly [SeenEdge] | readonly [] {
  const counts = new Array<number>(COUNTS).fill(0);
  for (const { place, minutes } of columns) counts[place] = minutes[minute] ?? 0;
  if (counts.every((count) => count === 0)) return [];
  return [{ ...name, counts, open: 0, seconds: MINUTE_MS / 1000 }];
}

/** The service account whose tokens a replica takes. */
function accountOf({ labels }: Replica): string {
  return names.viewAccount(labels[names.Label.rev] ?? 'default');
}

/** The first reason, with what to do where it is a right. */
function failure(answers: readonly PromiseSettledResult<unknown>[], replicas: readonly Replica[]): MeshError {
  const reasons = answers.flatMap((answer) =>
    answer.status === 'rejected' ? [answer.reason as unknown] : [],
  );
  const error = MeshError.from(reasons[0]);
  if (error.code !== 'permission-denied') return error;
  const accounts = [...new Set(replicas.map(accountOf))].join(', ');
  return new MeshError(
    'permission-denied',
    `${error.message}; to see traffic one needs, in the namespace of the control plane, "list" on pods, "get" on pods/proxy and "create" on serviceaccounts/token of the account ${accounts}: docs/stat.md has a Role`,
    { cause: error },
  );
}

function lengthOf(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
