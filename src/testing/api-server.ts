import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { applyPatch, type Operation } from 'fast-json-patch';
import { serveExec, type ExecHandler } from './exec-endpoint.js';
import { FieldOwners } from './field-owners.js';
import { KINDS } from '../api/index.js';

export interface StoredObject {
  apiVersion?: string;
  kind?: string;
  metadata: Record<string, unknown> & { name: string; namespace?: string; resourceVersion?: string };
  [field: string]: unknown;
}

interface Place {
  collection: string;
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
}

interface Happening {
  version: number;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  collection: string;
  object: StoredObject;
}

interface Watcher {
  collection: string;
  response: ServerResponse;
  wants: (happening: Happening) => boolean;
}

interface Sent {
  body: unknown;
  contentType: string;
  query: URLSearchParams;
}

type Handler = (body: unknown) => { status: number; body: unknown };

/** What discovery tells of beside the core group; kinds of `absent` are left out. */
const SERVED = [
  '/apis/apps/v1/replicasets',
  '/apis/discovery.k8s.io/v1/endpointslices',
  '/apis/coordination.k8s.io/v1/leases',
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
  '/apis/gateway.networking.k8s.io/v1/httproutes',
  '/apis/gateway.networking.k8s.io/v1/grpcroutes',
  '/apis/gateway.networking.k8s.io/v1/tlsroutes',
  '/apis/gateway.networking.k8s.io/v1/tcproutes',
  '/apis/gateway.networking.k8s.io/v1/backendtlspolicies',
  '/apis/gateway.networking.x-k8s.io/v1alpha1/xbackends',
  '/apis/gateway.networking.x-k8s.io/v1alpha1/xmeshes',
  '/apis/gateway.networking.x-k8s.io/v1alpha1/xbackendtrafficpolicies',
  ...KINDS.map(({ plural }) => `/apis/weft.dev/v1alpha1/${plural}`),
];

/**
 * An API server that speaks the parts of the protocol we use (lists in pages, watches with bookmarks, 410, conflicts,
 * patches, owners of applied fields, the status subresource, discovery) over real sockets, and that can be told to
 * misbehave. It validates nothing.
 */
export class ApiServer {
  readonly requests: { method: string; path: string; query: URLSearchParams; body: unknown }[] = [];
  /** Collections, or all that begin so, that are in no discovery; a whole collection answers 404, too: its CRD is not installed. */
  readonly absent = new Set<string>();
  /** Collections that answer every request with a status: RBAC that forbids, a conversion webhook that fails. */
  readonly refusing = new Map<string, number>();
  /** Open watches get no events and no bookmarks, as behind a dead connection. */
  frozen = false;
  #version = 100;
  #oldest = 0;
  /** Called before each write is done. */
  beforeWrite: () => void = () => undefined;
  #failures: number[] = [];
  #created = 0;
  readonly #objects = new Map<string, StoredObject>();
  readonly #owners = new FieldOwners();
  readonly #history: Happening[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #handlers = new Map<string, Handler>();
  readonly #texts = new Map<string, () => string>();
  #exec: ExecHandler | undefined;
  readonly #server: Server = createServer((request, response) => void this.#serve(request, response));

