import { afterAll, expect, test } from '@jest/globals';
import { app, deploy, namespace } from '../support/app.js';
import { apply, eventually, get, kubectl, run } from '../support/run.js';
import { installWeft } from '../support/weft.js';

const NS = 'e2e-uninstall';

afterAll(async () => {
  await kubectl('delete', 'namespace', NS, '--wait=false', '--ignore-not-found');
  await installWeft('replicas=1');
});

test('helm uninstall leaves nothing that blocks pods or namespaces', async () => {
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'before' });
  await run('helm', ['uninstall', 'weft', '-n', 'weft-system', '--wait']);

  const hooks = await get<{ items: { metadata: { name: string } }[] }>('mutatingwebhookconfigurations');
  expect(hooks.items.filter((h) => h.metadata.name.startsWith('weft'))).toEqual([]);

  await apply(app({ namespace: NS, name: 'after' }));
  await kubectl('rollout', 'status', '-n', NS, 'deployment/after', '--timeout=60s');

  await kubectl('delete', 'namespace', NS, '--wait=false');
  await eventually('the namespace is gone', async () => {
    const { items } = await get<{ items: { metadata: { name: string } }[] }>('namespaces');
    return items.every((n) => n.metadata.name !== NS);
  });
});
