import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { app, deploy, namespace } from '../support/app.js';
import { apply, eventually, get, kubectl, run } from '../support/run.js';
import { installWeft, weftSaid } from '../support/weft.js';

const NS = 'e2e-uninstall';

// A namespace that has joined: without one weft check shows how one would, with NAME in the place of its name.
beforeAll(() => apply(namespace(NS)));

afterAll(async () => {
  await kubectl('delete', 'namespace', NS, '--wait=false', '--ignore-not-found');
  await installWeft();
});

/** What `weft check` says, whatever it finds. */
async function check(): Promise<string> {
  return (await weftSaid(['check'])).text;
}

async function untilInOrder(): Promise<void> {
  await eventually('everything is in order', async () => {
    const text = await check();
    if (!text.includes('Weft is in order')) throw new Error(`weft check said: ${text}`);
    return true;
  });
}

test.each([
  [
    'the webhook configuration',
    ['mutatingwebhookconfiguration', 'weft-default'],
    /MutatingWebhookConfiguration/,
  ],
  ['the kinds', ['crd', 'trafficpolicies.weft.dev', 'meshconfigs.weft.dev'], /weft\.dev\/v1alpha1/],
])(
  'of %s that were deleted, weft check says what to type, and that puts them back',
  async (_what, names, finding) => {
    await untilInOrder();
    await kubectl('delete', ...names);
    const commands = await eventually('weft check says what is missing', async () => {
      const text = await check();
      const typed = [...text.matchAll(/^ +((?:helm|kubectl) .*)$/gm)].map(([, command]) => command!);
      if (!finding.test(text) || typed.length === 0) throw new Error(`weft check said: ${text}`);
      return typed;
    });
    for (const command of commands) await run('bash', ['-euc', command]);
    await untilInOrder();
  },
);

test('helm uninstall leaves nothing that blocks pods or namespaces', async () => {
  await deploy({ namespace: NS, name: 'before' });
  await run('helm', ['uninstall', 'weft', '-n', 'weft-system', '--wait']);

  const hooks = await get<{ items: { metadata: { name: string } }[] }>('mutatingwebhookconfigurations');
  expect(hooks.items.filter((h) => h.metadata.name.startsWith('weft'))).toEqual([]);
  // Other revisions would run as it.
  await kubectl('get', 'serviceaccount', 'weft', '-n', 'weft-system');

  await apply(app({ namespace: NS, name: 'after' }));
  await kubectl('rollout', 'status', '-n', NS, 'deployment/after', '--timeout=60s');

  await kubectl('delete', 'namespace', NS, '--wait=false');
  await eventually('the namespace is gone', async () => {
    const { items } = await get<{ items: { metadata: { name: string } }[] }>('namespaces');
    return items.every((n) => n.metadata.name !== NS);
  });
});
