import { Metrics, createLogger } from '../../src/base/index.js';
import { Collector, createClusterView, runClusterView, viewSettled } from '../../src/controller/index.js';
import { connectPlain } from '../../src/kube/index.js';
import { DEFAULT_SETTINGS } from '../../src/model/index.js';
import { type TestControlPlane, startTestControlPlane } from '../../src/testing/control-plane.js';

export type ControlPlane = TestControlPlane;

/**
 * Everything of the control plane that is between an object in the API server and a proxy: informers, collector, model,
 * config server, authority. Writes `bundle.pem` into `directory`.
 */
export async function startControlPlane(
  apiServer: string,
  directory: string,
  signal: AbortSignal,
): Promise<ControlPlane> {
  const log = createLogger({ level: 'silent' });
  const client = connectPlain(apiServer);
  const metrics = new Metrics();
  const view = createClusterView({
    client,
    systemNamespace: 'weft-system',
    revision: 'default',
    log,
    metrics,
  });
  const collector = new Collector({ view, installed: DEFAULT_SETTINGS, log });
  collector.attach();
  const restart = (reason: string): void => {
    throw new Error(reason);
  };
  void runClusterView(view, { client, log, restart }, signal);
  await viewSettled(view);
  const plane = await startTestControlPlane(collector.mesh, directory, signal);
  collector.onDirty((dirty) => plane.config.changed(dirty));
  signal.addEventListener('abort', () => client.close());
  return plane;
}
