import type { FindingView, FindingsView, Knowledge } from '../dashboard/index.js';
import { analyzeCluster } from './analyze/index.js';
import { accessMatrix, type Where } from './authz/index.js';
import { tapForPage } from './dashboard-tap.js';
import { rowOf, type Finding } from './findings/index.js';

/** What `weft authz`, `weft analyze` and `weft tap` say, for the dashboard. */
export function knowledgeOf(where: Where): Knowledge {
  return {
    access: async (namespace, callers) => accessMatrix(where, namespace, callers),
    findings: async () => findingsOf(where),
    tap: async (question, hear, signal) => tapForPage(where.client, question, hear, signal),
  };
}

const WORST_FIRST = { error: 0, warning: 1, note: 2 } as const;

async function findingsOf(where: Where): Promise<FindingsView> {
  const { findings, objects, gaps } = await analyzeCluster(where);
  const shown = findings.map(shownFinding);
  return {
    findings: shown.sort((a, b) => WORST_FIRST[a.severity] - WORST_FIRST[b.severity]),
    objects,
    gaps,
  };
}

function shownFinding({ code, severity, object, path, message }: Finding): FindingView {
  const { title, meaning, remedy } = rowOf(code);
  return { code, severity, title, object, path, message, meaning, remedy };
}
