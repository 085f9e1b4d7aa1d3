import * as z from 'zod';
import { metadata } from './parts.js';

const targetRef = z.object({
  group: z.string(),
  kind: z.string(),
  name: z.string(),
  sectionName: z.string().optional(),
});

/** A BackendTLSPolicy of `gateway.networking.k8s.io/v1`, as far as its status depends on it. */
export const backendTlsPolicy = z.object({
  metadata,
  spec: z.object({
    targetRefs: z.array(targetRef).default([]),
    validation: z.object({
      caCertificateRefs: z
        .array(z.object({ group: z.string(), kind: z.string(), name: z.string() }))
        .default([]),
      wellKnownCACertificates: z.string().optional(),
    }),
  }),
});

export type BackendTlsPolicy = z.infer<typeof backendTlsPolicy>;
