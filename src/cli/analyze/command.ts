import { Option, type Command } from 'commander';
import { names } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import { answering, pageOf, revisionOption, withExitCodes } from '../answering.js';
import { analyze, type AnalyzeOutput } from './index.js';

interface Flags {
  readonly file?: readonly string[];
  readonly namespace?: string;
  readonly complete?: true;
  readonly strict?: true;
  readonly output: AnalyzeOutput;
  readonly revision: string;
  readonly systemNamespace: string;
}

/** Adds `weft analyze`; `connect` makes the client of the cluster that the global options name. */
export function addAnalyze(weft: Command, connect: () => KubeClient): void {
  // Scripts tell findings, 1, from a question that was not understood.
  withExitCodes(weft.command('analyze'))
    .description('say what is wrong with policies, Services and pods, in files or in the cluster')
    .option(
      '-f, --file <file...>',
      'YAML or JSON files or folders of them, - for standard input; default: the objects in the cluster',
    )
    .option('-n, --namespace <name>', 'one namespace only; of files, that of objects that name none')
    .option('--complete', 'the files are all there is: what they refer to and do not have does not exist')
    .option('--strict', 'fail on warnings, too')
    .addOption(
      new Option('-o, --output <form>', 'how to print').choices(['text', 'json', 'sarif']).default('text'),
    )
    .addOption(revisionOption())
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE)
    .addHelpText('after', HELP)
    .action(async ({ file = [], ...flags }: Flags) =>
      answering(connect, async (client) => {
        const { ok, text } = await analyze({ files: file, client, page: pageOf(flags), ...flags });
        return { text, exitCode: ok ? 0 : 1 };
      }),
    );
}

const HELP = `
It finds unknown fields (also those that the API server dropped without a word, where kubectl apply has left its
annotation), values that are refused, references that lead nowhere, routes that never match, times that do not go together, rules
that do nothing, Services without pods, pods without their proxy, and more: docs/findings-catalogue.md says of each code what it
means and what to do. It only reads. Of files alone it does not say that something is missing, unless --complete says that they are
all there is.

Exit codes: 0 nothing that counts was found, 1 errors (with --strict also warnings), 2 something could not be read. Notes never count.

Examples:
  weft analyze -n shop
  weft analyze -f policy.yaml
  weft analyze -f deploy/ --complete --strict
  weft analyze -f deploy/ -o sarif > weft.sarif
  helm template my-chart | weft analyze -f -`;
