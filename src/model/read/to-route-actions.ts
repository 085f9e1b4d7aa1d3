import { type TrafficPolicy, durationMs } from '../../api/index.js';
import type {
  Answer,
  Cors,
  HeaderChanges,
  MessageHeaders,
  PathChange,
  Rewrite,
  RouteActions,
} from '../words/route-actions.js';

type ApiRoute = NonNullable<TrafficPolicy['spec']['routes']>[number];
type ApiHeaders = NonNullable<ApiRoute['headers']>;
type ApiChanges = NonNullable<ApiHeaders['request']>;
type ApiRewrite = NonNullable<ApiRoute['rewrite']>;
type ApiCors = NonNullable<ApiRoute['cors']>;
type ApiPath = NonNullable<ApiRewrite['path']>;

/** What a route does to its requests; undefined when it only sends them on. */
export function translateActions(route: ApiRoute): RouteActions | undefined {
  const answer = translateAnswer(route);
  const actions = {
    ...(route.headers === undefined ? {} : { headers: translateHeaders(route.headers) }),
    ...(route.rewrite === undefined ? {} : { rewrite: translateRewrite(route.rewrite) }),
    ...(route.cors === undefined ? {} : { cors: translateCors(route.cors) }),
    ...(answer === undefined ? {} : { answer }),
  };
  return Object.keys(actions).length === 0 ? undefined : actions;
}

/** Changes of headers as a route or a share of it has them. */
export function translateHeaders({ request, response }: ApiHeaders): MessageHeaders {
  return {
    ...(request === undefined ? {} : { request: translateChanges(request) }),
    ...(response === undefined ? {} : { response: translateChanges(response) }),
  };
}

function translateChanges({ set = [], add = [], remove = [] }: ApiChanges): HeaderChanges {
  const lower = ({ name, value }: { readonly name: string; readonly value: string }) => ({
    name: name.toLowerCase(),
    value,
  });
  return { remove: remove.map((name) => name.toLowerCase()), set: set.map(lower), add: add.map(lower) };
}

/** Gateway API's default for `maxAge`: browsers would take 5 seconds, too. */
const MAX_AGE_SECONDS = 5;

function translateCors(cors: ApiCors): Cors {
  const lower = (names: readonly string[] | undefined): string[] =>
    (names ?? []).map((name) => name.toLowerCase());
  const maxAge = durationMs(cors.maxAge ?? '');
  return {
    allowOrigins: lower(cors.allowOrigins),
    allowMethods: cors.allowMethods ?? [],
    allowHeaders: lower(cors.allowHeaders),
    exposeHeaders: lower(cors.exposeHeaders),
    allowCredentials: cors.allowCredentials ?? false,
    maxAgeSeconds: maxAge === undefined ? MAX_AGE_SECONDS : Math.floor(maxAge / 1000),
  };
}

function translateRewrite({ hostname, path }: ApiRewrite): Rewrite {
  return {
    ...(hostname === undefined ? {} : { host: hostname }),
    ...(path === undefined ? {} : { path: translatePath(path) }),
  };
}

/** The schema demands one of both. */
function translatePath({ replaceFullPath, replacePrefixMatch }: ApiPath): PathChange {
  return replacePrefixMatch === undefined
    ? { kind: 'full', value: replaceFullPath ?? '/' }
    : { kind: 'prefix', value: replacePrefixMatch };
}

function translateAnswer({ redirect, directResponse }: ApiRoute): Answer | undefined {
  if (directResponse !== undefined) {
    const { status, body = '', contentType = 'text/plain; charset=utf-8' } = directResponse;
    return { kind: 'direct', status, body, contentType };
  }
  if (redirect === undefined) return undefined;
  const { scheme, port, statusCode } = redirect;
  return {
    kind: 'redirect',
    ...(scheme === undefined ? {} : { scheme }),
    ...translateRewrite(redirect),
    ...(port === undefined ? {} : { port }),
    status: statusCode ?? 302,
  };
}
