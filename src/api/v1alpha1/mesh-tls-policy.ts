import * as z from 'zod';
import { podLabels, port } from '../schema/fields.js';
import { type Kind, objectSchema } from '../schema/kind.js';
import { withRules } from '../schema/rule.js';
import { mtlsMode } from './mtls-mode.js';

const portMode = z.strictObject({
  port: port.meta({ description: 'A port of the pods, not of a Service.' }),
  mode: mtlsMode.meta({ description: 'What holds at this port, whatever is said about the pods.' }),
});

const spec = withRules(
  z.strictObject({
    selector: z
      .strictObject({
        matchLabels: podLabels.meta({ description: 'Labels, all of which the pods have.' }),
      })
      .optional()
      .meta({ description: 'Pods that the policy is about. By default every pod of its namespace.' }),
    mode: mtlsMode.optional().meta({
      description:
        'What meshed pods do with a caller that does not use mutual TLS. Permissive: accept it. Strict: refuse it. Disabled: callers in the mesh use plain text, too. If left out, only the ports given are decided. It is never lower than the chart value mtls.minimum.',
    }),
    ports: z.array(portMode).min(1).max(32).optional().meta({
      description: 'Ports of the selected pods at which another mode holds. They need a selector.',
    }),
  }),
  {
    cel: 'has(self.mode) || has(self.ports)',
    message: 'decides nothing; give mode, or selector and ports',
    holds: ({ mode, ports }) => mode !== undefined || ports !== undefined,
  },
  {
    cel: '!has(self.ports) || has(self.selector)',
    message: 'a port belongs to pods; give the selector that they have',
    field: '.ports',
    holds: ({ selector, ports }) => ports === undefined || selector !== undefined,
  },
  {
    cel: '!has(self.ports) || self.ports.all(one, self.ports.exists_one(other, other.port == one.port))',
    message: 'has the same port twice; keep one of them',
    field: '.ports',
    holds: ({ ports = [] }) => new Set(ports.map((one) => one.port)).size === ports.length,
  },
);

const schema = objectSchema('MeshTLSPolicy', spec);

/** Whether callers of pods use mutual TLS, for a namespace, some of its pods or their ports. */
export type MeshTLSPolicy = z.infer<typeof schema>;

export const meshTlsPolicy = {
  kind: 'MeshTLSPolicy',
  plural: 'meshtlspolicies',
  singular: 'meshtlspolicy',
  shortNames: ['mtls'],
  scope: 'Namespaced',
  grantsAccess: true,
  description:
    'Says whether callers of the pods of its namespace have to use mutual TLS. What is said about a port comes before what is said about pods, that before what is said about the namespace, and that before the MeshConfig; of two that say it about the same the stricter holds.',
  schema,
  spec,
  rules: [],
  status: true,
  columns: [
    { name: 'Mode', type: 'string', jsonPath: '.spec.mode' },
    { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
    { name: 'Programmed', type: 'string', jsonPath: '.status.conditions[?(@.type=="Programmed")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
} as const satisfies Kind;
