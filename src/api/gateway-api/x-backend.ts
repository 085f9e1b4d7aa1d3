import * as z from 'zod';
import { metadata, sessionPersistence } from './parts.js';

/** An XBackend of `gateway.networking.x-k8s.io/v1alpha1`, in the experimental channel only; up to v1.6 it selects no pods. */
export const xBackend = z.object({
  metadata,
  spec: z.object({
    type: z.string(),
    port: z.object({ number: z.int().optional() }),
    endpointSelector: z.object({ matchLabels: z.record(z.string(), z.string()).default({}) }).optional(),
    sessionPersistence: sessionPersistence.optional(),
    protocol: z.string().optional(),
    tls: z.object({ mode: z.string().default('None') }).optional(),
  }),
});

export type XBackendObject = z.infer<typeof xBackend>;