  /** Listens on loopback unless it is told another address of this machine. */
  static async start(host = '127.0.0.1'): Promise<ApiServer> {
    const started = new ApiServer();
    started.#server.on('upgrade', (request, socket) => started.#upgrade(request, socket));
    started.#server.listen(0, host);
    await once(started.#server, 'listening');
    return started;
  }

  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${address}:${port}`;
  }

  get openWatches(): number {
    return this.#watchers.size;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Puts an object there as somebody else would. `collection` is such as `/api/v1/pods`. */
  put(collection: string, object: StoredObject): StoredObject {
    const key = keyOf(collection, object.metadata.namespace, object.metadata.name);
    const before = this.#objects.get(key);
    const stored: StoredObject = {
      ...object,
      metadata: {
        uid: before === undefined ? `uid-${++this.#created}-${key}` : undefined,
        creationTimestamp: '2026-01-01T00:00:00Z',
        generation: 1,
        ...before?.metadata,
        ...object.metadata,
        resourceVersion: String(++this.#version),
      },
    };
    this.#objects.set(key, stored);
    this.#happen({
      version: this.#version,
      type: before === undefined ? 'ADDED' : 'MODIFIED',
      collection,
      object: stored,
    });
    return stored;
  }

  remove(collection: string, at: { namespace?: string; name: string }): boolean {
    const key = keyOf(collection, at.namespace, at.name);
    const object = this.#objects.get(key);
    if (object === undefined) return false;
    this.#objects.delete(key);
    this.#owners.forget(key);
    this.#version += 1;
    const gone = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    this.#happen({ version: this.#version, type: 'DELETED', collection, object: gone });
    return true;
  }

  get(collection: string, at: { namespace?: string; name: string }): StoredObject | undefined {
    return this.#objects.get(keyOf(collection, at.namespace, at.name));
  }

  all(collection: string): StoredObject[] {
    return [...this.#objects].filter(([key]) => key.startsWith(`${collection}|`)).map(([, object]) => object);
  }

  /** Forgets history: watches from before now are answered 410. */
  compact(): void {
    this.#oldest = this.#version;
    this.#history.length = 0;
  }

  /** The next requests are answered with these statuses. */
  failNext(...statuses: number[]): void {
    this.#failures.push(...statuses);
  }

  /** Cuts every open watch in the middle of the stream. */
  cutWatches(): void {
    for (const { response } of this.#watchers) response.destroy();
  }

  /** Writes a line into every open watch of a collection, whatever it is. */
  writeLine(collection: string, line: string): void {
    for (const watcher of this.#watchers)
      if (watcher.collection === collection) watcher.response.write(`${line}\n`);
  }

  /** Tells every watch where it stands. */
  bookmark(): void {
    const object = { metadata: { resourceVersion: String(this.#version) } };
    if (!this.frozen)
      for (const { response } of this.#watchers) writeLine(response, { type: 'BOOKMARK', object });
  }

  /** Answers POSTs to a path, for reviews that are not stored. */
  onPost(path: string, handler: Handler): void {
    this.#handlers.set(path, handler);
  }

  /** Answers GETs of a path with text, as the pod proxy does with what a pod serves. */
  onGet(path: string, text: () => string): void {
    this.#texts.set(path, text);
  }

  /** Answers commands that somebody runs in containers; without it there are none. */
  onExec(handler: ExecHandler): void {
    this.#exec = handler;
  }

  #upgrade(request: IncomingMessage, socket: Duplex): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://server');
    this.requests.push({ method: 'GET', path: pathname, query: searchParams, body: undefined });
    const failure = this.#failures.shift() ?? (this.#exec === undefined ? 404 : undefined);
    if (failure !== undefined || this.#exec === undefined)
      socket.end(`HTTP/1.1 ${failure ?? 404} Refused\r\ncontent-length: 0\r\n\r\n`);
    else serveExec(request, socket, this.#exec);
  }

  #happen(happening: Happening): void {
    this.#history.push(happening);
    if (this.frozen) return;
    for (const watcher of this.#watchers) {
      if (watcher.wants(happening))
        writeLine(watcher.response, { type: happening.type, object: happening.object });
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://server');
    const body = await readJson(request);
    const method = request.method ?? 'GET';
    this.requests.push({ method, path: url.pathname, query: url.searchParams, body });
    if (method !== 'GET') this.beforeWrite();
    const failure = this.#failures.shift();
    if (failure !== undefined) fail(response, failure, 'told to fail');
    else if (!this.#special(method, url.pathname, body, response)) {
      const sent = {
        body,
        contentType: request.headers['content-type'] ?? '',
        query: url.searchParams,
      };
      this.#answer({ method, url, sent }, response);
    }
  }

  /** What a test has said how to answer, and the version. */
  #special(method: string, path: string, body: unknown, response: ServerResponse): boolean {
    const text = method === 'GET' ? this.#texts.get(path) : undefined;
    const handler = method === 'POST' ? this.#handlers.get(path) : undefined;
    if (text !== undefined) response.end(text());
    else if (handler !== undefined) {
      const answer = handler(body);
      send(response, answer.status, answer.body);
    } else if (path === '/version') send(response, 200, { gitVersion: 'v1.34.4', major: '1', minor: '34' });
    else if (method === 'GET') this.#discover(path, response);
    return response.writableEnded;
  }

  #discover(path: string, response: ServerResponse): void {
    const served = SERVED.filter(
      (collection) => ![...this.absent].some((absent) => collection.startsWith(absent)),
    ).map((collection) => {
      const [, , group = '', version = '', plural = ''] = collection.split('/');
      return { group, version, plural };
    });
    if (path === '/apis') {
      const groups = new Map(
        served.map(({ group, version }) => [group, { name: group, versions: [{ version }] }]),
      );
      send(response, 200, { kind: 'APIGroupList', groups: [...groups.values()] });
      return;
    }
    const resources = served.filter(({ group, version }) => path === `/apis/${group}/${version}`);
    if (resources.length > 0) {
      send(response, 200, {
        kind: 'APIResourceList',
        resources: resources.map(({ plural }) => ({ name: plural })),
      });
    }
  }

  #answer(request: { method: string; url: URL; sent: Sent }, response: ServerResponse): void {
    const { method, url, sent } = request;
    const place = parsePath(url.pathname);
    if (place === undefined || this.absent.has(place.collection)) {
      fail(response, 404, 'the server could not find the requested resource');
    } else if (this.refusing.has(place.collection)) {
      fail(response, this.refusing.get(place.collection) ?? 500, 'refused');
    } else if (method !== 'GET') this.#write(method, place, sent, response);
    else if (url.searchParams.get('watch') === 'true') this.#watch(place, url.searchParams, response);
    else if (place.name === undefined) this.#list(place, url.searchParams, response);
    else this.#read(place, response);
  }

  #read(place: Place, response: ServerResponse): void {
    const object = this.#find(place) ?? this.#definition(place);
    if (object === undefined) fail(response, 404, `${place.name} not found`);
    else send(response, 200, object);
  }

  /** The definition of a kind of ours that is served; tests put others. */
  #definition({ collection, name }: Place): object | undefined {
    if (!collection.endsWith('/customresourcedefinitions')) return undefined;
    const kind = KINDS.find(({ plural }) => name === `${plural}.weft.dev`);
    const isAbsent = this.absent.has(`/apis/weft.dev/v1alpha1/${kind?.plural}`);
    return kind === undefined || isAbsent ? undefined : { metadata: { name } };
  }

  #list(place: Place, query: URLSearchParams, response: ServerResponse): void {
    const wanted = selector(place, query);
    const all = this.all(place.collection).filter(wanted);
    const from = Number(query.get('continue') ?? 0);
    const limit = Number(query.get('limit') ?? 0) || all.length;
    const next = from + limit < all.length ? String(from + limit) : '';
    const metadata = { resourceVersion: String(this.#version), continue: next };
    send(response, 200, { metadata, items: all.slice(from, from + limit) });
  }

  #watch(place: Place, query: URLSearchParams, response: ServerResponse): void {
    const since = Number(query.get('resourceVersion') ?? 0);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (since < this.#oldest) {
      writeLine(response, {
        type: 'ERROR',
        object: { code: 410, reason: 'Expired', message: 'too old resource version' },
      });
      response.end();
      return;
    }
    const matches = selector(place, query);
    const watcher: Watcher = {
      collection: place.collection,
      response,
      wants: (happening) => happening.collection === place.collection && matches(happening.object),
    };
    for (const happening of this.#history) {
      if (happening.version > since && watcher.wants(happening)) {
        writeLine(response, { type: happening.type, object: happening.object });
      }
    }
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher));
  }

  #write(method: string, place: Place, sent: Sent, response: ServerResponse): void {
    const existing = this.#find(place);
    const applies = sent.contentType.startsWith('application/apply-patch') && place.subresource === undefined;
    if (method === 'POST') this.#create(place, sent.body as StoredObject, response);
    else if (existing === undefined && !applies) fail(response, 404, `${place.name} not found`);
    else if (method === 'DELETE') {
      this.remove(place.collection, existing?.metadata ?? { name: '' });
      send(response, 200, {});
    } else this.#change(method, place, { ...sent, existing }, response);
  }

  #change(
    method: string,
    place: Place,
    sent: Sent & { existing: StoredObject | undefined },
    response: ServerResponse,
  ): void {
    const { existing } = sent;
    const claimed = (sent.body as Partial<StoredObject>).metadata?.resourceVersion;
    if (claimed !== undefined && claimed !== existing?.metadata.resourceVersion) {
      fail(response, 409, 'the object has been modified; please apply your changes to the latest version');
      return;
    }
    if (sent.contentType.startsWith('application/apply-patch')) {
      this.#apply(place, { ...sent, existing }, response);
      return;
    }
    const next = method === 'PUT' ? (sent.body as StoredObject) : patched(existing, sent);
    const inStatus = place.subresource === 'status' && existing !== undefined;
    send(response, 200, this.put(place.collection, inStatus ? { ...existing, status: next.status } : next));
  }

  /** Server-side apply: what the same manager applied before and no longer applies goes away. */
  #apply(
    place: Place,
    { existing, body, query }: Sent & { existing: StoredObject | undefined },
    response: ServerResponse,
  ): void {
    const status = place.subresource === 'status';
    const { metadata, ...fields } = body as StoredObject;
    const applied = status ? { status: fields.status } : { ...fields, metadata };
    const applying = {
      object: keyOf(place.collection, place.namespace, place.name ?? ''),
      manager: `${query.get('fieldManager') ?? ''}${status ? '/status' : ''}`,
      force: query.get('force') === 'true',
    };
    const taken = this.#owners.apply(applying, existing, applied);
    if ('conflict' in taken)
      fail(response, 409, `Apply failed with a conflict: ${taken.conflict}`, 'Conflict');
    else send(response, 200, this.put(place.collection, taken.object as StoredObject));
  }

  #create(place: Place, object: StoredObject, response: ServerResponse): void {
    const metadata = {
      ...object.metadata,
      ...(place.namespace === undefined ? {} : { namespace: place.namespace }),
    };
    if (this.#find({ ...place, name: metadata.name }) !== undefined) {
      fail(response, 409, `${metadata.name} already exists`, 'AlreadyExists');
    } else send(response, 201, this.put(place.collection, { ...object, metadata }));
  }

  #find(place: Place): StoredObject | undefined {
    return this.#objects.get(keyOf(place.collection, place.namespace, place.name ?? ''));
  }
}

