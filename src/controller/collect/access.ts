import { names } from '../../base/index.js';
import type { CustomObject, Namespace as NamespaceObject } from '../../kube/index.js';
import {
  ACCESS_DEFAULTS,
  type JwtIssuer,
  type MeshRole,
  type MeshRoleBinding,
  type Namespace,
  outboundInWord,
  type Problem,
  toJwtIssuer,
  toRole,
  toRoleBinding,
  unreadRoleBinding,
} from '../../model/index.js';
import { plainObject } from './traffic-policy.js';

/** A MeshRole in terms of the mesh. */
export function readRole(object: CustomObject): {
  readonly value?: MeshRole;
  readonly problems: readonly Problem[];
} {
  const { role, problems } = toRole(plainObject(object));
  return role === undefined ? { problems } : { value: role, problems };
}

/** A MeshRoleBinding in terms of the mesh. */
export function readRoleBinding(object: CustomObject): {
  readonly value?: MeshRoleBinding;
  readonly problems: readonly Problem[];
} {
  const { binding, problems } = toRoleBinding(plainObject(object));
  return binding === undefined ? { problems } : { value: binding, problems };
}

/** A JwtIssuer in terms of the mesh. */
export function readJwtIssuer(object: CustomObject): {
  readonly value?: JwtIssuer;
  readonly problems: readonly Problem[];
} {
  const { issuer, problems } = toJwtIssuer(plainObject(object));
  return issuer === undefined ? { problems } : { value: issuer, problems };
}

/** What stands for a MeshRoleBinding that cannot be read, and of which no form is known that could. */
export function standInForRoleBinding(object: CustomObject): MeshRoleBinding | undefined {
  const { namespace, name, uid, generation, creationTimestamp } = object.metadata;
  const ref = { kind: 'MeshRoleBinding', namespace, name, uid, generation, creationTimestamp } as const;
  return unreadRoleBinding(plainObject(object), ref);
}

/** What a namespace says in its labels. A word that is not known was not written to open anything. */
export function toNamespace({ metadata: { name, labels } }: NamespaceObject): Namespace {
  const access = labels[names.Label.defaultAccess];
  const outbound = labels[names.Label.outboundPolicy];
  const known = Object.entries(ACCESS_DEFAULTS).find(([text]) => text === access);
  return {
    name,
    ...(access === undefined ? {} : { access: known?.[1] ?? 'deny' }),
    ...(outbound === undefined ? {} : { outbound: outboundInWord(outbound) }),
  };
}
