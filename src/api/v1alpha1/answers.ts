import * as z from 'zod';
import { dnsName, port } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';

const path = z
  .string()
  .max(1024)
  .regex(/^\/[-A-Za-z0-9._~!$&'()*+,;=:@%/]*$/);

/** A new path, named as Gateway API names it. */
const pathChange = withRules(
  z.strictObject({
    replaceFullPath: path.optional().meta({ description: 'The whole path. The query stays.' }),
    replacePrefixMatch: path
      .optional()
      .meta({ description: 'In the place of the prefix that the route matched. The query stays.' }),
  }),
  {
    cel: 'has(self.replaceFullPath) != has(self.replacePrefixMatch)',
    message: 'give exactly one of replaceFullPath and replacePrefixMatch',
    holds: ({ replaceFullPath, replacePrefixMatch }) =>
      (replaceFullPath === undefined) !== (replacePrefixMatch === undefined),
  },
);

export const rewrite = withRules(
  z.strictObject({
    hostname: dnsName
      .optional()
      .meta({ description: 'What the destination gets as host, without a port. It stays by default.' }),
    path: pathChange
      .optional()
      .meta({ description: 'What the destination gets as path. It stays by default.' }),
  }),
  {
    cel: 'has(self.hostname) || has(self.path)',
    message: 'is empty; give hostname or path, or remove it',
    holds: ({ hostname, path }) => hostname !== undefined || path !== undefined,
  },
);

const REDIRECTS = [301, 302, 303, 307, 308] as const;

export const redirect = withRules(
  z.strictObject({
    scheme: z
      .enum(['http', 'https'])
      .optional()
      .meta({ description: "The request's own, http, by default." }),
    hostname: dnsName.optional().meta({ description: "The request's own by default." }),
    port: port.optional().meta({
      description:
        "By default the usual one of the scheme where a scheme is given, else that of the request. The scheme's usual port is not written.",
    }),
    path: pathChange.optional().meta({ description: "The request's own by default." }),
    statusCode: z
      .int()
      .min(301)
      .max(308)
      .optional()
      .meta({ description: '301, 302, 303, 307 or 308. 302 by default.' }),
  }),
  {
    cel: '!has(self.statusCode) || self.statusCode in [301, 302, 303, 307, 308]',
    message: 'is no status of a redirect; use 301, 302, 303, 307 or 308',
    field: '.statusCode',
    holds: ({ statusCode }) => statusCode === undefined || REDIRECTS.some((known) => known === statusCode),
  },
  {
    cel: 'has(self.scheme) || has(self.hostname) || has(self.port) || has(self.path)',
    message: 'leads back to the request itself; give scheme, hostname, port or path',
    holds: ({ scheme, hostname, port, path }) =>
      [scheme, hostname, port, path].some((given) => given !== undefined),
  },
);

export const directResponse = withRules(
  z.strictObject({
    status: z.int().min(200).max(599).meta({ description: 'Status of the answer.' }),
    body: z.string().max(4096).optional().meta({ description: 'Its body. None by default.' }),
    contentType: z
      .string()
      .min(1)
      .max(128)
      .regex(/^[ -~]+$/)
      .optional()
      .meta({ description: 'Type of the body. text/plain; charset=utf-8 by default.' }),
  }),
  {
    cel: '!has(self.body) || !(self.status in [204, 205, 304])',
    message: 'an answer with status 204, 205 or 304 has no body; remove it or choose another status',
    field: '.body',
    holds: ({ status, body }) => body === undefined || ![204, 205, 304].includes(status),
  },
);
