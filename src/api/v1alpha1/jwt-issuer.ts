import * as z from 'zod';
import { cookieName, duration, headerName } from '../schema/fields.js';
import { durationMs } from '../schema/duration.js';
import { type Kind, objectSchema } from '../schema/kind.js';
import { withRules } from '../schema/rule.js';

/** By how much clocks may differ. */
const MAX_SKEW_MS = 60_000;

const jwks = withRules(
  z.strictObject({
    inline: z.string().min(2).max(65_536).optional().meta({
      description:
        'The JSON Web Key Set (RFC 7517) itself, as JSON. Public keys only: an object with a private key is refused.',
    }),
    url: z
      .string()
      .min(9)
      .max(1024)
      .regex(
        /^https:\/\/[A-Za-z0-9.[\]:-]+(\/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?$/,
      )
      .optional()
      .meta({
        description:
          'Where the JSON Web Key Set is, with https. The control plane fetches it, proxies never do. Private addresses are refused unless the chart value jwt.privateNetworks lists them.',
      }),
    caBundle: z.string().min(1).max(65_536).optional().meta({
      description:
        "Certificates, as PEM, one of which must have signed that of the URL's server. By default the well-known authorities.",
    }),
  }),
  {
    cel: '[has(self.inline), has(self.url)].exists_one(given, given)',
    message: 'give exactly one of inline and url',
    holds: ({ inline, url }) => (inline === undefined) !== (url === undefined),
  },
  {
    cel: '!has(self.caBundle) || has(self.url)',
    message: 'is about the server of a url, and there is none; remove it',
    field: '.caBundle',
    holds: ({ caBundle, url }) => caBundle === undefined || url !== undefined,
  },
);

const location = withRules(
  z.strictObject({
    header: headerName
      .optional()
      .meta({ description: 'Name of a header whose whole value is the token. Case does not matter.' }),
    cookie: cookieName.optional().meta({ description: 'Name of a cookie whose value is the token.' }),
  }),
  {
    cel: '[has(self.header), has(self.cookie)].exists_one(given, given)',
    message: 'give exactly one of header and cookie; leave location out for Authorization: Bearer',
    holds: ({ header, cookie }) => (header === undefined) !== (cookie === undefined),
  },
  {
    cel: "!has(self.header) || !(self.header.lowerAscii() in ['authorization', 'proxy-authorization', 'cookie', 'host', 'connection'])",
    message:
      'is a header with a meaning of its own; leave location out for Authorization: Bearer, or name a cookie',
    field: '.header',
    holds: ({ header }) =>
      header === undefined ||
      !['authorization', 'proxy-authorization', 'cookie', 'host', 'connection'].includes(
        header.toLowerCase(),
      ),
  },
);

const clockSkew = withRules(duration, {
  cel: "duration(self) <= duration('60s')",
  message: 'is more than a minute; clocks that differ by so much need mending first',
  holds: (text) => (durationMs(text) ?? Infinity) <= MAX_SKEW_MS,
});

const spec = z.strictObject({
  issuer: z
    .string()
    .min(1)
    .max(1024)
    .meta({ description: 'What the claim iss of its tokens is, to the letter.' }),
  audiences: z
    .array(z.string().min(1).max(1024))
    .min(1)
    .max(16)
    .meta({ description: 'The claim aud of a token must name one of these.' }),
  jwks: jwks.meta({ ...jwks.meta(), description: 'The public keys that its tokens are signed with.' }),
  clockSkew: clockSkew.optional().meta({
    ...clockSkew.meta(),
    description: 'By how much the clocks of issuer and proxies may differ, 60s at most. Defaults to 30s.',
  }),
  location: location.optional().meta({
    ...location.meta(),
    description:
      'Where in a request its tokens are. By default in the header Authorization, behind the word Bearer.',
  }),
  forwarding: z.enum(['Keep', 'Remove']).optional().meta({
    description:
      'Keep: the application gets the token as it came. Remove: it does not see a token that was verified. Defaults to Keep.',
  }),
});

const schema = objectSchema('JwtIssuer', spec);

/** Who signs tokens. */
export type JwtIssuer = z.infer<typeof schema>;

export const jwtIssuer = {
  kind: 'JwtIssuer',
  plural: 'jwtissuers',
  singular: 'jwtissuer',
  shortNames: ['ji'],
  scope: 'Namespaced',
  grantsAccess: true,
  description:
    'Who signs JSON Web Tokens that requests to pods of its namespace have, and which of them are believed. By itself it asks nothing of anybody: MeshRoleBindings name issuers and claims among their subjects, and rate limits of TrafficPolicies may count by claims.',
  schema,
  spec,
  rules: [],
  status: true,
  columns: [
    { name: 'Issuer', type: 'string', jsonPath: '.spec.issuer' },
    { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
    { name: 'Resolved', type: 'string', jsonPath: '.status.conditions[?(@.type=="ResolvedRefs")].status' },
    { name: 'Programmed', type: 'string', jsonPath: '.status.conditions[?(@.type=="Programmed")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
} as const satisfies Kind;
