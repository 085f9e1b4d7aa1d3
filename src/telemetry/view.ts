import { z } from 'zod';
import { COUNTS, LATENCIES } from './measures.js';
import type { ReportService } from './report-service.js';

/** Windows that can be asked for, in milliseconds. */
export const WINDOWS_MS = {
  '10s': 10_000,
  '1m': 60_000,
  '5m': 300_000,
  '30m': 1_800_000,
} as const;

export type WindowName = keyof typeof WINDOWS_MS;

export function isWindowName(text: string): text is WindowName {
  return Object.hasOwn(WINDOWS_MS, text);
}

const counts = z.array(z.number()).length(COUNTS);
const latencies = z.array(z.number()).length(LATENCIES);

/** What counts belong to. */
export const edgeName = z.object({
  reporter: z.object({ namespace: z.string(), kind: z.string(), name: z.string(), identity: z.string() }),
  direction: z.enum(['outbound', 'inbound']),
  service: z.string(),
  port: z.string(),
  backend: z.string(),
  route: z.string(),
  peer: z.string(),
  tls: z.enum(['mutual', 'backend', 'none', '']),
  rule: z.string(),
});

const edge = edgeName.extend({
  counts: counts.optional(),
  latencies: latencies.optional(),
  open: z.number(),
});

/** What one replica knows of the traffic: the answer of `GET /traffic`. */
export const trafficView = z.object({
  /** How far back the counts reach, in milliseconds. */
  coversMs: z.number(),
  /** Proxies that report to this replica. */
  proxies: z.number(),
  edges: z.array(edge),
});

export type TrafficView = z.infer<typeof trafficView>;
export type TrafficEdge = z.infer<typeof edge>;

/** The answer of this replica. */
export async function viewOf(
  reports: ReportService,
  { since, namespace }: { readonly since: WindowName; readonly namespace?: string | undefined },
): Promise<object> {
  const window = await reports.window(WINDOWS_MS[since], namespace);
  return { ...window, proxies: reports.proxies };
}
