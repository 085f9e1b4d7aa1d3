import * as z from 'zod';
import { dnsLabel, dnsName, headerName, podLabels, port, regex } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';

const condition = {
  exact: z.string().max(4096).optional().meta({ description: 'The whole value.' }),
  prefix: z.string().min(1).max(4096).optional().meta({ description: 'What the value begins with.' }),
  regex: regex
    .optional()
    .meta({ description: 'A regular expression in RE2 syntax that matches the whole value.' }),
  present: z
    .boolean()
    .optional()
    .meta({ description: 'true: it is present, with any value. false: it is absent.' }),
  invert: z.boolean().optional().meta({ description: 'Whether to negate the condition. Defaults to false.' }),
};

interface Condition {
  readonly exact?: string | undefined;
  readonly prefix?: string | undefined;
  readonly regex?: string | undefined;
  readonly present?: boolean | undefined;
}

const oneCondition = {
  cel: '[has(self.exact), has(self.prefix), has(self.regex), has(self.present)].exists_one(given, given)',
  message: 'give exactly one of exact, prefix, regex and present',
  holds: ({ exact, prefix, regex, present }: Condition) =>
    [exact, prefix, regex, present].filter((given) => given !== undefined).length === 1,
};

const headerMatch = withRules(
  z.strictObject({
    name: headerName.meta({ description: 'Name of the header. Case does not matter.' }),
    ...condition,
  }),
  oneCondition,
);

const queryMatch = withRules(
  z.strictObject({
    name: z
      .string()
      .min(1)
      .max(256)
      .meta({ description: 'Name of the query parameter. If it is repeated, the first value counts.' }),
    ...condition,
  }),
  oneCondition,
);

const path = z.string().max(1024).regex(/^\//);

const pathMatch = withRules(
  z.strictObject({
    exact: path.optional().meta({ description: 'The whole path, without the query.' }),
    prefix: path.optional().meta({ description: 'By segment: /api matches /api and /api/x, never /apix.' }),
    regex: regex
      .optional()
      .meta({ description: 'A regular expression in RE2 syntax that matches the whole path.' }),
  }),
  {
    cel: '[has(self.exact), has(self.prefix), has(self.regex)].exists_one(given, given)',
    message: 'give exactly one of exact, prefix and regex',
    holds: ({ exact, prefix, regex }) =>
      [exact, prefix, regex].filter((given) => given !== undefined).length === 1,
  },
);

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

const caller = withRules(
  z.strictObject({
    namespaces: z
      .array(dnsLabel)
      .min(1)
      .max(16)
      .optional()
      .meta({ description: 'Namespaces, one of which the caller runs in.' }),
    serviceAccounts: z
      .array(
        z.strictObject({
          name: dnsName.meta({ description: 'Name of the service account.' }),
          namespace: dnsLabel
            .optional()
            .meta({ description: 'Its namespace. Defaults to the namespace of the policy.' }),
        }),
      )
      .min(1)
      .max(16)
      .optional()
      .meta({ description: 'Service accounts, one of which the caller runs as.' }),
    labels: podLabels.optional().meta({ description: "Labels, all of which the caller's pod has." }),
  }),
  {
    cel: 'has(self.namespaces) || has(self.serviceAccounts) || has(self.labels)',
    message: 'is empty; give namespaces, serviceAccounts or labels, or leave from out to mean every caller',
    holds: (from) => Object.values(from).some((given) => given !== undefined),
  },
);

/** A host, or `*.` and a suffix that takes every name below it, as in Gateway API. */
const serverName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);

const parts = {
  headers: z
    .array(headerMatch)
    .min(1)
    .max(16)
    .optional()
    .meta({ description: 'Conditions on headers, all of which must hold.' }),
  path: pathMatch.optional().meta({ description: 'Condition on the path.' }),
  method: z.enum(METHODS).optional().meta({ description: 'The HTTP method.' }),
};

/** Conditions on a request that a limit counts; all that are given must hold. */
export const limitMatch = withRules(
  z.strictObject({
    ...parts,
    path: pathMatch.optional().meta({
      description:
        'Condition on the path. A path that an application might read as another one, such as //login or /%6Cogin, fulfils every condition, so that none is a way around the limit.',
    }),
  }),
  {
    cel: 'has(self.headers) || has(self.path) || has(self.method)',
    message: 'is empty; give headers, path or method, or leave match out to count every request',
    holds: (match) => Object.values(match).some((given) => given !== undefined),
  },
);

/** Conditions on a request; all that are given must hold. */
export const routeMatch = withRules(
  z.strictObject({
    headers: parts.headers,
    path: parts.path,
    query: z
      .array(queryMatch)
      .min(1)
      .max(16)
      .optional()
      .meta({ description: 'Conditions on query parameters, all of which must hold.' }),
    method: parts.method,
    port: port.optional().meta({
      description:
        'The port of the Service that the caller connected to. Useful in policies on several ports.',
    }),
    from: caller.optional().meta({ description: 'Conditions on the caller, all of which must hold.' }),
    serverNames: z.array(serverName).min(1).max(16).optional().meta({
      description:
        "For connections that carry the application's own TLS, which the mesh does not decrypt: server names (SNI), one of which the caller asks for. *.example.org matches every name below example.org.",
    }),
  }),
  {
    cel: '!has(self.serverNames) || !(has(self.headers) || has(self.path) || has(self.query) || has(self.method))',
    message:
      'serverNames is for TLS that is not opened, where headers, path, query and method cannot be seen',
    holds: ({ serverNames, headers, path, query, method }) =>
      serverNames === undefined || [headers, path, query, method].every((given) => given === undefined),
  },
  {
    cel: 'has(self.headers) || has(self.path) || has(self.query) || has(self.method) || has(self.port) || has(self.from) || has(self.serverNames)',
    message: 'is empty; give a condition, or leave match out to match everything',
    holds: (match) => Object.values(match).some((given) => given !== undefined),
  },
);
