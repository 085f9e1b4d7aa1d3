import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Metrics, createLogger, names, systemClock, watched } from '../base/index.js';
import {
  Authority,
  controlPlaneName,
  keepOwnCertificate,
  podDirectory,
  startIdentityServer,
  type IssuerMaterial,
} from '../identity/index.js';
import type { Mesh } from '../model/index.js';
import { ProxyPort } from '../proxies/index.js';
import { ConfigService } from '../xds/index.js';
import { builtFront } from './built-front.js';
import { testCa, type TestCa } from './test-ca.js';

export interface TestControlPlane {
  readonly csrPort: number;
  readonly configPort: number;
  readonly config: ConfigService;
  readonly metrics: Metrics;
  /** What signs the certificates of its mesh. */
  readonly ca: TestCa;
}

/** Token that the control plane below accepts for the pod with this uid. */
export function testToken(uid: string): string {
  return Buffer.from(uid).toString('base64url');
}

/**
 * Identity authority and config server over a mesh in memory, for a real proxy to talk to. Everything but the API
 * server's opinion on tokens is real, the front too: `WEFT_PROXY` names it. Writes `bundle.pem` into `dir`.
 */
export async function startTestControlPlane(
  mesh: Mesh,
  dir: string,
  signal: AbortSignal,
): Promise<TestControlPlane> {
  const { trustDomain } = mesh.settings;
  const ca = await testCa(trustDomain);
  const log = createLogger({ level: 'silent' });
  const metrics = new Metrics();
  const issuer = watched<IssuerMaterial | undefined>(ca.issuer);
  const name = controlPlaneName(trustDomain, names.SYSTEM_NAMESPACE);
  const identity = await keepOwnCertificate({ issuer, name, log }, signal);
  const podCheck = { pods: podDirectory(mesh), checkPeerAddress: true };
  const reviewToken = (token: string) =>
    Promise.resolve(review(mesh, Buffer.from(token, 'base64url').toString()));
  const authority = new Authority({
    trustDomain,
    systemNamespace: names.SYSTEM_NAMESPACE,
    issuer,
    reviewToken,
    podCheck,
    clock: systemClock,
  });
  const csr = await startIdentityServer(
    { port: 0, identity, authority, sharedAddresses: false, log, metrics },
    signal,
  );
  const config = new ConfigService({ mesh, log, metrics }, signal);
  const failed = (thrown: unknown): void => {
    throw thrown;
  };
  const proxies = { port: 0, identity, trustDomain, podCheck, log, metrics, front: builtFront(), failed };
  const { port: configPort } = await new ProxyPort(proxies).serve(config).listen(signal);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'bundle.pem'), ca.roots);
  return { csrPort: csr.port, configPort, config, metrics, ca };
}

function review(mesh: Mesh, uid: string): object {
  const workload = mesh.workloads.get(uid);
  if (workload === undefined) return { authenticated: false, error: 'invalid bearer token' };
  const extra = {
    'authentication.kubernetes.io/pod-name': [workload.key.name],
    'authentication.kubernetes.io/pod-uid': [uid],
  };
  const username = `system:serviceaccount:${workload.key.namespace}:${workload.serviceAccount}`;
  return { authenticated: true, audiences: ['weft'], user: { username, extra } };
}
