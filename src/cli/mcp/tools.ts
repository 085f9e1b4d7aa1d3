import { z } from 'zod';
import type { KubeClient } from '../../kube/index.js';
import { analyze } from '../analyze/index.js';
import { canI } from '../authz/can-i.js';
import { whoCan } from '../authz/who-can.js';
import { check } from '../check/index.js';
import { demandNamespace, demandRevision } from '../control-planes.js';
import { egressText } from '../egress/index.js';
import { explain } from '../explain/explain.js';
import { createPage } from '../page.js';
import { status } from '../status.js';
import {
  askTraffic,
  edgesQuery,
  routesQuery,
  statQuery,
  topQuery,
  type TrafficQuery,
} from '../traffic/index.js';
import type { WindowName } from '../../telemetry/index.js';
import { readVersions } from '../versions.js';
import { headers, method, name, namespace, path, port, service, since, workload } from './inputs.js';

/** What every tool asks with. */
export interface Asker {
  readonly client: () => KubeClient;
  readonly revision: string;
  readonly systemNamespace: string;
  /** Whoever asks does not wait any more. */
  readonly signal?: AbortSignal;
}

/** A question that an assistant may ask; it reads, and that is all. */
export interface Tool {
  readonly name: string;
  readonly title: string;
  /** When to ask it, and what it says. */
  readonly description: string;
  readonly input: z.ZodObject;
  /** `given` has the shape of `input`. Answers with what the command prints as JSON. */
  readonly ask: (asker: Asker, given: unknown) => Promise<object>;
}

function tool<Shape extends z.core.$ZodLooseShape>(of: {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Shape;
  readonly ask: (asker: Asker, given: z.output<z.ZodObject<Shape>>) => Promise<object>;
}): Tool {
  const input = z.strictObject(of.input);
  return { ...of, input, ask: async (asker, given) => of.ask(asker, input.parse(given)) };
}

const page = createPage({ colours: false });

/** Commands print JSON; a program takes it as it is. */
function parsed(text: string): object {
  return JSON.parse(text) as object;
}

async function traffic(asker: Asker, window: WindowName, query: TrafficQuery): Promise<object> {
  const { systemNamespace } = asker;
  return askTraffic({ client: asker.client(), systemNamespace, since: window, query });
}

const SIGNALS =
  'Each row has requests per second, success rate (0 to 1), latency quantiles in ms, share over mutual TLS, denied, limited and retried requests.';

const TRAFFIC: readonly Tool[] = [
  tool({
    name: 'stat',
    title: 'Success, rate and latency',
    description: `How workloads, Services or namespaces are doing right now. Begin here when something seems slow or failing. ${SIGNALS}`,
    input: {
      kind: z
        .enum(['deploy', 'svc', 'ns'])
        .default('deploy')
        .describe(
          'deploy: workloads, by what they answer; svc: Services, as their callers see them; ns: namespaces.',
        ),
      name: name.optional().describe('One of them only.'),
      namespace: namespace.optional(),
      since: since.default('1m'),
    },
    ask: (asker, given) => traffic(asker, given.since, statQuery(given.kind, given.name, given)),
  }),
  tool({
    name: 'edges',
    title: 'Who calls whom',
    description: `Who calls what, how that goes, under which identity, over mutual TLS or not, and by which rules something was refused. ${SIGNALS}`,
    input: { namespace: namespace.optional(), since: since.default('1m') },
    ask: (asker, given) => traffic(asker, given.since, edgesQuery(given)),
  }),
  tool({
    name: 'routes',
    title: 'Routes of a Service',
    description: `How each route of a Service is doing, and with perBackend each backend of a route, such as a canary. ${SIGNALS}`,
    input: {
      service,
      perBackend: z.boolean().default(false).describe('A row for each backend of each route.'),
      since: since.default('1m'),
    },
    ask: (asker, given) =>
      traffic(asker, given.since, routesQuery(given.service, { wide: given.perBackend })),
  }),
  tool({
    name: 'top',
    title: 'Busiest calls',
    description: `The busiest calls of the last seconds. ${SIGNALS}`,
    input: {
      namespace: namespace.optional(),
      max: z.int().min(1).max(200).default(20).describe('Rows at most.'),
      since: since.default('10s'),
    },
    ask: (asker, given) => traffic(asker, given.since, topQuery(given)),
  }),
];

