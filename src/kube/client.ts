import { once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { MeshError } from '../base/index.js';
import type { KubeClientMetrics } from './client-metrics.js';
import { Connections, type Lane } from './connections.js';
import { KubeApiError, kubeError } from './errors.js';
import { execLines, type ExecRequest } from './exec.js';
import { WriteRate } from './write-rate.js';

export interface KubeRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  /** Beside those that every request has. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** How long a plain request may take in all, or a stream until its headers arrive. Default 30 s. */
  readonly timeoutMs?: number;
  /**
   * Default `ordinary`. Reviews and the lease have connections of their own, and do not count as writes: others limit
   * them, and they must not wait behind statuses. Streams are watches of the whole cluster, unless one is of a namespace.
   */
  readonly lane?: 'ordinary' | 'review' | 'lease' | 'namespace';
}

interface KubeClientOptions {
  readonly metrics?: KubeClientMetrics | undefined;
  readonly writes?: WriteRate;
  readonly connections?: Connections;
  readonly mayWrite?: () => boolean;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** One object is at most about 1.5 MB; a page of a list is bounded by its limit. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/**
 * The API server as requests and streams. The official client is used for what is intricate (kubeconfig, contexts,
 * exec plugins, token files); requests are our own, because its watch ends whenever a kind is quiet for 30 s and its
 * connections are not kept. Connections are bounded, and so is the rate of writes.
 */
export class KubeClient {
  readonly #config: KubeConfig;
  readonly #connections: Connections;
  readonly #writes: WriteRate;
  readonly #metrics: KubeClientMetrics | undefined;
  readonly #mayWrite: () => boolean;

  constructor(config: KubeConfig, options: KubeClientOptions = {}) {
    this.#config = config;
    this.#metrics = options.metrics;
    this.#writes = options.writes ?? new WriteRate();
    this.#connections = options.connections ?? new Connections();
    this.#mayWrite = options.mayWrite ?? ((): boolean => true);
  }

  /**
   * The same client, which refuses to write while `mayWrite` says no: asked right before a request is sent, so that a
   * process that was frozen in the middle of its work does not finish it when it wakes.
   */
  fenced(mayWrite: () => boolean): KubeClient {
    return new KubeClient(this.#config, {
      metrics: this.#metrics,
      writes: this.#writes,
      connections: this.#connections,
      mayWrite,
    });
  }

