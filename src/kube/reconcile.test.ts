import { afterEach, expect, test } from '@jest/globals';
import { createLogger, watched } from '../base/index.js';
import { untilPasses } from '../testing/index.js';
import { reconcile, storeSource, watchedSource, type Reconciler } from './reconcile.js';
import { keepConfigMap } from './keep.js';
import type { ConfigMap } from './objects.js';
import { Store, objectKey } from './store.js';

const log = createLogger({ level: 'silent' });
const stop = new AbortController();
afterEach(() => stop.abort());

function newStore(): Store<ConfigMap> {
  return new Store((thrown) => {
    throw thrown;
  });
}

function configMap(name: string, resourceVersion: string): ConfigMap {
  return keepConfigMap({ metadata: { name, resourceVersion } });
}

test('what is there at the start is worked on, then what each source names, until the signal aborts', async () => {
  const store = newStore();
  const bundle = watched('one');
  const seen: string[] = [];
  store.set(configMap('old', '1'));
  const reconciler: Reconciler = {
    name: 'test',
    log,
    initial: () => [...store.values()].map(objectKey),
    sources: [storeSource(store, ({ key }) => [key]), watchedSource(bundle, (value) => [value])],
    reconcile: (key) => Promise.resolve(void seen.push(key)),
  };
  const ended = reconcile(reconciler, stop.signal);
  await untilPasses(() => expect(seen).toEqual(['old']));
  store.set(configMap('new', '2'));
  bundle.set('two');
  await untilPasses(() => expect(seen).toEqual(['old', 'new', 'two']));
  stop.abort();
  await ended;
  store.set(configMap('late', '3'));
  bundle.set('three');
  await Promise.resolve();
  expect(seen).toEqual(['old', 'new', 'two']);
});

test('a crowd of changes within the time to gather costs one run', async () => {
  const store = newStore();
  const abort = new AbortController();
  let runs = 0;
  const reconciler: Reconciler = {
    name: 'test',
    log,
    gatherMs: 20,
    initial: () => [],
    sources: [storeSource(store, () => ['all'])],
    reconcile: () => Promise.resolve(void (runs += 1)),
  };
  const ended = reconcile(reconciler, abort.signal);
  for (let i = 0; i < 50; i++) store.set(configMap(`map-${i}`, String(i)));
  await untilPasses(() => expect(runs).toBe(1));
  abort.abort();
  await ended;
  expect(runs).toBe(1);
});
