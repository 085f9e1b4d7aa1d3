import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { DEFAULT_SETTINGS } from '../../model/index.js';
import { knownOf } from '../analyze/known-of.js';
import { readFiles } from '../analyze/read-files.js';
import { CATALOGUE } from './catalogue.js';
import { CASES, type Case } from './cases.fixture.js';
import { findAll } from './find.js';
import type { KnownObject } from './known.js';
import { CODE_OF_REASON } from './judged-rows.js';
import { CATALOGUE_PAGE, cataloguePage } from './page.js';

let folder: string;
let written = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-'));
});

/** Codes that are found in objects that somebody wrote. */
async function codesIn(objects: readonly object[], given: Case): Promise<readonly string[]> {
  const file = join(folder, `${++written}.yaml`);
  await writeFile(file, objects.map((object) => JSON.stringify(object)).join('\n---\n'));
  const { objects: read } = await readFiles([file], 'default');
  return codesOf(read, given);
}

async function codesOf(read: readonly KnownObject[], given: Case): Promise<readonly string[]> {
  const known = await knownOf({
    objects: read,
    installed: { ...DEFAULT_SETTINGS, ...given.installed },
    complete: given.as === 'complete' || given.as === 'live',
    live: given.as === 'live',
    revisions: given.revisions,
    revision: 'default',
    systemNamespace: 'weft-system',
  });
  return findAll(known).map(({ code }) => code);
}

describe('what is found, and not in its near twin', () => {
  test.each(CASES.map((one) => [one.code, one] as const))('%s', async (code, given) => {
    const { bad, good, beside = [] } = given;
    expect(await codesIn([...beside, ...bad], given)).toContain(code);
    expect(await codesIn([...beside, ...good], given)).not.toContain(code);
  });
});

test('every code that analyze can find has an input that yields it', () => {
  const tried = new Set<string>(CASES.map(({ code }) => code));
  const missing = CATALOGUE.map(({ code }) => code).filter(
    (code) => !code.startsWith('WEFT9') && !tried.has(code),
  );
  expect(missing).toEqual([]);
});

test('no two rows have the same code or title, and each says what to do', () => {
  expect(new Set(CATALOGUE.map(({ code }) => code)).size).toBe(CATALOGUE.length);
  expect(new Set(CATALOGUE.map(({ title }) => title)).size).toBe(CATALOGUE.length);
  for (const { title, meaning, remedy } of CATALOGUE) {
    expect(title).not.toMatch(/\.$/);
    expect(meaning).toMatch(/\.$/);
    expect(remedy).toMatch(/\.$/);
  }
  expect(CATALOGUE.length).toBeGreaterThanOrEqual(40);
});

test('the page about the catalogue is what the rows make of it', async () => {
  expect(await readFile(CATALOGUE_PAGE, 'utf8')).toBe(cataloguePage());
});

test('every reason of a condition that the control plane gives has a row of its own', async () => {
  const problem = await readFile('src/model/words/problem.ts', 'utf8');
  const reasons = [
    ...(problem.split('readonly field')[0] ?? '').split('readonly reason')[1]!.matchAll(/\| '(\w+)'/g),
  ].map(([, reason]) => reason ?? '');
  expect(reasons.length).toBeGreaterThan(10);
  expect(reasons.filter((reason) => CODE_OF_REASON[reason] === undefined)).toEqual([]);
});

test('of files alone nothing is said to be missing', async () => {
  const absent = CASES.filter(({ as }) => as === 'complete');
  for (const { bad, beside = [], code, ...given } of absent) {
    const found = await codesIn([...beside, ...bad], { ...given, code, bad, as: 'files' });
    expect([code, found.includes(code)]).toEqual([code, false]);
  }
});

test('nothing is found in what the charts install, in the demo, or in an example', async () => {
  const given = { code: 'WEFT101', bad: [], good: [] } as const;
  // Files of deploy/ are ways to install of which one is taken, so that objects are in several.
  const ways = (await readdir('deploy'))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => `deploy/${name}`);
  for (const file of [...ways, 'e2e/demo', 'e2e/scenarios/policies/adaptive.yaml']) {
    const { objects } = await readFiles([file], 'default');
    expect(objects.length).toBeGreaterThan(0);
    expect([file, await codesOf(objects, given)]).toEqual([file, []]);
  }
});
