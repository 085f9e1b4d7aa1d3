import { type MeshRole as MeshRoleObject, meshRole, violations } from '../../api/index.js';
import type { Problem } from '../words/problem.js';
import type { AccessHeader, MeshRole, RoleRule } from '../words/access.js';

/** What became of a MeshRole object. */
export interface ReadRole {
  /** Absent when it cannot act. */
  readonly role?: MeshRole;
  readonly problems: readonly Problem[];
}

/** Deepest path that proxies know. */
const MOST_SEGMENTS = 64;

/** Reads a MeshRole as the API server stores it. */
export function toRole(object: unknown): ReadRole {
  const problems = violations(meshRole, object).map(({ path, message }) => invalid(path, message));
  const { success, data } = meshRole.schema.safeParse(object);
  if (!success || problems.length > 0) return { problems };
  const bad = data.spec.rules.flatMap(({ paths = [] }, rule) =>
    paths.flatMap((path, index) => pathProblem(path, `spec.rules[${rule}].paths[${index}]`)),
  );
  if (bad.length > 0) return { problems: bad };
  return { role: { ref: refOf(data), rules: data.spec.rules.map(toRule) }, problems: [] };
}

function toRule({ services, ports, methods, paths, headers, grpc }: Rule): RoleRule {
  const patterns = grpc === undefined ? paths?.map(toPattern) : grpc.map((method) => `/${method}`);
  return {
    ...(services === undefined ? {} : { services: [...new Set(services)].sort() }),
    ...(ports === undefined ? {} : { ports: [...new Set(ports)].sort((a, b) => a - b) }),
    ...(methods === undefined ? {} : { methods }),
    ...(patterns === undefined ? {} : { paths: patterns }),
    ...(headers === undefined ? {} : { headers: headers.map(toHeader) }),
  };
}

/** Names of segments are for people. */
function toPattern(path: string): string {
  return path.replaceAll(/\{[^}]*\}/g, '{}');
}

function toHeader({ name, exact, prefix }: Header): AccessHeader {
  const condition =
    exact !== undefined
      ? ({ kind: 'exact', value: exact } as const)
      : prefix !== undefined
        ? ({ kind: 'prefix', value: prefix } as const)
        : ({ kind: 'present' } as const);
  return { name: name.toLowerCase(), condition };
}

/** What a pattern of the schema may not be. */
function pathProblem(path: string, field: string): Problem[] {
  if (path.split('/').length - 1 > MOST_SEGMENTS)
    return [invalid(field, `has more than ${MOST_SEGMENTS} segments; match a part of it with /*`)];
  try {
    decodeURIComponent(path);
    return [];
  } catch {
    return [
      invalid(field, 'percent-encodes what is not valid UTF-8, which no request that is let through has'),
    ];
  }
}

function refOf({ metadata }: MeshRoleObject): MeshRole['ref'] {
  const { namespace = 'default', name, uid = '', generation = 0, creationTimestamp = '' } = metadata;
  return { kind: 'MeshRole', namespace, name, uid, generation, creationTimestamp };
}

function invalid(field: string, message: string): Problem {
  return { condition: 'Accepted', reason: 'Invalid', field, message };
}

type Rule = MeshRoleObject['spec']['rules'][number];
type Header = NonNullable<Rule['headers']>[number];
