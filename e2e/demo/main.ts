import { readFile } from 'node:fs/promises';
import pc from 'picocolors';
import { load } from '../support/app.js';
import { apply, eventually, get, kubectl } from '../support/run.js';
import { installWeft } from '../support/weft.js';
import { edgesOf, printEdges, printLoad, printVersions } from './report.js';

const REQUESTS = 2000;
const DEPLOYMENTS = ['shopper', 'web', 'catalog', 'reviews-v1', 'reviews-v2'];

interface PolicyStatus {
  readonly status?: { readonly conditions?: { readonly type: string; readonly status: string }[] };
}

async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  process.stdout.write(`${pc.cyan('•')} ${what} `);
  const start = Date.now();
  const result = await work();
  console.log(pc.dim(`${((Date.now() - start) / 1000).toFixed(1)} s`));
  return result;
}

async function accepted(): Promise<boolean> {
  const policy = await get<PolicyStatus>('trafficpolicy', 'reviews', '-n', 'shop');
  return policy.status?.conditions?.some((c) => c.type === 'Accepted' && c.status === 'True') ?? false;
}

async function main(): Promise<void> {
  await step('install Weft from its Helm charts', () => installWeft());
  await step('deploy the shop into a namespace labelled weft.dev/inject=enabled', async () => {
    await apply(await readFile('e2e/demo/shop.yaml', 'utf8'));
    for (const name of DEPLOYMENTS) {
      await kubectl('rollout', 'status', '-n', 'shop', `deployment/${name}`, '--timeout=120s');
    }
  });
  await step('apply a TrafficPolicy: 90 % to v1, 10 % to v2, testers to v2', async () => {
    await apply(await readFile('e2e/demo/canary.yaml', 'utf8'));
    await eventually('the policy is accepted', accepted, 30);
  });
  const url = 'http://web:8080/';
  const before = await edgesOf('shop');
  const everyone = await step(`send ${REQUESTS} requests to web, which calls catalog and reviews`, () =>
    load(
      'shop',
      'deploy/shopper',
      '-url',
      url,
      '-rate',
      '200',
      '-count',
      String(REQUESTS),
      '-duration',
      '60s',
    ),
  );
  const testers = await step('send 200 requests with x-group: beta', () =>
    load('shop', 'deploy/shopper', '-url', url, '-rate', '200', '-count', '200', '-headers', 'x-group=beta'),
  );
  printVersions('everyone, 90/10', everyone);
  printVersions('testers, x-group: beta', testers);
  printLoad(everyone);
  printEdges(before, await edgesOf('shop'));
  console.log(await kubectl('get', 'trafficpolicies', '-n', 'shop'));
  const path = 'export KUBECONFIG=$(make -s kubeconfig)';
  console.log(
    `Look around: ${pc.cyan(path)}; ${pc.cyan('kubectl get pods -n shop')}; end with ${pc.cyan('make down')}.`,
  );
  if (everyone.failed + testers.failed > 0) throw new Error('some requests failed; see the table above');
}

main().catch((error: unknown) => {
  console.error(pc.red(error instanceof Error ? error.message : String(error)));
  process.exitCode = 1;
});
