import * as z from 'zod';
import { type Kind, objectSchema } from '../schema/kind.js';

const spec = z.strictObject({
  mtls: z
    .strictObject({
      mode: z.enum(['Permissive', 'Strict']).optional().meta({
        description:
          'What meshed pods do with a caller that does not speak mutual TLS. Permissive, by default: take its bytes. Strict: refuse it.',
      }),
    })
    .optional()
    .meta({ description: 'Mutual TLS between pods.' }),
  outbound: z
    .strictObject({
      policy: z.enum(['AllowAny', 'RegistryOnly']).optional().meta({
        description:
          'What meshed pods do with a destination that is no Service or pod of the mesh. AllowAny, by default: pass through. RegistryOnly: refuse.',
      }),
    })
    .optional()
    .meta({ description: 'Traffic that leaves the mesh.' }),
  forwarding: z
    .strictObject({
      via: z.boolean().optional().meta({
        description:
          'Whether each proxy names itself, as `weft`, in Via of the requests and responses that it forwards (RFC 9110 7.6.3). Not by default.',
      }),
      forwarded: z.boolean().optional().meta({
        description:
          "Whether a pod's proxy tells its application in Forwarded which pod called, and by which host (RFC 7239): the last element is the proxy's. Not by default.",
      }),
    })
    .optional()
    .meta({ description: 'Headers that proxies add to what they forward.' }),
});

const schema = objectSchema('MeshConfig', spec);

/** What holds for the whole mesh. There is one, named `default`. */
export type MeshConfig = z.infer<typeof schema>;

export const meshConfig = {
  kind: 'MeshConfig',
  plural: 'meshconfigs',
  singular: 'meshconfig',
  shortNames: ['mc'],
  scope: 'Cluster',
  description: 'What holds for the whole mesh. There is one, named default; without it every default holds.',
  schema,
  spec,
  rules: [
    {
      cel: "self.metadata.name == 'default'",
      message: 'there is one MeshConfig in a cluster, and its name is default; rename it',
      field: '.metadata.name',
      holds: ({ metadata }) => metadata.name === 'default',
    },
  ],
  status: false,
  columns: [
    { name: 'mTLS', type: 'string', jsonPath: '.spec.mtls.mode' },
    { name: 'Outbound', type: 'string', jsonPath: '.spec.outbound.policy' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
} as const satisfies Kind;
