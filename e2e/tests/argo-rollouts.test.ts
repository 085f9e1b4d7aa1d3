import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type Ground,
  buildTool,
  expectAccepted,
  expectAll,
  followPage,
  prepareGround,
  releaseBad,
  releaseGood,
} from '../support/delivery.js';
import type { Names } from '../support/page.js';
import { removePrometheus } from '../support/prometheus.js';
import { kubectl } from '../support/run.js';

// A real Argo Rollouts, with its own manifests and its plugin for Gateway API, releases through Weft as docs/progressive-delivery.md says. The plugin
// is not served as a Go module: WEFT_ROLLOUTS_PLUGIN is the file of one of its releases, and without it nothing is tried.

const GROUND: Ground = { shop: 'e2e-rollouts', monitoring: 'e2e-rollouts-outside' };
const SYSTEM = 'argo-rollouts';
const LONG = 900_000;
/** Empty until it is built: what was made before that fails is taken away all the same. */
let manifest = '';

/** What cannot be fetched here: the controller's manifest, with an image that was built here, and the plugin, which is in that image. */
function names(): Names {
  const images = 's|image: quay.io/argoproj/argo-rollouts:.*|image: docker.io/weft/argo-rollouts:dev|';
  const edit = `${images}; s|imagePullPolicy: Always|imagePullPolicy: IfNotPresent|`;
  return [
    [/https:\S+install\.yaml/g, `<(sed '${edit}' ${manifest})`],
    [/https:\S+gatewayapi-plugin\S*/g, 'file:///plugin'],
  ];
}

const tried = process.env['WEFT_ROLLOUTS_PLUGIN'] === undefined ? describe.skip : describe;

tried('Argo Rollouts', () => {
  beforeAll(async () => {
    manifest = join(await buildTool('e2e/apps/argo-rollouts.sh'), 'manifests/install.yaml');
    await prepareGround(GROUND, 'argo-rollouts');
  }, 2_400_000);

  afterAll(async () => {
    const { shop, monitoring } = GROUND;
    if (manifest !== '') await kubectl('delete', '-n', SYSTEM, '-f', manifest, '--ignore-not-found');
    const role = 'argo-rollouts-routes';
    await kubectl('delete', `clusterrole/${role}`, `clusterrolebinding/${role}`, '--ignore-not-found');
    await removePrometheus(monitoring);
    await kubectl('delete', 'namespace', shop, monitoring, SYSTEM, '--ignore-not-found', '--wait=false');
  }, 240_000);

  test(
    'it is installed, runs the application, and Weft acts on the route',
    async () => {
      await followPage('Argo Rollouts: install', GROUND, names());
      const said = await followPage('Argo Rollouts: the application', GROUND);
      expect(said).not.toMatch(/\[WEFT\d+\]/);
      await expectAccepted(GROUND);
      await expectAll(GROUND, '1.0');
    },
    LONG,
  );

  test(
    'a good version gets a growing share of the requests, then all of them, and none is lost',
    async () => {
      const said = await releaseGood(GROUND, 'Argo Rollouts: a version that is good');
      expect(said).toMatch(/reviews-canary:8080/);
    },
    LONG,
  );

  test(
    'a bad version is taken back, and no request is lost but those that it fails itself',
    async () => {
      const said = await releaseBad(GROUND, 'Argo Rollouts: a version that is not');
      expect(said).toMatch(/ Failed /);
    },
    LONG,
  );
});
