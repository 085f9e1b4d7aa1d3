import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { duration, headerName } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';

/** `*`, or scheme, host and perhaps port of a page, whose host may be or begin with a wildcard. */
const ORIGIN =
  /^(\*|[A-Za-z][A-Za-z0-9+.-]*:\/\/(\*|(\*\.)?[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?)$/;

const origin = z.string().min(1).max(253).regex(ORIGIN);

/** Whether proxies understand a text as origins. */
export function isOrigin(text: string): boolean {
  return ORIGIN.test(text);
}

const method = z.enum(['*', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

const alone = (field: 'allowOrigins' | 'allowMethods' | 'allowHeaders') => ({
  cel: `!has(self.${field}) || !('*' in self.${field}) || size(self.${field}) == 1`,
  message: "'*' means every one already; give it alone or remove it",
  field: `.${field}`,
  holds: (given: Partial<Record<typeof field, readonly string[] | undefined>>) =>
    !(given[field]?.includes('*') ?? false) || given[field]?.length === 1,
});

/** Which pages of other origins browsers let read the answers; the fields are those of Gateway API's HTTPCORSFilter. */
export const cors = withRules(
  z.strictObject({
    allowOrigins: z.array(origin).min(1).max(16).meta({
      description:
        "Origins that may read the responses, such as https://shop.example. https://*.shop.example means every subdomain, and '*' every origin.",
    }),
    allowMethods: z.array(method).min(1).max(9).optional().meta({
      description:
        "Methods that are allowed in addition to GET, HEAD and POST, which browsers may always use. '*' means every method. None by default.",
    }),
    allowHeaders: z.array(headerName).min(1).max(32).optional().meta({
      description:
        "Request headers that are allowed in addition to those that browsers may always send. '*' means every header. None by default.",
    }),
    exposeHeaders: z.array(headerName).min(1).max(32).optional().meta({
      description:
        "Response headers that a page may read in addition to the basic ones. '*' means every header. None by default.",
    }),
    allowCredentials: z.boolean().optional().meta({
      description: 'Whether browsers may include cookies and credentials. Defaults to false.',
    }),
    maxAge: duration.optional().meta({
      description:
        'How long browsers may cache the answer to a preflight request, in whole seconds. Defaults to 5s.',
    }),
  }),
  alone('allowOrigins'),
  alone('allowMethods'),
  alone('allowHeaders'),
  {
    cel: "!has(self.maxAge) || (duration(self.maxAge) >= duration('1s') && duration(self.maxAge) <= duration('24h'))",
    message: 'browsers count whole seconds up to a day; give 1s to 24h',
    field: '.maxAge',
    holds: ({ maxAge }) => {
      const ms = durationMs(maxAge ?? '1s');
      return ms === undefined || (ms >= 1000 && ms <= 86_400_000);
    },
  },
);
