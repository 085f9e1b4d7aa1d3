import * as z from 'zod';
import { metadata } from './parts.js';

const targetRef = z.object({
  group: z.string(),
  kind: z.string(),
  name: z.string(),
  sectionName: z.string().optional(),
});

const subjectAltName = z.discriminatedUnion('type', [
  z.object({ type: z.literal('Hostname'), hostname: z.string() }),
  z.object({ type: z.literal('URI'), uri: z.string() }),
]);

/** A BackendTLSPolicy of `gateway.networking.k8s.io/v1`. Its `options` are other implementations' own. */
export const backendTlsPolicy = z.object({
  metadata,
  spec: z.object({
    targetRefs: z.array(targetRef).default([]),
    validation: z.object({
      hostname: z.string(),
      subjectAltNames: z.array(subjectAltName).default([]),
      caCertificateRefs: z
        .array(z.object({ group: z.string(), kind: z.string(), name: z.string() }))
        .default([]),
      wellKnownCACertificates: z.string().optional(),
    }),
  }),
});

export type BackendTlsPolicy = z.infer<typeof backendTlsPolicy>;
