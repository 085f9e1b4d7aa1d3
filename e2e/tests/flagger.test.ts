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
import { deploy, load } from '../support/app.js';
import { removePrometheus } from '../support/prometheus.js';
import { eventually, kubectl, run } from '../support/run.js';
import { weft } from '../support/weft.js';

// A real Flagger, with its own chart, releases through Weft as docs/progressive-delivery.md says: to success, and back.

const GROUND: Ground = { shop: 'e2e-flagger', monitoring: 'e2e-flagger-outside' };
const SYSTEM = 'flagger-system';
const LONG = 900_000;
/** Empty until it is built: what was made before that fails is taken away all the same. */
let chart = '';

beforeAll(async () => {
  chart = join(await buildTool('e2e/apps/flagger.sh'), 'charts/flagger');
  await prepareGround(GROUND, 'flagger');
}, 2_400_000);

afterAll(async () => {
  const { shop, monitoring } = GROUND;
  if (chart !== '') await kubectl('delete', '-f', join(chart, 'crds'), '--ignore-not-found');
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
    await losingNothing(GROUND, () => followPage('Flagger: the Canary', GROUND));
    // Until the last pods of before have ended, the canary's Service has some that are not ready.
    await eventually('a canary without pods is no mistake', async () =>
      /^No problems found/.test(await weft('analyze', '-n', GROUND.shop)),
    );
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

test(
  'where callers need a right, a role that names all three Services lets them ask both versions',
  async () => {
    const { shop } = GROUND;
    await deploy({ namespace: shop, name: 'stranger' });
    await followPage('Flagger: where callers need a right', GROUND, [[/\bname: web\b/g, 'name: caller']]);
    await eventually('the namespace is closed', async () => {
      const { statuses } = await load(
        shop,
        'deploy/stranger',
        '-url',
        'http://reviews:8080/',
        '-count',
        '20',
      );
      return statuses['403'] === 20;
    });
    await losingNothing(GROUND, async () => {
      await kubectl('-n', shop, 'set', 'image', 'deployment/reviews', 'reviews=registry.example/reviews:1.0');
      await phase('Progressing');
      return phase('Succeeded');
    });
    await expectAll(GROUND, '1.0');
  },
  LONG,
);

function phase(wanted: string): Promise<string> {
  const flags = [`--for=jsonpath={.status.phase}=${wanted}`, '--timeout=5m'];
  return run('kubectl', ['-n', GROUND.shop, 'wait', 'canary/reviews', ...flags], { timeout: 320_000 });
}
