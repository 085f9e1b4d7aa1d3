import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connectPlain, type KubeClient } from '../../kube/index.js';
import { eventually, type ApiServer } from '../../testing/index.js';
import { startLarge } from '../large.fixture.js';
import { startShop } from '../mesh.fixture.js';
import { startDashboard, type RunningDashboard } from '../server.js';
import { WATCHED_SHOP, shopKnowledge } from '../shop-knowledge.fixture.js';
import type { WebAssets } from '../web-assets.js';
import { Browser, CHROMIUM } from './browser.fixture.js';
import { TABS } from './page-state.js';

/** In a program of its own: esbuild does not run inside the tests'. */
function bundled(): WebAssets {
  const program =
    "import { dashboardPage } from './src/build-web.mjs'; process.stdout.write(JSON.stringify((await dashboardPage('error')).assets));";
  const said = execFileSync('node', ['--input-type=module', '-e', program], { maxBuffer: 1e8 });
  return JSON.parse(said.toString()) as WebAssets;
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const VIOLATIONS = `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' ')))`;

(CHROMIUM === undefined ? describe.skip : describe)('in a real browser', () => {
  let browser: Browser;
  let api: ApiServer;
  let client: KubeClient;
  let dashboard: RunningDashboard;
  const assets = bundled();
  const stop = new AbortController();

  beforeAll(async () => {
    browser = await Browser.start(CHROMIUM ?? '');
    api = await startShop(() => performance.now() / 1000);
    client = connectPlain(api.url);
    dashboard = await startDashboard({ client, assets, knowledge: shopKnowledge, port: 0 }, stop.signal);
  });

  afterAll(async () => {
    stop.abort();
    await browser.stop();
    client.close();
    await api.stop();
  });

  async function shown(url: string, look: Parameters<Browser['show']>[1]): Promise<void> {
    await browser.show(url, look);
    await eventually('the page to be whole', async () =>
      browser.ask<boolean>(
        "document.querySelector('.summary') !== null && document.querySelector('.loading') === null",
      ),
    );
  }

  const EDGE = encodeURIComponent('spiffe://cluster.local/ns/shop/sa/web shop/reviews');
  const views = [
    ...TABS.map(({ key }) => `?view=${key}`),
    '?view=workloads&pods=shop/deployment/reviews-v2',
    `?edge=${EDGE}`,
  ];
  test.each(
    views.flatMap(
      (view) =>
        [
          [view, 'light'],
          [view, 'dark'],
        ] as const,
    ),
  )(
    '%s in %s has names, roles and contrast, fits a narrow screen, and loads nothing that its policy refuses',
    async (view, scheme) => {
      for (const width of [1280, 390]) {
        await shown(`${dashboard.url}${view}`, { width, scheme });
        await browser.ask(`${AXE};0`);
        expect(await browser.ask<string[]>(VIOLATIONS)).toEqual([]);
        expect(await browser.ask<boolean>('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      }
      expect(browser.complaints).toEqual([]);
    },
  );

  const press = async (text: string): Promise<unknown> =>
    browser.ask(
      `[...document.querySelectorAll('button')].find((each) => each.textContent === '${text}').click()`,
    );
  const rows = async (): Promise<number> =>
    browser.ask<number>("document.querySelectorAll('.live tbody tr').length");

  test.each(['light', 'dark'] as const)(
    'requests are shown as they pass, in %s, until the view is left or somebody stops',
    async (scheme) => {
      for (const width of [1280, 390]) {
        await shown(`${dashboard.url}?view=live&to=reviews&verdict=denied`, { width, scheme });
        expect(WATCHED_SHOP.questions).toHaveLength(0);
        await press('Watch');
        await eventually('requests of the shop', async () => (await rows()) > 3);
        expect(WATCHED_SHOP.questions).toMatchObject([
          { namespace: 'shop', to: 'reviews', verdict: 'denied' },
        ]);
        await browser.ask(`${AXE};0`);
        expect(await browser.ask<string[]>(VIOLATIONS)).toEqual([]);
        expect(await browser.ask<boolean>('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
        await press('Stop');
        await eventually('nobody is watched', () => WATCHED_SHOP.questions.length === 0);
        await press('Watch');
        await eventually('they are watched again', () => WATCHED_SHOP.questions.length === 1);
        await browser.ask("document.querySelector('nav a').click()");
        await eventually('nobody is watched, as the view is left', () => WATCHED_SHOP.questions.length === 0);
      }
      expect(browser.complaints).toEqual([]);
    },
  );

  test('however much passes, the page keeps a bounded part of it and says how much there was', async () => {
    await shown(`${dashboard.url}?view=live`, { width: 1280, scheme: 'light' });
    await press('Watch');
    await eventually('the first requests', async () => (await rows()) > 3);
    WATCHED_SHOP.flood(5_000);
    const said = (): Promise<string> =>
      browser.ask<string>("document.querySelector('main [role=status].note').textContent");
    await eventually('what was too much is told', async () =>
      /more were too many to tell/.test(await said()),
    );
    expect(await rows()).toBeLessThanOrEqual(200);
    await browser.show('about:blank', { width: 1280, scheme: 'light' });
    await eventually('nobody is watched, as the page is left', () => WATCHED_SHOP.questions.length === 0);
  });

  test('the keyboard alone leads through the page, in the order in which it is read', async () => {
    await shown(dashboard.url, { width: 1280, scheme: 'light' });
    const focused = (): Promise<string> => browser.ask<string>('document.activeElement.textContent.trim()');
    const order: string[] = [];
    for (let press = 0; press <= TABS.length; press += 1) {
      await browser.press('Tab');
      order.push(await focused());
    }
    expect(order).toEqual(['Skip to the content', ...TABS.map(({ title }) => title)]);
    await browser.press('Enter');
    const last = TABS[TABS.length - 1]?.key ?? '';
    await eventually('the view that was chosen', async () =>
      browser.ask<boolean>(`location.search === '?view=${last}'`),
    );
    expect(await browser.ask('document.querySelector("[aria-current=page]").textContent')).toBe(
      await focused(),
    );
  });

  test('five hundred workloads are a page of a bounded size, until somebody unfolds them', async () => {
    const large = await startLarge();
    const other = connectPlain(large.url);
    const end = new AbortController();
    const { url } = await startDashboard(
      { client: other, assets, knowledge: shopKnowledge, port: 0 },
      end.signal,
    );
    const size = (): Promise<number> => browser.ask<number>('document.querySelectorAll("*").length');
    await shown(url, { width: 1280, scheme: 'light' });
    expect(await size()).toBeLessThan(1_500);
    await shown(`${url}?view=workloads`, { width: 1280, scheme: 'light' });
    expect(await size()).toBeLessThan(1_500);
    expect(await browser.ask('document.querySelectorAll("h2 .fold").length')).toBe(10);
    end.abort();
    other.close();
    await large.stop();
  });
});
