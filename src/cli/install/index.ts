import { Option, type Command } from 'commander';
import { names } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import { answering, collect, revisionOption, withExitCodes, type Answer } from '../answering.js';
import { pageFor } from '../page.js';
import { wholeNumber } from '../whole-number.js';
import { bundledCharts } from './charts.js';
import { helmOf, type Helm, type HelmTarget } from './helm.js';
import { install, rendered, type Done } from './install.js';
import { uninstall } from './uninstall.js';
import { upgrade } from './upgrade.js';

interface Flags {
  readonly offlineRoot?: string;
  readonly set: readonly string[];
  readonly values: readonly string[];
  readonly timeout: number;
  readonly dryRun: boolean;
  readonly revision: string;
  readonly systemNamespace: string;
}

type UninstallFlags = Pick<Flags, 'dryRun' | 'revision' | 'systemNamespace'> & {
  readonly force: boolean;
  readonly purge: boolean;
};

/** Adds `weft install`, `weft upgrade` and `weft uninstall`; `connect` makes the client of the cluster that the global options name. */
export function addInstallation(weft: Command, connect: () => KubeClient): void {
  const helm = (): Helm => helmOf(weft.opts<HelmTarget>());
  const answer = (work: (client: () => KubeClient) => Promise<Answer>): Promise<void> =>
    answering(connect, work);
  withValues(place(weft.command('install')))
    .description(
      'install the control plane and the kinds that belong to this program, where nothing speaks against it',
    )
    .option('--dry-run', 'print what would be applied as YAML; no cluster is asked', false)
    .option(
      '--offline-root <folder>',
      'sign under a root that is kept in this folder, and made where there is none',
    )
    .addHelpText('after', INSTALL)
    .action(async ({ timeout, dryRun, ...flags }: Flags) =>
      answer(async (client) => {
        const what = { ...flags, helm: helm(), charts: bundledCharts() };
        if (dryRun) return { text: (await rendered(what)).trimEnd(), exitCode: 0 };
        return answerOf(await install({ ...what, ...shown(client(), timeout) }));
      }),
    );
  withValues(place(weft.command('upgrade')))
    .description(
      'bring the control plane and the kinds to the version of this program, with the values that they have',
    )
    .option('--dry-run', 'say what would be done', false)
    .addHelpText('after', UPGRADE)
    .action(async ({ timeout, ...flags }: Flags) =>
      answer(async (client) =>
        answerOf(
          await upgrade({ ...flags, helm: helm(), charts: bundledCharts(), ...shown(client(), timeout) }),
        ),
      ),
    );
  place(weft.command('uninstall'))
    .description('take the control plane away, the webhook first, where no namespace is in the mesh')
    .option('--force', 'though namespaces are in the mesh and pods have proxies', false)
    .option('--purge', 'delete the kinds as well, and with them every policy', false)
    .option('--dry-run', 'say what would be done, and count what --purge would delete', false)
    .addHelpText('after', UNINSTALL)
    .action(async (flags: UninstallFlags) =>
      answer(async (client) => answerOf(await uninstall({ ...flags, helm: helm(), ...shown(client(), 0) }))),
    );
}

function place(command: Command): Command {
  return withExitCodes(command)
    .addOption(revisionOption())
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE);
}

function withValues(command: Command): Command {
  return command
    .addOption(
      new Option('--set <name=value>', 'a value of the chart weft; may be given again')
        .argParser(collect)
        .default([]),
    )
    .addOption(
      new Option('-f, --values <file>', 'a file of values; may be given again')
        .argParser(collect)
        .default([]),
    )
    .option('--timeout <minutes>', 'how long to wait until it is ready', wholeNumber, 5);
}

function shown(
  client: KubeClient,
  minutes: number,
): Pick<Parameters<typeof install>[0], 'client' | 'page' | 'timeoutMs' | 'progress'> {
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  return { client, page: pageFor(process.stdout), timeoutMs: minutes * 60_000, progress };
}

function answerOf({ ok, text }: Done): Answer {
  return { text, exitCode: ok ? 0 : 1 };
}

const NEEDS = `
It runs Helm (3.14 or newer), which has to be on the path, with the charts that are inside this program: nothing is fetched. You can go on
with Helm with what this installed, and the other way round.`;

const INSTALL = `${NEEDS}
Before anything is changed it looks whether the cluster is new enough, whether you may create the kinds that the charts hold, whether quotas leave
room, and whether another mesh is there. Afterwards it waits until every replica is ready and runs weft check.

Exit codes: 0 installed and in order, 1 something speaks against it or is not in order, 2 it could not be done.

Examples:
  weft install --set image.repository=REGISTRY/weft --set image.tag=TAG
  weft install -f values-production.yaml --timeout 10
  weft install --offline-root ~/weft-root
  weft install --dry-run > weft.yaml`;

const UPGRADE = `${NEEDS}
Values that were set stay. Version and program may be one minor version apart. Running pods keep their proxies; it names those that
have an older one afterwards, and what recreates them.

Exit codes: 0 upgraded and in order, 1 something speaks against it or is not in order, 2 it could not be done.

Examples:
  weft upgrade --dry-run
  weft upgrade --set image.tag=TAG`;

const UNINSTALL = `
It runs Helm (3.14 or newer), which has to be on the path. The webhook goes first, so that pods can be created at all times. The kinds, and with
them your policies, stay unless --purge is given; root and issuer always stay, and the service account that revisions share until the last
of them goes. What Helm did not install is refused: delete it as it was applied.

Exit codes: 0 it is gone, 2 it could not be done, also where namespaces are in the mesh.

Examples:
  weft uninstall --dry-run --purge
  weft uninstall
  weft uninstall --force --purge`;
