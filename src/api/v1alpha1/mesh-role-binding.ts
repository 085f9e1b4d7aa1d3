import * as z from 'zod';
import { dnsLabel, dnsName } from '../schema/fields.js';
import { type Kind, objectSchema } from '../schema/kind.js';
import { withRules } from '../schema/rule.js';

const trustDomain = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9._]*[a-z0-9])?$/);

const inTrustDomain = trustDomain
  .optional()
  .meta({ description: 'Its trust domain. Defaults to that of the mesh.' });

const caller = {
  serviceAccount: z
    .strictObject({
      name: dnsName.meta({ description: 'Name of the service account.' }),
      namespace: dnsLabel
        .optional()
        .meta({ description: 'Its namespace. Defaults to the namespace of the binding.' }),
      trustDomain: inTrustDomain,
    })
    .optional()
    .meta({ description: 'The caller has proved that it runs as this service account.' }),
  namespace: z
    .strictObject({
      name: dnsLabel.meta({ description: 'Name of the namespace.' }),
      trustDomain: inTrustDomain,
    })
    .optional()
    .meta({ description: 'The caller has proved that it runs in this namespace.' }),
  trustDomain: z
    .strictObject({ name: trustDomain.meta({ description: 'Name of the trust domain.' }) })
    .optional()
    .meta({ description: 'The caller has proved an identity of this trust domain.' }),
  cidr: z
    .string()
    .min(3)
    .max(43)
    .regex(/^[0-9A-Fa-f.:]+\/[0-9]{1,3}$/)
    .optional()
    .meta({
      description:
        'The address at the other end of the connection is in this block, such as 10.0.0.0/8. No header is believed.',
    }),
  jwt: z
    .strictObject({
      issuer: z.string().min(1).max(1024).meta({
        description:
          'The claim iss of the token, and spec.issuer of a JwtIssuer in the namespace of the binding.',
      }),
      claims: z
        .array(
          z.strictObject({
            path: z.array(z.string().min(1).max(256)).min(1).max(8).meta({
              description:
                'Name of the claim; of one that is inside of others, the names from the outermost on.',
            }),
            anyOf: z.array(z.string().min(1).max(256)).min(1).max(32).meta({
              description:
                'The value is one of these or, where it is a list, has one of these. Case matters. Of the claim scope each word counts.',
            }),
          }),
        )
        .min(1)
        .max(8)
        .optional()
        .meta({
          description: 'Conditions on claims, all of which hold. By default any token of the issuer.',
        }),
    })
    .optional()
    .meta({ description: 'The request has a valid token of this issuer, with these claims.' }),
  caller: z.enum(['Anyone', 'Authenticated', 'Unauthenticated']).optional().meta({
    description:
      'Authenticated: the caller has proved an identity. Unauthenticated: it has not, as everyone who calls in plain text.',
  }),
};

interface Caller {
  readonly serviceAccount?: unknown;
  readonly namespace?: unknown;
  readonly trustDomain?: unknown;
  readonly cidr?: unknown;
  readonly jwt?: unknown;
  readonly caller?: unknown;
}

const ONE =
  'has(self.serviceAccount), has(self.__namespace__), has(self.trustDomain), has(self.cidr), has(self.jwt), has(self.caller)';

function given({ serviceAccount, namespace, trustDomain: domain, cidr, jwt, caller: kind }: Caller): number {
  return [serviceAccount, namespace, domain, cidr, jwt, kind].filter((one) => one !== undefined).length;
}

const negated = withRules(z.strictObject(caller), {
  cel: `[${ONE}].exists_one(given, given)`,
  message: 'give exactly one of serviceAccount, namespace, trustDomain, cidr, jwt and caller',
  holds: (fields) => given(fields) === 1,
});

const not = negated.optional().meta({ description: 'The caller is not this.' });

const condition = withRules(z.strictObject({ ...caller, not }), {
  cel: `[${ONE}, has(self.not)].exists_one(given, given)`,
  message: 'give exactly one of serviceAccount, namespace, trustDomain, cidr, jwt, caller and not',
  holds: (fields) => given(fields) + (fields.not === undefined ? 0 : 1) === 1,
});

const subject = withRules(
  z.strictObject({
    ...caller,
    allOf: z
      .array(condition)
      .min(1)
      .max(8)
      .optional()
      .meta({ description: 'Conditions on one caller, all of which hold.' }),
  }),
  {
    cel: `[${ONE}, has(self.allOf)].exists_one(given, given)`,
    message: 'give exactly one of serviceAccount, namespace, trustDomain, cidr, jwt, caller and allOf',
    holds: (fields) => given(fields) + (fields.allOf === undefined ? 0 : 1) === 1,
  },
);

const spec = z.strictObject({
  subjects: z
    .array(subject)
    .min(1)
    .max(64)
    .meta({ description: 'Callers that the binding is about: any of these.' }),
  roleRef: z
    .strictObject({
      kind: z.literal('MeshRole').meta({ description: 'Always MeshRole.' }),
      name: dnsName.meta({ description: 'Name of a role in the namespace of the binding.' }),
    })
    .meta({ description: 'What they may ask, or may not.' }),
  effect: z.enum(['Allow', 'Deny']).optional().meta({
    description:
      'Allow: they may ask what the role says. Deny: they may not, whatever other bindings allow. Defaults to Allow.',
  }),
  mode: z.enum(['Enforce', 'DryRun']).optional().meta({
    description:
      'Enforce: the binding decides. DryRun: it decides nothing; what it would change is counted and logged. Defaults to Enforce.',
  }),
});

const schema = objectSchema('MeshRoleBinding', spec);

/** Grants or denies a role to callers. */
export type MeshRoleBinding = z.infer<typeof schema>;

export const meshRoleBinding = {
  kind: 'MeshRoleBinding',
  plural: 'meshrolebindings',
  singular: 'meshrolebinding',
  shortNames: ['mrb'],
  scope: 'Namespaced',
  grantsAccess: true,
  description:
    'Says who may ask what a MeshRole of the same namespace lists, or who may not. It acts on the pods of its own namespace only.',
  schema,
  spec,
  rules: [],
  status: true,
  columns: [
    { name: 'Role', type: 'string', jsonPath: '.spec.roleRef.name' },
    { name: 'Effect', type: 'string', jsonPath: '.spec.effect' },
    { name: 'Mode', type: 'string', jsonPath: '.spec.mode' },
    { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
    { name: 'Resolved', type: 'string', jsonPath: '.status.conditions[?(@.type=="ResolvedRefs")].status' },
    { name: 'Programmed', type: 'string', jsonPath: '.status.conditions[?(@.type=="Programmed")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
} as const satisfies Kind;
