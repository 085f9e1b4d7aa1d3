import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { load } from '../support/app.js';
import { apply, eventually, kubectl } from '../support/run.js';
import { weftSaid } from '../support/weft.js';
import { NOT_SHOWN, SHOWN, type Shown } from '../transcripts/commands.js';
import { firstOf, lastingOf, pageOf, saidOnPage } from '../transcripts/page.js';

// Each command on the demo shop: it answers, and what docs/transcripts.md shows of it is what it prints. WEFT_RENDER=1 writes that page.

const PAGE = 'docs/transcripts.md';
const DEPLOYMENTS = ['shopper', 'web', 'catalog', 'reviews-v1', 'reviews-v2'];
/** What goes on is stopped after this. */
const STOPPED_AFTER_MS = 4_000;

const rendering = process.env['WEFT_RENDER'] === '1';
let page: string | undefined;
let ended = false;
let calling: Promise<void> = Promise.resolve();
const texts = new Map<string, string>();

async function callUntilEnd(): Promise<void> {
  while (!ended)
    await load('shop', 'deploy/shopper', '-url', 'http://web:8080/', '-rate', '20', '-duration', '10s').catch(
      () => undefined,
    );
}

async function said({ words, goesOn }: Shown): Promise<string> {
  const { code, text } = await weftSaid(words.split(' '), goesOn ? { timeout: STOPPED_AFTER_MS } : {});
  // 1 is an answer, such as a difference or a finding; 2 is none.
  if (!goesOn) expect([0, 1]).toContain(code);
  return goesOn ? firstOf(text) : text;
}

beforeAll(async () => {
  page = await readFile(PAGE, 'utf8').catch(() => undefined);
  for (const file of ['shop', 'canary']) await apply(await readFile(`e2e/demo/${file}.yaml`, 'utf8'));
  for (const name of DEPLOYMENTS)
    await kubectl('rollout', 'status', '-n', 'shop', `deployment/${name}`, '--timeout=120s');
  calling = callUntilEnd();
  await eventually('traffic shows', async () => {
    const { text } = await weftSaid(['edges', '-n', 'shop']);
    return text.includes('shop/reviews');
  });
});

afterAll(async () => {
  ended = true;
  await calling;
  if (rendering) await writeFile(PAGE, pageOf(SHOWN, texts));
});

test('every command of the program is shown, or not for a reason', async () => {
  const table = await readFile('docs/cli.md', 'utf8');
  const all = [...table.matchAll(/^\| `weft ([a-z-]+)[^|]*\|/gm)].map(([, name = '']) => name);
  const shown = SHOWN.map(({ words }) => words.split(' ')[0] ?? '');
  expect(all.length).toBeGreaterThan(20);
  expect([...new Set(all)].filter((name) => !shown.includes(name) && !(name in NOT_SHOWN))).toEqual([]);
});

test.each(SHOWN.map((each) => [each.words, each] as const))('weft %s', async (words, each) => {
  const text = await said(each);
  texts.set(words, text);
  expect(text.trim()).not.toBe('');
  if (page === undefined || rendering) return;
  const told = saidOnPage(page, words);
  if (told === undefined) throw new Error(`${PAGE} does not show it; WEFT_RENDER=1 writes the page`);
  expect(lastingOf(text)).toEqual(expect.arrayContaining([...lastingOf(told)]));
});
