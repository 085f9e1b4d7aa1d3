import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  type Ground,
  buildTool,
  expectAccepted,
  expectAll,
  followPage,
  losingNothing,
  prepareGround,
  releaseBad,
  releaseGood,
} from '../support/delivery.js';
import { removePrometheus } from '../support/prometheus.js';
import { kubectl, run } from '../support/run.js';

// A real Flagger, with its own chart, releases through Weft as docs/progressive-delivery.md says: to success, and back.

const GROUND: Ground = { shop: 'e2e-flagger', monitoring: 'e2e-flagger-outside' };
const SYSTEM = 'flagger-system';
const LONG = 900_000;
let chart: string;

beforeAll(async () => {
  chart = join(await buildTool('e2e/apps/flagger.sh'), 'charts/flagger');
  await prepareGround(GROUND, 'flagger');
}, 2_400_000);

afterAll(async () => {
  const { shop, monitoring } = GROUND;
  await kubectl('delete', '-f', join(chart, 'crds'), '--ignore-not-found');
  await run('helm', ['uninstall', 'flagger', '-n', SYSTEM, '--ignore-not-found']);
  await removePrometheus(monitoring);
  await kubectl('delete', 'namespace', shop, monitoring, SYSTEM, '--ignore-not-found', '--wait=false');
}, 240_000);

test(
  'Flagger is installed, takes a Deployment over without a request lost, and Weft acts on its route',
  async () => {
    const image = '--set image.repository=docker.io/weft/flagger --set image.tag=dev';
    await followPage('Flagger: install', GROUND, [[/oci:\S+/g, `${chart} ${image}`]]);
    await followPage('Flagger: the application', GROUND);
    await expectAll(GROUND, '1.0');
    await losingNothing(GROUND, 'Flagger: the Canary');
    await expectAccepted(GROUND);
    await expectAll(GROUND, '1.0');
  },
  LONG,
);

test(
  'a good version gets a growing share of the requests, then all of them, and none is lost',
  async () => {
    const said = await releaseGood(GROUND, 'Flagger: a version that is good');
    expect(said).toMatch(/reviews-canary:8080/);
  },
  LONG,
);

test(
  'a bad version is taken back, and no request is lost but those that it fails itself',
  async () => {
    const said = await releaseBad(GROUND, 'Flagger: a version that is not');
    expect(said).toMatch(/advancement success \d+\.\d+ < 99/);
  },
  LONG,
);
