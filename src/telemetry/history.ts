import { z } from 'zod';
import { COUNTS } from './measures.js';
import type { ReportService } from './report-service.js';
import { edgeName } from './view.js';

/** Minutes that are told, besides the one that is not over. */
export const HISTORY_MINUTES = 30;
export const MINUTE_MS = 60_000;

const column = z.object({
  /** What is counted, as `Counted` says. */
  place: z
    .number()
    .int()
    .min(0)
    .max(COUNTS - 1),
  /** Of each minute, oldest first. */
  minutes: z.array(z.number()).length(HISTORY_MINUTES),
});

/** What one replica knows of each of the last minutes: the answer of `GET /history`. */
export const historyView = z.object({
  /** How long ago the last of the minutes ended, in milliseconds. */
  endedMs: z.number(),
  /** How far back the replica knows anything. */
  coversMs: z.number(),
  edges: z.array(edgeName.extend({ columns: z.array(column) })),
});

export type HistoryView = z.infer<typeof historyView>;

/** The answer of this replica. */
export function historyOf(reports: ReportService, namespace: string | undefined): object {
  return reports.history(HISTORY_MINUTES, namespace);
}