  /** The same client with a rate of its own for its writes: they wait behind no others, and no others behind them. */
  paced(writes: WriteRate): KubeClient {
    return new KubeClient(this.#config, {
      metrics: this.#metrics,
      writes,
      connections: this.#connections,
      mayWrite: this.#mayWrite,
    });
  }

  /** Address of the API server, for messages. */
  get server(): string {
    const cluster = this.#config.getCurrentCluster();
    if (cluster === null) {
      throw new MeshError(
        'precondition',
        'no cluster is selected: set a current context in your kubeconfig, or --context',
      );
    }
    return cluster.server;
  }

  /** What lets others on the way read along, or answer for the API server; undefined: nothing. */
  get exposure(): string | undefined {
    if (this.server.startsWith('http:')) return `${this.server} is not encrypted`;
    return this.#config.getCurrentCluster()?.skipTLSVerify === true
      ? `the certificate of ${this.server} is not verified (insecure-skip-tls-verify)`
      : undefined;
  }

  /** One request, one parsed answer; anything but 2xx throws a MeshError that names the request. */
  async request(request: KubeRequest): Promise<unknown> {
    const { method = 'GET', lane = 'ordinary' } = request;
    await this.#takeTurn(method, lane, request.signal);
    const answered = this.#measure(method);
    const timeout = AbortSignal.timeout(request.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const signal = request.signal === undefined ? timeout : AbortSignal.any([request.signal, timeout]);
    try {
      const response = await this.#send(request, lane, signal);
      const text = await readBody(response);
      const parsed = parse(text);
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) throw kubeError(status, parsed, { method, path: request.path });
      answered(String(status));
      return parsed;
    } catch (thrown) {
      const error = this.#explain(thrown, { method, path: request.path, signal: request.signal });
      answered(error instanceof KubeApiError ? String(error.status) : error.code);
      throw error;
    }
  }

  /**
   * The lines of an answer that goes on (a watch, followed logs), until the server ends it or the signal aborts.
   * The first line is empty and says that the stream is open.
   */
  async *lines(request: KubeRequest): AsyncGenerator<string, void, undefined> {
    const about = { method: request.method ?? 'GET', path: request.path, signal: request.signal };
    const answered = this.#measure('WATCH');
    const abort = new AbortController();
    const untilHeaders = setTimeout(
      () => abort.abort(new DOMException('no answer in time', 'TimeoutError')),
      request.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    );
    const signal =
      request.signal === undefined ? abort.signal : AbortSignal.any([request.signal, abort.signal]);
    let response: IncomingMessage | undefined;
    try {
      response = await this.#send(request, request.lane ?? 'watch', signal);
      clearTimeout(untilHeaders);
      const status = response.statusCode ?? 0;
      answered(String(status));
      if (status !== 200) throw kubeError(status, parse(await readBody(response)), about);
      yield '';
      yield* splitLines(response);
      if (!response.complete) throw new MeshError('unavailable', `${about.path}: the stream broke off`);
    } catch (thrown) {
      throw this.#explain(thrown, about);
    } finally {
      clearTimeout(untilHeaders);
      response?.destroy();
    }
  }

  /** The lines that a command in a container writes: see {@link execLines}. */
  execLines(request: ExecRequest): AsyncGenerator<string, void, undefined> {
    return execLines(this.#config, request);
  }

  /** Closes idle and busy connections. */
  close(): void {
    this.#connections.close();
  }

  async #takeTurn(method: string, lane: Lane, signal: AbortSignal | undefined): Promise<void> {
    if (method === 'GET' || lane !== 'ordinary') return;
    try {
      const waitedMs = await this.#writes.take(signal);
      this.#metrics?.rateLimited.observe(waitedMs / 1000);
    } catch (thrown) {
      throw new MeshError('aborted', `${method}: stopped while it waited for its turn`, { cause: thrown });
    }
    if (!this.#mayWrite())
      throw new MeshError('aborted', `${method}: not sent, because this replica no longer holds the lease`);
  }

  /** Counts a request once, when its answer is known. */
  #measure(method: string): (code: string) => void {
    const began = performance.now();
    return (code) => {
      this.#metrics?.requests.inc({ method, code });
      this.#metrics?.duration.observe({ method }, (performance.now() - began) / 1000);
    };
  }

  async #send(request: KubeRequest, lane: Lane, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(this.server.replace(/\/$/, '') + request.path);
    for (const [key, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const options = await this.#options(request, lane, body);
    const outgoing = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, { ...options, signal });
    // One listener for good: an abort after the answer began is told to the response and to the request.
    outgoing.on('error', () => undefined);
    outgoing.end(body);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    return response;
  }

  async #options(request: KubeRequest, lane: Lane, body: string | undefined): Promise<RequestOptions> {
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    const headers: Record<string, string | number> = {
      accept: 'application/json',
      'user-agent': 'weft',
      ...request.headers,
    };
    for (const [name, value] of Object.entries(options.headers ?? {})) headers[name] = String(value);
    if (body !== undefined) {
      headers['content-type'] = request.contentType ?? 'application/json';
      headers['content-length'] = Buffer.byteLength(body);
    }
    return {
      method: request.method ?? 'GET',
      headers,
      auth: options.auth,
      agent: this.#agent(lane, options),
    };
  }

  #agent(lane: Lane, options: RequestOptions): HttpAgent {
    if (this.#config.getCurrentCluster()?.proxyUrl !== undefined && options.agent instanceof HttpAgent)
      return options.agent;
    return this.#connections.agent(lane, options, this.server.startsWith('http:'));
  }

  #explain(
    thrown: unknown,
    about: { method: string; path: string; signal?: AbortSignal | undefined },
  ): MeshError {
    if (about.signal?.aborted === true)
      return new MeshError('aborted', `${about.method} ${about.path}: stopped`, { cause: thrown });
    if (thrown instanceof MeshError) return thrown;
    const error = MeshError.from(thrown, 'unavailable');
    const code = isTimeout(error) ? 'timeout' : error.code;
    return new MeshError(code, `${about.method} ${this.server}${about.path}: ${error.message}`, {
      cause: thrown,
    });
  }
}

/** Request timeouts reach us as an AbortError whose cause is the TimeoutError. */
function isTimeout(error: Error): boolean {
  for (
    let cause: unknown = error;
    typeof cause === 'object' && cause !== null;
    cause = 'cause' in cause ? cause.cause : undefined
  ) {
    if ('name' in cause && cause.name === 'TimeoutError') return true;
  }
  return false;
}

async function* splitLines(response: IncomingMessage): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_BODY_BYTES)
      throw new MeshError('internal', `a line is longer than ${MAX_BODY_BYTES} characters`);
    for (const line of lines) if (line !== '') yield line;
  }
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES)
      throw new MeshError('internal', `the answer is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** How to find the cluster. With nothing given: $KUBECONFIG, ~/.kube/config, then the pod's service account. */
export interface ConnectOptions {
  /** Path of a kubeconfig file. */
  readonly kubeconfig?: string | undefined;
  /** Name of a context in it. */
  readonly context?: string | undefined;
}

/** Reads the configuration; opens no connection yet. */
export function connectKube(options: ConnectOptions = {}, metrics?: KubeClientMetrics): KubeClient {
  const config = new KubeConfig();
  try {
    if (options.kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(options.kubeconfig);
  } catch (thrown) {
    const where = options.kubeconfig ?? 'the default kubeconfig';
    throw new MeshError('precondition', `cannot read ${where}: ${MeshError.from(thrown).message}`, {
      cause: thrown,
    });
  }
  if (options.context !== undefined) selectContext(config, options.context);
  return new KubeClient(config, { metrics });
}

function selectContext(config: KubeConfig, name: string): void {
  const known = config.getContexts().map((context) => context.name);
  if (!known.includes(name)) {
    const there = known.length === 0 ? 'it has none' : `it has: ${known.join(', ')}`;
    throw new MeshError('precondition', `the kubeconfig has no context ${name}; ${there}`);
  }
  config.setCurrentContext(name);
}

/** A client for a server that speaks plain HTTP on loopback: `kubectl proxy`, and the API server of our tests. */
export function connectPlain(
  server: string,
  options: { metrics?: KubeClientMetrics; writes?: WriteRate } = {},
): KubeClient {
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'plain', server, skipTLSVerify: true }, { name: 'nobody' });
  return new KubeClient(config, options);
}
