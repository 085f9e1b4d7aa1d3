import { nearest } from '../../api/index.js';
import { MeshError } from '../../base/index.js';
import type { AskedRequest, Caller, Identity, Mesh, Service } from '../../model/index.js';
import { canonicalIp, serviceKey } from '../../model/index.js';

/** What stands for a caller that has proved nothing. */
export const PLAIN = 'plain';

/** Reads `namespace/serviceaccount`, `spiffe://DOMAIN/ns/NAMESPACE/sa/NAME` or `plain`. */
export function parseCaller(text: string, address: string | undefined, ownDomain: string): Caller {
  const identity = text === PLAIN ? undefined : parseIdentity(text, ownDomain);
  return {
    ...(identity === undefined ? {} : { identity }),
    ...(address === undefined ? {} : { address: parseAddress(address) }),
  };
}

function parseIdentity(text: string, ownDomain: string): Identity {
  const uri = /^spiffe:\/\/([a-z0-9][-a-z0-9._]*)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(text);
  if (uri !== null) {
    const [, trustDomain = '', namespace = '', name = ''] = uri;
    return { trustDomain, namespace, name };
  }
  const pair = /^([a-z0-9][-a-z0-9]*)\/([a-z0-9][-a-z0-9.]*)$/.exec(text);
  if (pair === null)
    throw new MeshError(
      'invalid',
      `${text} is not a caller; write namespace/serviceaccount, spiffe://DOMAIN/ns/NAMESPACE/sa/NAME, or ${PLAIN} for one without a certificate`,
    );
  const [, namespace = '', name = ''] = pair;
  return { trustDomain: ownDomain, namespace, name };
}

function parseAddress(text: string): string {
  const address = canonicalIp(text);
  if (address === undefined)
    throw new MeshError('invalid', `${text} is not an IP address; write one such as 10.244.1.7`);
  return address;
}

export function callerText({ identity, address }: Caller, ownDomain: string): string {
  const from = address === undefined ? '' : ` from ${address}`;
  if (identity === undefined) return `a caller without a certificate${from}`;
  const { trustDomain, namespace, name } = identity;
  const short = `${namespace}/${name}`;
  return (trustDomain === ownDomain ? short : `spiffe://${trustDomain}/ns/${namespace}/sa/${name}`) + from;
}

/** Reads `name: value` lines, as curl takes them. */
function parseHeaders(lines: readonly string[]): readonly (readonly [string, string])[] {
  return lines.map((line) => {
    const colon = line.indexOf(':');
    if (colon < 1) throw new MeshError('invalid', `${line} is not a header; write it as 'x-group: staff'`);
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
  });
}

/** Namespace and name of `name`, with the namespace of an option, or of `namespace/name`. */
export function parseService(
  text: string,
  namespace: string | undefined,
): { readonly namespace: string; readonly name: string } {
  const [first = '', second, ...more] = text.split('/');
  const whole = second === undefined ? namespace : first;
  if (whole === undefined || more.length > 0 || (second !== undefined && namespace !== undefined))
    throw new MeshError(
      'invalid',
      `${text} does not say which Service is meant; write namespace/service, or service with -n namespace`,
    );
  return { namespace: whole, name: second ?? first };
}

/** The Service and its TCP port that is meant. */
export function demandPort(
  mesh: Mesh,
  at: { readonly namespace: string; readonly name: string },
  wanted: number | undefined,
): { readonly service: Service; readonly port: number } {
  const { namespace, name } = at;
  const service = mesh.services.get(serviceKey(namespace, name));
  if (service === undefined) {
    const known = mesh.servicesIn(namespace).map((key) => key.slice(namespace.length + 1));
    const meant = nearest(name, known);
    throw new MeshError(
      'not-found',
      `there is no Service ${namespace}/${name}; ${meant === undefined ? `to see those there are: kubectl get services -n ${namespace}` : `did you mean ${namespace}/${meant}?`}`,
    );
  }
  const ports = service.ports.filter(({ protocol }) => protocol === 'TCP').map(({ port }) => port);
  const [only, another] = ports;
  const port = wanted ?? (another === undefined ? only : undefined);
  if (port === undefined || !ports.includes(port))
    throw new MeshError(
      'invalid',
      `${wanted === undefined ? 'say which port is called' : `Service ${namespace}/${name} has no TCP port ${wanted}`}: --port ${ports.join(', --port ') || '(it has none)'}`,
    );
  return { service, port };
}

/** What is said of a request. */
export interface RequestWords {
  /** Method and path, or nothing. */
  readonly request: readonly string[];
  /** Lines as `name: value`. */
  readonly header: readonly string[];
}

/** The request that is meant; undefined where nothing is said of one. */
export function requestOf({ request, header }: RequestWords): AskedRequest | undefined {
  if (request.length === 0 && header.length === 0) return undefined;
  const [method, path, ...more] = request;
  if (method === undefined || path?.startsWith('/') !== true || more.length > 0)
    throw new MeshError(
      'invalid',
      'a request has a method and a path, as in: GET /api/reviews; of gRPC: POST /shop.Reviews/Get',
    );
  const [asked = ''] = path.split('?');
  return { method, path: asked, headers: parseHeaders(header) };
}
