import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { type LoadReport, deploy, load, namespace } from './app.js';
import { installGatewayApi, parentsOf } from './gateway.js';
import { type Names, follow } from './page.js';
import { startPrometheus } from './prometheus.js';
import { apply, run } from './run.js';
import { type Caller, threeWays } from './traffic.js';

const PAGE = 'docs/progressive-delivery.md';
const RELEASES = ['1.0', '2.0', '2.1'] as const;

/** Where a delivery tool is tried: the page's `shop` and `monitoring`. */
export interface Ground {
  readonly shop: string;
  readonly monitoring: string;
}

/** Builds a tool and gives the folder of its source. */
export async function buildTool(script: string): Promise<string> {
  const said = await run(script, [], { timeout: 1_800_000 });
  return said.trim().split('\n').at(-1) ?? '';
}

/** What the page takes for granted: Gateway API, Prometheus, images of three versions, and a caller in the mesh. */
export async function prepareGround({ shop, monitoring }: Ground, tool: string): Promise<void> {
  for (const script of ['prometheus', 'reviews'])
    await run(`e2e/apps/${script}.sh`, [], { timeout: 900_000 });
  for (const image of [tool, 'prometheus', ...RELEASES.map((version) => `reviews-${version}`)]) {
    await run('e2e/cluster/load-image.sh', [join(homedir(), `.cache/weft/image/${image}.tar`)]);
  }
  await installGatewayApi();
  await apply([namespace(shop), namespace(monitoring, {})]);
  await deploy({ namespace: shop, name: 'caller' });
  await startPrometheus(monitoring);
}

/** Does what a section of the page says, on this ground. */
export function followPage(title: string, { shop, monitoring }: Ground, names: Names = []): Promise<string> {
  return follow(PAGE, title, [
    [/\bshop\b/g, shop],
    [/\bprometheus\.monitoring\b/g, `prometheus.${monitoring}`],
    ...names,
  ]);
}

const callers = (shop: string): readonly Caller[] => threeWays(shop, 'deploy/caller', 'http://reviews:8080/');

/** What the commands of a section printed, and what callers saw meanwhile. */
export interface Watched {
  readonly said: string;
  readonly reports: readonly LoadReport[];
}

/** Does something under requests over kept connections, new ones and HTTP/2, of which each report has three seconds. */
async function watch(ground: Ground, body: () => Promise<string>): Promise<Watched> {
  let ended = false;
  const reports: LoadReport[] = [];
  const calls = callers(ground.shop).map(async ({ namespace: from, target, flags }) => {
    do reports.push(await load(from, target, '-duration', '3s', ...flags));
    while (!ended);
  });
  const work = body().finally(() => (ended = true));
  const [said] = await Promise.all([work, ...calls]);
  console.log(`${sentIn(reports)} requests sent, failures ${JSON.stringify(failuresIn(reports))}\n${said}`);
  return { said, reports };
}

/** Does something while requests flow, of which none may fail. Gives what callers saw. */
export async function losingNothing(ground: Ground, body: () => Promise<string>): Promise<Watched> {
  const watched = await watch(ground, body);
  expect(failuresIn(watched.reports)).toEqual({});
  return watched;
}

/** Version 2.0 is released as a section says: it gets the shares that the page has, then everything, and no request fails. Gives what the commands printed. */
export async function releaseGood(ground: Ground, title: string): Promise<string> {
  const { said, reports } = await losingNothing(ground, () => followPage(title, ground));
  const shares = sharesOf('2.0', reports);
  expect(shares.at(0)).toBe(0);
  for (const wanted of [0.2, 0.6]) {
    expect(shares.filter((share) => Math.abs(share - wanted) < 0.12).length).toBeGreaterThan(0);
  }
  await expectAll(ground, '2.0');
  return said;
}

/** Version 2.1 is tried and taken back: what fails is what it fails itself. Gives what the commands printed. */
export async function releaseBad(ground: Ground, title: string): Promise<string> {
  const { said, reports } = await watch(ground, () => followPage(title, ground));
  const failures = failuresIn(reports);
  // The application's own: those of a proxy have a reason behind the status.
  expect(Object.keys(failures)).toEqual(['500 ']);
  expect(Math.max(...sharesOf('2.1', reports))).toBeLessThan(0.5);
  await expectAll(ground, '2.0');
  return said;
}

/** One version answers all of two hundred requests. */
export async function expectAll({ shop }: Ground, version: string): Promise<void> {
  const [kept] = callers(shop);
  const { versions, failures } = await load(shop, kept!.target, ...kept!.flags, '-count', '200');
  expect({ versions, failures }).toEqual({ versions: { [version]: 200 }, failures: {} });
}

/** Weft acts on the route `reviews`. */
export async function expectAccepted({ shop }: Ground): Promise<void> {
  const [parent] = await parentsOf(shop, 'reviews');
  const said = parent?.conditions.map(({ type, status }) => `${type}=${status}`);
  expect(said).toEqual(['Accepted=True', 'ResolvedRefs=True']);
}

/** All failures of all reports, by what was said. */
function failuresIn(reports: readonly LoadReport[]): Readonly<Record<string, number>> {
  const all: Record<string, number> = {};
  for (const { failures } of reports) {
    for (const [said, count] of Object.entries(failures)) all[said] = (all[said] ?? 0) + count;
  }
  return all;
}

function sentIn(reports: readonly LoadReport[]): number {
  return reports.reduce((sum, { requests }) => sum + requests, 0);
}

function sharesOf(version: string, reports: readonly LoadReport[]): readonly number[] {
  return reports.map(({ versions, requests }) => (versions[version] ?? 0) / requests);
}
