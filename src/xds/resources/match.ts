import { create } from '@bufbuild/protobuf';
import type { NamedMatch, PathMatch, RouteMatch } from '../../model/index.js';
import {
  HeaderMatchSchema,
  type HeaderMatch as WireHeaderMatch,
  MatchSchema,
  type Match as WireMatch,
  PathMatchSchema,
  type PathMatch as WirePathMatch,
  QueryMatchSchema,
} from '../../wire/gen/weft/v1/destination_pb.js';
import { sorted } from './sorted.js';

/** The conditions of a route. */
export function toWireMatch({
  headers,
  path,
  query = [],
  method,
  from,
  serverNames = [],
}: RouteMatch): WireMatch {
  return create(MatchSchema, {
    headers: headers.map((match) => create(HeaderMatchSchema, toWireNamedMatch(match))),
    ...(path === undefined ? {} : { path: toWirePathMatch(path) }),
    query: query.map((match) => create(QueryMatchSchema, toWireNamedMatch(match))),
    method: method ?? '',
    serverNames: [...serverNames],
    ...(from === undefined
      ? {}
      : {
          from: {
            namespaces: [...from.namespaces],
            serviceAccounts: from.serviceAccounts.map(({ namespace, name }) => ({ namespace, name })),
            labels: sorted(from.labels),
          },
        }),
  });
}

type WireNamedMatch = Pick<WireHeaderMatch, 'name' | 'invert' | 'condition'>;

function toWireNamedMatch({ name, condition, invert }: NamedMatch): WireNamedMatch {
  return condition.kind === 'present'
    ? { name, invert, condition: { case: 'present', value: condition.value } }
    : { name, invert, condition: { case: condition.kind, value: condition.value } };
}

function toWirePathMatch(path: PathMatch): WirePathMatch {
  return create(PathMatchSchema, { condition: { case: path.kind, value: path.value } });
}
