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