function keyOf(collection: string, namespace: string | undefined, name: string): string {
  return `${collection}|${namespace ?? ''}|${name}`;
}

function parsePath(path: string): Place | undefined {
  const match = /^(\/api\/[^/]+|\/apis\/[^/]+\/[^/]+)\/(.+)$/.exec(path);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  const parts = match[2].split('/');
  const namespaced = parts[0] === 'namespaces' && parts.length > 2;
  const [plural, name, subresource] = namespaced ? parts.slice(2) : parts;
  return {
    collection: `${match[1]}/${plural ?? ''}`,
    namespace: namespaced ? parts[1] : undefined,
    name,
    subresource,
  };
}

function selector(place: Place, query: URLSearchParams): (object: StoredObject) => boolean {
  const labels = (query.get('labelSelector') ?? '').split(',').filter((term) => term !== '');
  const field = /^(metadata|spec)\.(\w+)=(.+)$/.exec(query.get('fieldSelector') ?? '');
  return (object) => {
    const { metadata } = object;
    const own = (metadata.labels ?? {}) as Record<string, string>;
    if (place.namespace !== undefined && metadata.namespace !== place.namespace) return false;
    if (field !== null && !hasField(object, field)) return false;
    return labels.every((term) => {
      const [label = '', value] = term.split('=');
      return value === undefined ? label in own : own[label] === value;
    });
  };
}

function hasField(object: StoredObject, [, part = '', field = '', value]: RegExpExecArray): boolean {
  return (object[part] as Record<string, unknown> | undefined)?.[field] === value;
}

function patched(existing: StoredObject | undefined, sent: Sent): StoredObject {
  if (sent.contentType.startsWith('application/json-patch')) {
    return applyPatch(structuredClone(existing) as StoredObject, sent.body as Operation[]).newDocument;
  }
  return merge(existing ?? {}, sent.body) as StoredObject;
}

function merge(into: unknown, from: unknown): unknown {
  if (!isRecord(into) || !isRecord(from)) return from;
  const merged: Record<string, unknown> = { ...into };
  for (const [key, value] of Object.entries(from)) {
    merged[key] = value === null ? undefined : merge(merged[key], value);
  }
  return merged;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString());
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function fail(response: ServerResponse, code: number, message: string, reason?: string): void {
  send(response, code, { kind: 'Status', status: 'Failure', code, message, reason });
}

function writeLine(response: ServerResponse, event: object): void {
  response.write(`${JSON.stringify(event)}\n`);
}
