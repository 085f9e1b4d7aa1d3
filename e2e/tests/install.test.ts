import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { namespace } from '../support/app.js';
import { weftObject } from '../support/policy.js';
import { apply, eventually, get, kubectl } from '../support/run.js';
import { installWeft, weftSaid } from '../support/weft.js';

// The program installs, upgrades and uninstalls what it carries. Other tests' namespaces may be in the mesh: hence --force.

const NS = 'e2e-install';
const IMAGE = ['--set', 'image.repository=docker.io/weft/weft', '--set', 'image.tag=dev'];
const LONG = { timeout: 300_000 };

beforeAll(() => apply(namespace(NS)));

afterAll(async () => {
  await kubectl('delete', 'namespace', NS, '--wait=false');
  // With the values that every other test counts on.
  await installWeft();
}, 240_000);

const hooks = async (): Promise<readonly string[]> => {
  const { items } = await get<{ items: { metadata: { name: string } }[] }>('mutatingwebhookconfigurations');
  return items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith('weft-'));
};

test('it prints what it would apply, and the API server takes that', async () => {
  const { code, text } = await weftSaid(['install', '--dry-run', ...IMAGE]);
  expect(code).toBe(0);
  expect(text).toContain('image: docker.io/weft/weft:dev');
  await apply(text, '--server-side', '--dry-run=server', '--force-conflicts');
});

test('what is in use is not uninstalled, and not installed twice', async () => {
  expect((await weftSaid(['uninstall'])).code).toBe(2);
  expect((await weftSaid(['install', ...IMAGE])).code).toBe(2);
  expect(await hooks()).toEqual(['weft-default']);
});

test('an upgrade ends with everything in order', async () => {
  const { code, text } = await weftSaid(['upgrade', ...IMAGE], LONG);
  expect(text).toMatch(/Weft is in order\./);
  expect(code).toBe(0);
}, 320_000);

test('uninstalled and installed again, the mesh is in order, with its policies and its root', async () => {
  await apply(weftObject('MeshRole', NS, 'kept', { rules: [{ methods: ['GET'] }] }));
  const root = await get<{ data: object }>('secret', 'weft-root', '-n', 'weft-system');
  expect((await weftSaid(['uninstall', '--force'], LONG)).code).toBe(0);
  expect(await hooks()).toEqual([]);
  await eventually('its pods are gone', async () => {
    const { items } = await get<{ items: object[] }>(
      'pods',
      '-n',
      'weft-system',
      '-l',
      'app.kubernetes.io/name=weft',
    );
    return items.length === 0;
  });
  const { code, text } = await weftSaid(['install', ...IMAGE], LONG);
  expect(text).toMatch(/Weft is in order\./);
  expect(code).toBe(0);
  expect((await get<{ data: object }>('secret', 'weft-root', '-n', 'weft-system')).data).toEqual(root.data);
  await kubectl('get', 'meshrole', 'kept', '-n', NS);
}, 640_000);
