import { Option, type Command } from 'commander';
import { MeshError, names } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import { Replicas, WINDOWS_MS, type WindowName } from '../../telemetry/index.js';
import { pageFor } from '../page.js';
import { wholeNumber } from '../whole-number.js';
import { demandAsked, edgesQuery, routesQuery, statQuery, topQuery, type TrafficQuery } from './queries.js';
import { show, type Output } from './show.js';

interface Flags {
  readonly namespace?: string;
  readonly allNamespaces?: true;
  readonly since: WindowName;
  readonly output: Output;
  readonly watch?: true;
  readonly systemNamespace: string;
}

type Connect = () => KubeClient;

/** Adds `weft stat`, `weft edges`, `weft routes` and `weft top`. */
export function addTrafficCommands(weft: Command, connect: Connect): void {
  addStat(weft, connect);
  addEdges(weft, connect);
  addRoutes(weft, connect);
  addTop(weft, connect);
}

function addStat(weft: Command, connect: Connect): void {
  withWatch(withScope(withFlags(weft.command('stat'), '1m')))
    .description('show success, requests per second and latency of workloads, Services or namespaces')
    .argument(
      '[kind]',
      'deploy (all workloads, by what they answer), svc (Services, by what callers see) or ns',
      'deploy',
    )
    .argument('[name]', 'one of them only')
    .addHelpText('after', STAT)
    .action(async (given: string, after: string | undefined, flags: Flags) =>
      run(connect, flags, statQuery(given, after, flags)),
    );
}

function addEdges(weft: Command, connect: Connect): void {
  withWatch(withScope(withFlags(weft.command('edges'), '1m')))
    .description('show who calls what, under which identity, with success, rate and latency')
    .addHelpText('after', EDGES)
    .action(async (flags: Flags) => run(connect, flags, edgesQuery(flags)));
}

function addRoutes(weft: Command, connect: Connect): void {
  withWatch(withFlags(weft.command('routes'), '1m'))
    .option('-n, --namespace <name>', 'namespace of the Service; default unless its name says another')
    .description('show success, rate and latency on each route of a Service, as its callers see it')
    .argument('<service>', 'the Service, or <namespace>/<name>')
    .addHelpText('after', ROUTES)
    .action(async (given: string, flags: Flags) =>
      run(connect, flags, routesQuery(given, { ...flags, wide: flags.output === 'wide' })),
    );
}

function addTop(weft: Command, connect: Connect): void {
  withScope(withFlags(weft.command('top'), '10s'))
    .description('show the busiest calls, refreshed every second until Ctrl-C')
    .option('--max <number>', 'rows at most', wholeNumber, 20)
    .addHelpText('after', TOP)
    .action(async (flags: Flags & { readonly max: number }) =>
      run(connect, { ...flags, watch: true }, topQuery(flags)),
    );
}

function withFlags(command: Command, since: WindowName): Command {
  return command
    .addOption(new Option('--since <time>', 'how far back').choices(Object.keys(WINDOWS_MS)).default(since))
    .addOption(
      new Option('-o, --output <form>', 'how to print').choices(['text', 'wide', 'json']).default('text'),
    )
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE);
}

function withScope(command: Command): Command {
  return command
    .option('-n, --namespace <name>', 'one namespace only')
    .option('-A, --all-namespaces', 'all namespaces, as without -n');
}

function withWatch(command: Command): Command {
  return command.option('-w, --watch', 'show it again every second until Ctrl-C');
}

async function run(connect: Connect, flags: Flags, query: TrafficQuery): Promise<void> {
  if (flags.namespace !== undefined && flags.allNamespaces === true)
    throw new MeshError('invalid', '-n and -A are mutually exclusive');
  const client = connect();
  const stop = new AbortController();
  const { stdout } = process;
  if (flags.watch === true) process.once('SIGINT', () => stop.abort());
  try {
    await demandAsked(client, query);
    await show({
      replicas: new Replicas(client, flags.systemNamespace),
      since: flags.since,
      namespace: query.namespace,
      output: flags.output,
      watch: flags.watch === true,
      page: pageFor(stdout),
      shown: query.shown,
      write: (text) => stdout.write(text),
      isTerminal: stdout.isTTY,
      signal: stop.signal,
    });
  } finally {
    client.close();
  }
}

const COLUMNS = `
What the columns say, of the time given by --since:
  SUCCESS      answers without a fault of the server: neither 5xx nor a gRPC status that is one
  RPS          requests per second
  P50 P95 P99  latency: half, 95 % and 99 % of the requests were at least this fast
  MTLS         share of the requests that came over mutual TLS
  DENIED       requests and connections that access rules, external checks or strict mode refused
  WOULD DENY   those that they would have refused, if they were enforced
  RETRIES      requests sent once more
With -o wide: what limits refused or would have, open connections of bytes, and new ones per second.

Proxies report every 2 s while somebody looks. No Prometheus is needed. docs/stat.md says who may look.`;

const STAT = `${COLUMNS}

Examples:
  weft stat -n shop
  weft stat svc reviews -n shop --since 5m
  weft stat ns -o json | jq '.rows[] | select(.signals.successRate < 0.99)'`;

const EDGES = `${COLUMNS}

A call is shown as its caller saw it, or as the receiver did where the caller has no proxy; refusals are the receiver's.

Examples:
  weft edges -n shop
  weft edges --since 30m -o wide`;

const ROUTES = `${COLUMNS}

With -o wide each backend of a route has a row of its own.

Examples:
  weft routes reviews -n shop
  weft routes shop/reviews --watch`;

const TOP = `
Examples:
  weft top
  weft top -n shop --max 5`;
