import { create } from '@bufbuild/protobuf';
import {
  type AccessCondition,
  type AccessConfig,
  type AccessHeader,
  type TrustedIssuer,
  ipBytes,
} from '../../model/index.js';
import {
  AccessDefault,
  AccessEffect,
  type AccessHeader as WireHeader,
  AccessHeaderSchema,
  AccessMode,
  AccessSchema,
  type Access as WireAccess,
  CallerKind,
  GrantSchema,
  PermissionSchema,
  type SubjectCondition,
  SubjectConditionSchema,
  SubjectSchema,
} from '../../wire/gen/weft/v1/access_pb.js';
import { toWireCountedClaim, toWireJwtCondition, toWireJwtIssuer } from './jwt.js';

/** The field of a workload that says who may ask what of it. */
export function toWireAccess(access: AccessConfig | undefined): { access?: WireAccess } {
  if (access === undefined) return {};
  const permissions = access.permissions.map(({ ports, methods = [], paths = [], headers = [] }) =>
    create(PermissionSchema, {
      ports: [...ports],
      methods: [...methods],
      paths: [...paths],
      headers: headers.map(toWireHeader),
    }),
  );
  const { jwtIssuers = [], countedClaims = [] } = access;
  const subjects = access.subjects.map(({ allOf, grants }) =>
    create(SubjectSchema, {
      allOf: allOf.map((condition) => toWireCondition(condition, jwtIssuers)),
      // Places count from one on the wire, where zero is nothing.
      grants: grants.map(({ permission, binding, effect, mode }) =>
        create(GrantSchema, {
          permission: permission + 1,
          binding: binding + 1,
          effect: EFFECTS[effect],
          mode: MODES[mode],
        }),
      ),
    }),
  );
  const defaultAccess = DEFAULTS[access.default];
  return {
    access: create(AccessSchema, {
      defaultAccess,
      bindings: [...access.bindings],
      permissions,
      subjects,
      jwtIssuers: jwtIssuers.map(toWireJwtIssuer),
      countedClaims: countedClaims.map((claim) => toWireCountedClaim(claim, jwtIssuers)),
    }),
  };
}

const DEFAULTS = {
  allow: AccessDefault.ALLOW_BY_DEFAULT,
  wouldDeny: AccessDefault.WOULD_DENY_BY_DEFAULT,
  deny: AccessDefault.DENY_BY_DEFAULT,
};
const EFFECTS = { allow: AccessEffect.ALLOW, deny: AccessEffect.DENY };
const MODES = { enforce: AccessMode.ENFORCE, dryRun: AccessMode.DRY_RUN };
const CALLERS = {
  anyone: CallerKind.ANYONE,
  authenticated: CallerKind.AUTHENTICATED,
  unauthenticated: CallerKind.UNAUTHENTICATED,
};

function toWireHeader({ name, condition }: AccessHeader): WireHeader {
  return create(AccessHeaderSchema, {
    name,
    condition:
      condition.kind === 'present'
        ? { case: 'present', value: true }
        : { case: condition.kind, value: condition.value },
  });
}

function toWireCondition(condition: AccessCondition, issuers: readonly TrustedIssuer[]): SubjectCondition {
  const who: SubjectCondition['who'] =
    condition.kind === 'jwt'
      ? { case: 'jwt', value: toWireJwtCondition(condition, issuers) }
      : toWho(condition);
  return create(SubjectConditionSchema, { inverted: condition.inverted ?? false, who });
}

function toWho(condition: Exclude<AccessCondition, { readonly kind: 'jwt' }>): SubjectCondition['who'] {
  switch (condition.kind) {
    case 'serviceAccount': {
      const { trustDomain = '', namespace, name } = condition;
      return { case: 'identity', value: `spiffe://${trustDomain}/ns/${namespace}/sa/${name}` };
    }
    case 'namespace':
      return { case: 'namespace', value: `spiffe://${condition.trustDomain ?? ''}/ns/${condition.name}` };
    case 'trustDomain':
      return { case: 'trustDomain', value: `spiffe://${condition.name}` };
    case 'ipBlock': {
      const { address, length } = condition;
      return { case: 'ipBlock', value: { $typeName: 'weft.v1.IpBlock', address: ipBytes(address), length } };
    }
    case 'anyone':
    case 'authenticated':
    case 'unauthenticated':
      return { case: 'caller', value: CALLERS[condition.kind] };
  }
}
