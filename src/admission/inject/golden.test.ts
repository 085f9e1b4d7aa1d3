import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import jsonPatch from 'fast-json-patch';
import { parse, stringify } from 'yaml';
import { createLogger } from '../../base/index.js';
import { answerReview, type AdmissionReview } from '../review.js';
import { injectionHandler } from './handler.js';
import { aReview, settings } from './fixtures.js';

/**
 * `golden/NAME.pod.yaml` goes in. Out come `NAME.patch.json` and `NAME.patched.yaml`, the pod as an independent library
 * patches it, or `NAME.denied.txt`. WEFT_UPDATE_GOLDEN=1 writes the three anew, for a person to read the difference.
 */
const folder = new URL('golden/', import.meta.url);
const update = process.env['WEFT_UPDATE_GOLDEN'] === '1';
const ORDINARY = new Set(['ordinary-sidecar']);
const CAPTURED_BY_NODE = new Set(['captured-by-node', 'captured-by-node-user-namespace']);

const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

/** The unguessable part of a hook's path is another one each time. */
const steady = (text: string): string =>
  text.replace(/(\/(?:postStart|preStop)\/)[0-9a-f]{32}\b/g, '$1UNGUESSABLE');

function matchesGolden(name: string, made: string): void {
  const text = steady(made);
  if (update) writeFileSync(new URL(name, folder), text);
  expect(text).toBe(existsSync(new URL(name, folder)) ? read(name) : `${name} is missing`);
}

async function review(name: string, object: unknown): Promise<AdmissionReview['response']> {
  const handler = injectionHandler({
    settings: () =>
      settings({
        nativeSidecar: !ORDINARY.has(name),
        capture: CAPTURED_BY_NODE.has(name) ? 'CNI' : 'InitContainer',
      }),
    namespaceOf: () => ({ labels: { 'weft.dev/inject': 'enabled' } }),
    log: createLogger({ level: 'silent' }),
    skipped: () => {},
  });
  const answer = await answerReview(aReview(object), handler, 4_000);
  return answer.review.response;
}

function operationsOf(response: AdmissionReview['response']): jsonPatch.Operation[] {
  if (response.patch === undefined) return [];
  return JSON.parse(Buffer.from(response.patch, 'base64').toString()) as jsonPatch.Operation[];
}

const names = readdirSync(folder).flatMap((file) => /^(.*)\.pod\.yaml$/.exec(file)?.[1] ?? []);

test.each(names)('%s comes out as its golden files say', async (name) => {
  const pod: unknown = parse(read(`${name}.pod.yaml`));
  const response = await review(name, pod);
  if (!response.allowed) {
    matchesGolden(`${name}.denied.txt`, `${response.status?.message ?? ''}\n`);
    return;
  }
  const operations = operationsOf(response);
  matchesGolden(`${name}.patch.json`, `${JSON.stringify(operations, null, 2)}\n`);
  expect(jsonPatch.validate(operations, pod)).toBeUndefined();
  const after = jsonPatch.applyPatch(pod, operations, true, false).newDocument;
  matchesGolden(`${name}.patched.yaml`, stringify(after, { lineWidth: 0 }));
});

test.each(names)('%s is left alone when it is reviewed once more', async (name) => {
  const pod: unknown = parse(read(`${name}.pod.yaml`));
  const first = await review(name, pod);
  if (!first.allowed) return;
  const after = jsonPatch.applyPatch(pod, operationsOf(first), true, false).newDocument;
  const second = await review(name, after);
  expect([second.allowed, operationsOf(second)]).toEqual([true, []]);
});

test.each([
  [
    'a pod without any gets them',
    undefined,
    { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '15121', 'prometheus.io/path': '/metrics' },
  ],
  [
    'a pod whose application is scraped keeps its own',
    { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9102' },
    { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9102' },
  ],
  [
    'a pod that does not want to be scraped is not',
    { 'prometheus.io/scrape': 'false' },
    { 'prometheus.io/scrape': 'false' },
  ],
])('annotations for scrapers: %s', async (_what, annotations, expected) => {
  const pod = {
    metadata: { name: 'web', ...(annotations === undefined ? {} : { annotations }) },
    spec: { containers: [{ name: 'app' }] },
  };
  const handler = injectionHandler({
    settings: () => settings({ scrapeAnnotations: true }),
    namespaceOf: () => ({ labels: { 'weft.dev/inject': 'enabled' } }),
    log: createLogger({ level: 'silent' }),
    skipped: () => {},
  });
  const { response } = (await answerReview(aReview(pod), handler, 4_000)).review;
  const after = jsonPatch.applyPatch(pod, operationsOf(response)).newDocument;
  const written = Object.entries((after.metadata as { annotations: Record<string, string> }).annotations);
  expect(Object.fromEntries(written.filter(([name]) => name.startsWith('prometheus.io/')))).toEqual(expected);
});
