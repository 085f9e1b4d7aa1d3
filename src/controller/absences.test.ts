import { expect, test } from '@jest/globals';
import { Metrics, createLogger } from '../base/index.js';
import { Resources, connectPlain } from '../kube/index.js';
import { countAbsences } from './absences.js';
import { createClusterView } from './cluster-view.js';

const { namespace, pod } = Resources;
const aPod = (name: string, labels: Record<string, string> = {}, version = '1') =>
  pod.keep({ metadata: { name, namespace: 'shop', uid: name, resourceVersion: version, labels } });
const aNamespace = (enabled: boolean, version: string) =>
  namespace.keep({
    metadata: {
      name: 'shop',
      resourceVersion: version,
      labels: enabled ? { 'weft.dev/inject': 'enabled' } : {},
    },
  });

test('pods that should have a proxy are counted as pods and namespaces come, change and go', async () => {
  const metrics = new Metrics();
  const client = connectPlain('http://127.0.0.1:1');
  const log = createLogger({ level: 'silent' });
  const view = createClusterView({
    client,
    systemNamespace: 'weft-system',
    revision: 'default',
    log,
    metrics: new Metrics(),
  });
  countAbsences(metrics, { view, revision: 'default', systemNamespace: 'weft-system' });
  const missing = async (): Promise<string | undefined> =>
    /weft_pods_without_proxy\{kind="missing"\} (\d+)/.exec(await metrics.text())?.[1];
  expect(await missing()).toBe('0');
  view.pods.store.set(aPod('a'));
  view.pods.store.set(aPod('b'));
  expect(await missing()).toBe('0');
  view.namespaces.store.set(aNamespace(true, '1'));
  expect(await missing()).toBe('2');
  view.pods.store.set(aPod('a', { 'weft.dev/inject': 'disabled' }, '2'));
  expect(await missing()).toBe('1');
  view.pods.store.delete('shop/b');
  expect(await missing()).toBe('0');
  view.pods.store.set(aPod('a', {}, '3'));
  view.namespaces.store.set(aNamespace(false, '2'));
  expect(await missing()).toBe('0');
});
