import { InvalidArgumentError, type Command } from 'commander';
import { names } from '../base/index.js';
import { bundledWebAssets, DEFAULT_PORT, startDashboard } from '../dashboard/index.js';
import { revisionOption } from './answering.js';
import { knowledgeOf } from './dashboard-knowledge.js';
import { connectKube, type ConnectOptions } from '../kube/index.js';

interface DashboardFlags {
  readonly port: number;
  readonly systemNamespace: string;
  readonly revision: string;
}

/** Adds `weft dashboard`. */
export function addDashboardCommand(weft: Command): void {
  weft
    .command('dashboard')
    .description('show the mesh in your browser: workloads, policies, who calls whom and how that goes')
    .option('--port <number>', 'port on 127.0.0.1; 0 takes any free one', parsePort, DEFAULT_PORT)
    .addOption(revisionOption())
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE)
    .addHelpText(
      'after',
      '\nIt runs on your machine until Ctrl-C, reads what your kubeconfig may read and changes nothing. It needs to list' +
        '\nnamespaces, pods and trafficpolicies, and for the traffic the rights of weft stat. The page says what it may not read;' +
        '\ndocs/dashboard.md has a ClusterRole.' +
        '\nWhoever can log in to this machine can open the page.',
    )
    .action(
      async (flags: DashboardFlags) => await runDashboard({ ...weft.opts<ConnectOptions>(), ...flags }),
    );
}

async function runDashboard(options: ConnectOptions & DashboardFlags): Promise<void> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  const client = connectKube(options);
  const server = client.server;
  const dashboard = await startDashboard(
    {
      client,
      assets: bundledWebAssets(),
      port: options.port,
      systemNamespace: options.systemNamespace,
      knowledge: knowledgeOf({ client, ...options }),
    },
    stop.signal,
  );
  process.stdout.write(`The mesh of ${server} is shown at ${dashboard.url} until Ctrl-C.\n`);
  await dashboard.closed;
  client.close();
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('A port is a number from 0 to 65535.');
}
