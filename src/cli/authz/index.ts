import { InvalidArgumentError, Option, type Command } from 'commander';
import { names } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import { answering, collect, failed, pageOf, revisionOption, withExitCodes } from '../answering.js';
import { pageFor, printable } from '../page.js';
import { canI } from './can-i.js';
import { convertFiles } from './convert/index.js';
import { whoCan } from './who-can.js';

export type { Where } from './installation.js';
export { accessMatrix } from './matrix.js';

interface Flags {
  readonly namespace?: string;
  readonly port?: number;
  readonly header: readonly string[];
  readonly output: 'text' | 'json';
  readonly revision: string;
  readonly systemNamespace: string;
}

/** Adds `weft authz`; `connect` makes the client of the cluster that the global options name. */
export function addAuthz(weft: Command, connect: () => KubeClient): void {
  const authz = weft
    .command('authz')
    .description('say who may call whom, by whose word, and what would change that')
    .addHelpText('after', AUTHZ);
  addCanI(authz, connect);
  addWhoCan(authz, connect);
  addConvert(authz);
}

const EXIT_CODES = `
It reads the cluster and changes nothing. What is said is what the roles, bindings and settings mean that the API server has;
where a binding is not in force everywhere yet, a note says so.`;

const AUTHZ = `${EXIT_CODES}

Examples:
  weft authz can-i shop/web shop/reviews GET /api/reviews
  weft authz who-can shop/reviews`;

const CAN_I = `
CALLER is namespace/serviceaccount, spiffe://DOMAIN/ns/NAMESPACE/sa/NAME, or plain for a caller without a certificate.
A gRPC method is POST /package.Service/Method. Leave method and path out for a port that takes bytes.
${EXIT_CODES}

Exit codes: 0 allowed, 1 refused (by any of the Service's pods), 2 it could not be said.

Examples:
  weft authz can-i shop/web shop/reviews GET /api/reviews
  weft authz can-i plain shop/reviews GET /metrics --address 10.244.1.7
  weft authz can-i spiffe://partner.example/ns/shop/sa/web shop/reviews POST /shop.Reviews/Get --port 9090
  weft authz can-i qa/load shop/reviews GET /api/reviews --header 'x-group: staff' -o json | jq -r '.answers[].decidedBy[].object'`;

const WHO_CAN = `
Each line is what one binding says with one rule of its role; what denies comes first, and wins. Without the method and the path the rules
about the port are listed, whatever they ask of requests.
${EXIT_CODES}

Examples:
  weft authz who-can shop/reviews
  weft authz who-can reviews -n shop GET /admin/users --port 8080`;

const CONVERT = `
It reads AuthorizationPolicy of Istio, Server, AuthorizationPolicy, MeshTLSAuthentication, NetworkAuthentication and HTTPRoute of Linkerd,
AuthorizationPolicy of GEP-3779, and XAccessPolicy of agentic.networking.x-k8s.io, and asks no cluster. Our rules go by Services and not
by labels of pods: give the Services too. What does not carry over is said on standard error, by object and field:
  error   it denies and cannot be said, or is not understood: nothing was written for it
  lost    it allows and cannot be said: it was left out, so less is allowed
  note    for your information, such as what refuses everybody else

Exit codes: 0 written, 1 with errors, 2 nothing could be read.

Examples:
  weft authz convert -f policies.yaml -f services.yaml > access.yaml
  kubectl get authorizationpolicies.security.istio.io,services -n shop -o yaml | weft authz convert -f -`;

function addConvert(authz: Command): void {
  withExitCodes(authz.command('convert'))
    .description('print access rules of other meshes as MeshRoles and MeshRoleBindings')
    .requiredOption('-f, --file <file...>', 'YAML or JSON files, - for standard input')
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['yaml', 'json']).default('yaml'))
    .addHelpText('after', CONVERT)
    .action(
      async ({ file, output }: { readonly file: readonly string[]; readonly output: 'yaml' | 'json' }) => {
        try {
          const page = pageFor(process.stderr);
          const { ok, manifests, report } = await convertFiles(file, { page, output });
          process.stdout.write(manifests);
          process.stderr.write(`${printable(report)}\n`);
          process.exitCode = ok ? 0 : 1;
        } catch (thrown) {
          failed(thrown);
        }
      },
    );
}

function addCanI(authz: Command, connect: () => KubeClient): void {
  shared(authz.command('can-i'))
    .description('say whether a caller may ask something of a Service')
    .argument('<caller>', 'who calls')
    .argument('<service>', 'namespace/service, or service with -n')
    .argument('[request...]', 'method and path, such as GET /api/reviews')
    .option('--address <ip>', 'address from which the caller connects, for subjects with cidr')
    .addHelpText('after', CAN_I)
    .action(
      async (
        caller: string,
        service: string,
        request: string[],
        flags: Flags & { readonly address?: string },
      ) =>
        answering(connect, async (client) => {
          const { ok, text } = await canI({
            client: client(),
            page: pageOf(flags),
            caller,
            service,
            request,
            ...flags,
          });
          return { text, exitCode: ok ? 0 : 1 };
        }),
    );
}

function addWhoCan(authz: Command, connect: () => KubeClient): void {
  shared(authz.command('who-can'))
    .description('list whom bindings let call a Service, and whom not')
    .argument('<service>', 'namespace/service, or service with -n')
    .argument('[request...]', 'method and path, such as GET /api/reviews')
    .addHelpText('after', WHO_CAN)
    .action(async (service: string, request: string[], flags: Flags) =>
      answering(connect, async (client) => {
        const { text } = await whoCan({ client: client(), page: pageOf(flags), service, request, ...flags });
        return { text, exitCode: 0 };
      }),
    );
}

function shared(command: Command): Command {
  return withExitCodes(command)
    .option('-n, --namespace <name>', 'namespace of the Service')
    .option('--port <number>', 'port of the Service; needed where it has several', parsePort)
    .option(
      '--header <line>',
      "a header of the request, as in 'x-group: staff'; may be given again",
      collect,
      [],
    )
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addOption(revisionOption())
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('A port is a number from 1 to 65535.');
}
