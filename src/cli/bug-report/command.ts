import type { Command } from 'commander';
import { MeshError, names } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import { answering, revisionOption } from '../answering.js';
import { demandNamespace } from '../control-planes.js';
import { createPage } from '../page.js';
import { wholeNumber } from '../whole-number.js';
import { bugReport } from './index.js';

interface Flags {
  readonly namespace: readonly string[];
  readonly file?: string;
  readonly proxies: number;
  readonly revision: string;
  readonly systemNamespace: string;
}

/** Adds `weft bug-report`; `connect` makes the client of the cluster that the global options name. */
export function addBugReport(weft: Command, connect: () => KubeClient): void {
  weft
    .command('bug-report')
    .description(
      'write an archive with versions, statuses, events and logs, without secrets, to give to others',
    )
    .option('-n, --namespace <name...>', 'namespaces whose pods, events and proxies are in it, too', [])
    .option('-f, --file <file>', 'where to write it; default: weft-bug-report-<time>.tar.gz')
    .option('--proxies <number>', 'proxies whose logs are in it, at most', wholeNumber, 10)
    .addOption(revisionOption())
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE)
    .addHelpText('after', HELP)
    .action(async ({ namespace, file, ...flags }: Flags) =>
      answering(connect, async (client) => {
        for (const one of namespace)
          await demandNamespace(client(), one, 'weft bug-report').catch(demandOnlyThatItExists);
        const now = new Date();
        const stamp = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '');
        const { text } = await bugReport({
          ...flags,
          client: client(),
          now,
          page: createPage({ colours: false }),
          namespaces: namespace,
          file: file ?? `weft-bug-report-${stamp}.tar.gz`,
        });
        return { text, exitCode: 0 };
      }),
    );
}

/** What else is wrong stands in the report. */
function demandOnlyThatItExists(thrown: unknown): void {
  const error = MeshError.from(thrown);
  if (error.code === 'not-found') throw error;
}

const HELP = `
No Secret, no ConfigMap and no log of an application is in it. Variables, commands and arguments of containers, and texts that look like
keys, tokens, passwords or cookies are taken out. Names, addresses, labels, routes and paths stay: look through it first.

Examples:
  weft bug-report
  weft bug-report -n shop -n front --proxies 20
  weft bug-report -f report.tar.gz && tar tzf report.tar.gz`;
