import { create } from '@bufbuild/protobuf';
import type { HeaderMatch, PathMatch, RouteMatch } from '../../model/index.js';
import {
  HeaderMatchSchema,
  type HeaderMatch as WireHeaderMatch,
  MatchSchema,
  type Match as WireMatch,
  PathMatchSchema,
  type PathMatch as WirePathMatch,
} from '../../wire/gen/weft/v1/destination_pb.js';

/** The conditions of a route. */
export function toWireMatch(match: RouteMatch): WireMatch {
  const headers = match.headers.map(toWireHeaderMatch);
  return create(
    MatchSchema,
    match.path === undefined ? { headers } : { headers, path: toWirePathMatch(match.path) },
  );
}

function toWireHeaderMatch({ name, condition, invert }: HeaderMatch): WireHeaderMatch {
  if (condition.kind === 'present') {
    return create(HeaderMatchSchema, {
      name,
      invert,
      condition: { case: 'present', value: condition.value },
    });
  }
  return create(HeaderMatchSchema, {
    name,
    invert,
    condition: { case: condition.kind, value: condition.value },
  });
}

function toWirePathMatch(path: PathMatch): WirePathMatch {
  return create(PathMatchSchema, { condition: { case: path.kind, value: path.value } });
}
