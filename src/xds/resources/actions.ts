import { create } from '@bufbuild/protobuf';
import type { Cors, HeaderChanges, MessageHeaders, PathChange, RouteActions } from '../../model/index.js';
import {
  type Cors as WireCors,
  CorsSchema,
  type DirectResponse,
  DirectResponseSchema,
  type HeaderChanges as WireHeaderChanges,
  HeaderChangesSchema,
  type PathChange as WirePathChange,
  PathChangeSchema,
  type Redirect,
  RedirectSchema,
  type Rewrite,
  RewriteSchema,
} from '../../wire/gen/weft/v1/destination_pb.js';

interface WireActions extends WireHeaders {
  rewrite?: Rewrite;
  cors?: WireCors;
  redirect?: Redirect;
  directResponse?: DirectResponse;
}

interface WireHeaders {
  requestHeaders?: WireHeaderChanges;
  responseHeaders?: WireHeaderChanges;
}

/** The fields of a route that say what it does to its requests. */
export function toWireActions({ headers, rewrite, cors, answer }: RouteActions): WireActions {
  return {
    ...toWireHeaders(headers),
    ...(rewrite === undefined
      ? {}
      : { rewrite: create(RewriteSchema, { host: rewrite.host ?? '', ...toWirePath(rewrite.path) }) }),
    ...(cors === undefined ? {} : { cors: toWireCors(cors) }),
    ...toWireAnswer(answer),
  };
}

function toWireCors(cors: Cors): WireCors {
  const { allowOrigins, allowMethods, allowHeaders, exposeHeaders, allowCredentials, maxAgeSeconds } = cors;
  return create(CorsSchema, {
    allowOrigins: [...allowOrigins],
    allowMethods: [...allowMethods],
    allowHeaders: [...allowHeaders],
    exposeHeaders: [...exposeHeaders],
    allowCredentials,
    maxAgeS: maxAgeSeconds,
  });
}

/** The fields of a route or of its share that change headers. */
export function toWireHeaders(headers: MessageHeaders | undefined): WireHeaders {
  return {
    ...(headers?.request === undefined ? {} : { requestHeaders: toWireChanges(headers.request) }),
    ...(headers?.response === undefined ? {} : { responseHeaders: toWireChanges(headers.response) }),
  };
}

function toWireChanges({ set, add, remove }: HeaderChanges): WireHeaderChanges {
  const text = ({ name, value }: { readonly name: string; readonly value: string }) => ({ name, value });
  return create(HeaderChangesSchema, { set: set.map(text), add: add.map(text), remove: [...remove] });
}

function toWirePath(path: PathChange | undefined): { path?: WirePathChange } {
  if (path === undefined) return {};
  return { path: create(PathChangeSchema, { change: { case: path.kind, value: path.value } }) };
}

function toWireAnswer(answer: RouteActions['answer']): Pick<WireActions, 'redirect' | 'directResponse'> {
  if (answer === undefined) return {};
  if (answer.kind === 'direct') {
    const { status, body, contentType } = answer;
    return { directResponse: create(DirectResponseSchema, { status, body, contentType }) };
  }
  const { scheme = '', host = '', port = 0, path, status } = answer;
  return { redirect: create(RedirectSchema, { scheme, host, port, status, ...toWirePath(path) }) };
}