const REQUESTS: readonly Tool[] = [
  tool({
    name: 'explain',
    title: 'What would become of a request',
    description:
      'What the mesh would do with one request of a pod, stage by stage and by whose word: why each route does or does not take it, backends and endpoints as they are now, and whether it would be refused. The proxies answer; nothing is sent.',
    input: {
      from: workload,
      namespace: namespace.default('default').describe('Namespace of who would send it.'),
      method: method.default('GET'),
      url: z
        .url({ protocol: /^http$/ })
        .max(2_048)
        .describe('URL, such as http://reviews:9080/api?x=1.'),
      headers,
      receiver: z
        .boolean()
        .default(true)
        .describe('Ask a pod that would receive it, too: whether its access rules would refuse it.'),
    },
    ask: async (asker, { url, ...given }) => {
      const asked = { ...given, words: [given.method, url], header: given.headers };
      const { signal } = asker;
      const { text } = await explain({ client: asker.client(), page, output: 'json', signal, ...asked });
      return parsed(text);
    },
  }),
  tool({
    name: 'authz_can_i',
    title: 'May a caller ask that?',
    description:
      'Whether a caller may ask something of a Service, by whose word, and what would change that. It reads roles and bindings; explain asks the proxies.',
    input: {
      caller: z
        .string()
        .max(600)
        .describe(
          'namespace/serviceaccount, spiffe://DOMAIN/ns/NAMESPACE/sa/NAME, or plain for a caller without a certificate.',
        ),
      service,
      method: method.optional(),
      path: path.optional(),
      port: port.optional(),
      headers,
      address: z.union([z.ipv4(), z.ipv6()]).optional().describe('Address from which the caller connects.'),
    },
    ask: async (asker, given) => {
      const asked = { ...given, request: requestOf(given), header: given.headers };
      const { text } = await canI({ ...asker, client: asker.client(), page, output: 'json', ...asked });
      return parsed(text);
    },
  }),
  tool({
    name: 'authz_who_can',
    title: 'Who may call a Service',
    description: 'Whom bindings let call a Service, and whom not. What denies wins.',
    input: { service, method: method.optional(), path: path.optional(), port: port.optional(), headers },
    ask: async (asker, given) => {
      const asked = { ...given, request: requestOf(given), header: given.headers };
      const { text } = await whoCan({ ...asker, client: asker.client(), page, output: 'json', ...asked });
      return parsed(text);
    },
  }),
  tool({
    name: 'egress_report',
    title: 'Calls outside the mesh',
    description:
      'Who calls what outside the mesh, and what was or would be refused, as the proxies have counted since they started.',
    input: { namespace: namespace.optional() },
    ask: async (asker, given) =>
      parsed(await egressText({ client: asker.client(), page, output: 'json', ...given })),
  }),
];

const STATE: readonly Tool[] = [
  tool({
    name: 'check',
    title: 'Is the installation in order?',
    description:
      'Looks at the cluster, the control plane, certificates, the webhook and the namespaces of the mesh; each finding says what to do.',
    input: {},
    ask: async ({ client, ...at }) => {
      const { ok, found } = await check({ client: client(), page, ...at });
      return { ok, found };
    },
  }),
  tool({
    name: 'analyze',
    title: 'Mistakes in policies, Services and pods',
    description:
      'What is wrong with the objects in the cluster, or with manifests that are given: unknown fields, references that lead nowhere, routes that never match, pods without a proxy and more. Ask it before a policy is applied.',
    input: {
      namespace: namespace.optional(),
      manifests: z
        .string()
        .max(200_000)
        .optional()
        .describe('YAML or JSON to judge in place of what is in the cluster; nothing is applied.'),
    },
    ask: async (asker, { manifests, ...given }) => {
      const written = manifests === undefined ? {} : { texts: [{ name: 'manifests', text: manifests }] };
      const { text } = await analyze({ ...asker, ...written, ...given, files: [], page, output: 'json' });
      return parsed(text);
    },
  }),
  tool({
    name: 'status',
    title: 'Policies and meshed pods',
    description:
      'Policies with their conditions (accepted, references resolved, taken over by the proxies), and how many pods of each namespace are meshed. Of one namespace also who calls in plain text.',
    input: { namespace: namespace.optional() },
    ask: async ({ client, revision }, given) => {
      const asked = client();
      await demandRevision(asked, revision, 'weft status');
      if (given.namespace !== undefined) await demandNamespace(asked, given.namespace, 'weft status');
      return parsed(await status({ client: asked, page, revision, output: 'json', ...given }));
    },
  }),
  tool({
    name: 'version',
    title: 'Versions and skew',
    description:
      'Versions of the program, the control planes and the proxies, and what does not go together.',
    input: {},
    ask: ({ client }) => readVersions(client()),
  }),
];

/** All that may be asked. */
export const TOOLS: readonly Tool[] = [...TRAFFIC, ...REQUESTS, ...STATE];

/** As words of the command line: a path without a method is one that GET asks for. */
function requestOf(given: {
  readonly method?: string | undefined;
  readonly path?: string | undefined;
}): readonly string[] {
  if (given.path === undefined) return given.method === undefined ? [] : [given.method];
  return [given.method ?? 'GET', given.path];
}
