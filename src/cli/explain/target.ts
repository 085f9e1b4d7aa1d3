import { isIP, isIPv6 } from 'node:net';
import { nearest } from '../../api/index.js';
import { MeshError } from '../../base/index.js';
import {
  Resources,
  getObject,
  listObjects,
  type EndpointSlice,
  type KubeClient,
  type Service,
} from '../../kube/index.js';

/** The request that is meant. */
export interface Asked {
  readonly method: string;
  /** `host:port` as the request names it; the port is left out where the URL leaves it out. */
  readonly authority: string;
  readonly host: string;
  readonly port: number;
  /** Path and query. */
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** Where it is dialled. */
export interface Dialled {
  /** `ip:port`. */
  readonly address: string;
  /** What the reader should know of how it was found. */
  readonly note?: string;
}

/** Reads `[METHOD] URL` and the headers, as curl takes them. */
export function parseRequest(words: readonly string[], headers: readonly string[], jwt?: string): Asked {
  const [first = '', second, ...more] = words;
  const [method, text] = second === undefined ? ['GET', first] : [first.toUpperCase(), second];
  if (more.length > 0 || !/^[A-Z]+$/.test(method)) throw unclear();
  const url = parseUrl(text);
  const port = url.port === '' ? 80 : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const pairs = headers.map(parseHeader);
  const named = pairs.find(([name]) => name === 'host');
  const token = jwt === undefined ? [] : [['authorization', `Bearer ${jwt}`] as const];
  return {
    method,
    authority: named?.[1] ?? url.host,
    host,
    port,
    target: `${url.pathname}${url.search}`,
    headers: [...pairs.filter(([name]) => name !== 'host'), ...token],
  };
}

function parseUrl(text: string): URL {
  if (/^(https|wss):/i.test(text))
    throw new MeshError(
      'invalid',
      `${text}: https is the application's own TLS, which the mesh carries as bytes without looking at requests; ask with http:// for what it can see`,
    );
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' || url.username !== '' || url.password !== '') throw unclear();
  return url;
}

function unclear(): MeshError {
  return new MeshError(
    'invalid',
    'a request is a method and a URL, as in: GET http://reviews:9080/api; without a method it is GET',
  );
}

function parseHeader(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon).trim().toLowerCase();
  if (colon < 1 || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name))
    throw new MeshError('invalid', `${line} is not a header; write it as 'x-group: staff'`);
  return [name, line.slice(colon + 1).trim()];
}

/** Finds the address that a pod of the namespace would dial for the request's host, as the cluster's DNS answers. */
export async function dial(client: KubeClient, asked: Asked, namespace: string): Promise<Dialled> {
  if (isIP(asked.host) !== 0) return { address: addressOf(asked.host, asked.port) };
  const at = serviceNamed(asked.host, namespace);
  const service = at === undefined ? undefined : await getObject(client, Resources.service, at);
  if (at === undefined || service === undefined) throw await unknownHost(client, asked, at);
  demandPort(service, asked.port);
  if (service.type === 'ExternalName')
    throw new MeshError(
      'precondition',
      `Service ${at.namespace}/${at.name} is only another name (ExternalName) for a host; ${byAddress(asked)}`,
    );
  const [clusterIp] = service.clusterIPs;
  if (clusterIp !== undefined) return { address: addressOf(clusterIp, asked.port) };
  return headless(client, service, asked);
}

/** Which Service a host would be; undefined: it has no form of one. */
function serviceNamed(host: string, namespace: string): { namespace: string; name: string } | undefined {
  const [name = '', second, third] = host.toLowerCase().replace(/\.$/, '').split('.');
  if (third !== undefined && third !== 'svc') return undefined;
  return /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) ? { name, namespace: second ?? namespace } : undefined;
}

async function unknownHost(
  client: KubeClient,
  asked: Asked,
  at: { readonly namespace: string; readonly name: string } | undefined,
): Promise<MeshError> {
  if (at === undefined)
    return new MeshError('not-found', `${asked.host} is not the name of a Service; ${byAddress(asked)}`);
  const all = await listObjects(client, Resources.service, { namespace: at.namespace }).catch(() => []);
  const meant = nearest(
    at.name,
    all.map(({ metadata }) => metadata.name),
  );
  const remedy = meant === undefined ? byAddress(asked) : `did you mean ${meant}.${at.namespace}?`;
  return new MeshError('not-found', `there is no Service ${at.namespace}/${at.name}; ${remedy}`);
}

function byAddress({ host, port }: Asked): string {
  return `the mesh goes by the address that is dialled: give it, as in http://192.0.2.7:${port}/ -H 'host: ${host}'`;
}

function demandPort({ metadata, ports }: Service, port: number): void {
  const tcp = ports.filter(({ protocol }) => protocol === 'TCP');
  if (tcp.some((one) => one.port === port)) return;
  const known = tcp.map((one) => (one.name === '' ? `${one.port}` : `${one.port} (${one.name})`));
  throw new MeshError(
    'not-found',
    `Service ${metadata.namespace}/${metadata.name} does not declare port ${port}, so nobody listens there; it has: ${known.join(', ') || 'no TCP port'}`,
  );
}

/** Without a cluster IP the name means the pods behind it: the first that is ready stands for them. */
async function headless(client: KubeClient, service: Service, asked: Asked): Promise<Dialled> {
  const { namespace, name } = service.metadata;
  const labelSelector = `kubernetes.io/service-name=${name}`;
  const slices = await listObjects(client, Resources.endpointSlice, { namespace, labelSelector });
  const address = slices.flatMap(readyAddresses)[0];
  if (address === undefined)
    throw new MeshError(
      'not-found',
      `Service ${namespace}/${name} is headless and has no ready endpoint, so its name does not resolve`,
    );
  const note = `headless: its name means pods, of which ${address} was taken`;
  return { address: addressOf(address, asked.port), note };
}

function readyAddresses({ endpoints }: EndpointSlice): readonly string[] {
  return endpoints.filter(({ ready }) => ready).flatMap(({ addresses }) => addresses.slice(0, 1));
}

function addressOf(ip: string, port: number): string {
  return isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
}
