import * as z from 'zod';
import { dnsName, port } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { pathChange } from './path-change.js';

const REDIRECTS = [301, 302, 303, 307, 308] as const;

export const redirect = withRules(
  z.strictObject({
    scheme: z
      .enum(['http', 'https'])
      .optional()
      .meta({ description: 'Scheme of the location. Defaults to that of the request, http.' }),
    hostname: dnsName
      .optional()
      .meta({ description: 'Host of the location. Defaults to that of the request.' }),
    port: port.optional().meta({
      description:
        'Port of the location. Defaults to the well-known port of the scheme if one is given, and to that of the request otherwise. The well-known port of the scheme is left out of the location.',
    }),
    path: pathChange
      .optional()
      .meta({ description: 'Path of the location. Defaults to that of the request.' }),
    statusCode: z
      .int()
      .min(301)
      .max(308)
      .optional()
      .meta({ description: 'Status of the response: 301, 302, 303, 307 or 308. Defaults to 302.' }),
  }),
  {
    cel: '!has(self.statusCode) || self.statusCode in [301, 302, 303, 307, 308]',
    message: 'is not a valid status for a redirect; use 301, 302, 303, 307 or 308',
    field: '.statusCode',
    holds: ({ statusCode }) => statusCode === undefined || REDIRECTS.some((known) => known === statusCode),
  },
  {
    cel: 'has(self.scheme) || has(self.hostname) || has(self.port) || has(self.path)',
    message: 'redirects to the request itself; give scheme, hostname, port or path',
    holds: ({ scheme, hostname, port, path }) =>
      [scheme, hostname, port, path].some((given) => given !== undefined),
  },
);
