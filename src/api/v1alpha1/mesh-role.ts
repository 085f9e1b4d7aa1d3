import * as z from 'zod';
import { dnsLabel, headerName, port } from '../schema/fields.js';
import { type Kind, objectSchema } from '../schema/kind.js';
import { withRules } from '../schema/rule.js';

/** What a path may hold as it is: RFC 3986 without `;`, `*` and percent signs, and of encodings those that have one reading. */
const SEGMENT =
  "(?:[A-Za-z0-9._~!$&'()+,=:@-]|%(?:[89A-Fa-f][0-9A-Fa-f]|2[02Aa]|3[CEce]|5[BDEbde]|60|7[B-Db-d]))+";
const ANY_SEGMENT = '\\{[A-Za-z0-9_-]{0,63}\\}';

/** A path whose segments may stand for any, and whose last one may stand for all that follows. */
export const PATH_PATTERN = new RegExp(`^(?:/(?:${ANY_SEGMENT}|${SEGMENT}))*(?:/\\*|/)?$`);

const pathPattern = withRules(z.string().min(1).max(1024).regex(PATH_PATTERN), {
  cel: "!self.matches('(^|/)[.][.]?(/|$)')",
  message: 'has a dot segment (. or ..), which no request that is let through has; write the path without it',
  holds: (text) => !/(^|\/)\.\.?(\/|$)/.test(text),
});

const header = withRules(
  z.strictObject({
    name: headerName.meta({ description: 'Name of the header. Case does not matter.' }),
    exact: z.string().max(4096).optional().meta({ description: 'The whole value.' }),
    prefix: z.string().min(1).max(4096).optional().meta({ description: 'What the value begins with.' }),
    present: z.boolean().optional().meta({ description: 'true: the header is there, with any value.' }),
  }),
  {
    cel: '!has(self.present) || self.present',
    message: 'a rule cannot ask for a header to be absent; write true, or leave it out',
    field: '.present',
    holds: ({ present }) => present !== false,
  },
  {
    cel: '[has(self.exact), has(self.prefix), has(self.present)].exists_one(given, given)',
    message: 'give exactly one of exact, prefix and present',
    holds: ({ exact, prefix, present }) =>
      [exact, prefix, present].filter((given) => given !== undefined).length === 1,
  },
);

const method = z
  .string()
  .min(1)
  .max(32)
  .regex(/^[A-Z][A-Z0-9-]*$/);

const grpcMethod = z
  .string()
  .min(3)
  .max(512)
  .regex(/^[A-Za-z_][A-Za-z0-9_.]*\/([A-Za-z_][A-Za-z0-9_]*|\*)$/);

const rule = withRules(
  z.strictObject({
    services: z
      .array(dnsLabel)
      .min(1)
      .max(16)
      .optional()
      .meta({ description: 'Services of the namespace of the role. By default every pod of the namespace.' }),
    ports: z.array(port).min(1).max(16).optional().meta({
      description:
        'Ports of the Services or, where the rule names no Services, ports of the pods. By default every port.',
    }),
    methods: z
      .array(method)
      .min(1)
      .max(16)
      .optional()
      .meta({ description: 'HTTP methods, one of which the request has. By default any.' }),
    paths: z.array(pathPattern).min(1).max(64).optional().meta({
      description:
        'Paths, one of which the request has: /a is that path, /a/* every path below it, /a/{id}/b has any segment in the place of {id}. Case matters. By default any.',
    }),
    headers: z
      .array(header)
      .min(1)
      .max(8)
      .optional()
      .meta({ description: 'Conditions on headers, all of which hold.' }),
    grpc: z.array(grpcMethod).min(1).max(64).optional().meta({
      description:
        'gRPC methods, one of which is called: package.Service/Method, or package.Service/* for all of a service.',
    }),
  }),
  {
    cel: '!has(self.grpc) || !(has(self.paths) || has(self.methods))',
    message: 'a gRPC method is a path of its own, and always a POST; put paths and methods into another rule',
    field: '.grpc',
    holds: ({ grpc, paths, methods }) => grpc === undefined || (paths === undefined && methods === undefined),
  },
);

const spec = z.strictObject({
  rules: z.array(rule).min(1).max(32).meta({
    description:
      'What may be asked: one of the rules holds for the request. All that a rule gives must hold; an empty one is everything in the namespace.',
  }),
});

const schema = objectSchema('MeshRole', spec);

/** A set of requests, to be granted or denied by bindings of the same namespace. */
export type MeshRole = z.infer<typeof schema>;

export const meshRole = {
  kind: 'MeshRole',
  plural: 'meshroles',
  singular: 'meshrole',
  shortNames: ['mr'],
  scope: 'Namespaced',
  grantsAccess: true,
  description:
    'A set of requests to pods of its namespace. By itself it grants nothing: a MeshRoleBinding says to whom it is granted or denied.',
  schema,
  spec,
  rules: [],
  status: true,
  columns: [
    { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
    { name: 'Resolved', type: 'string', jsonPath: '.status.conditions[?(@.type=="ResolvedRefs")].status' },
    { name: 'Programmed', type: 'string', jsonPath: '.status.conditions[?(@.type=="Programmed")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
} as const satisfies Kind;
