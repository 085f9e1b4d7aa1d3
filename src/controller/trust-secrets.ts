import { MeshError, pause, systemClock, type Clock, type Logger, type Watched } from '../base/index.js';
import {
  createIssuer,
  createRoot,
  mergeBundle,
  nextTrustStep,
  withoutRoot,
  type CaMaterial,
  type IssuerFacts,
  type IssuerMaterial,
  type TrustStep,
} from '../identity/index.js';
import {
  Resources,
  applyObject,
  createObject,
  getObject,
  type KubeClient,
  type Secret,
} from '../kube/index.js';
import type { Rotation } from './rotation/index.js';

/** Root certificate and key; only the leader reads it, to sign the next issuer. */
export const ROOT_SECRET = 'weft-root';
/** What the authority signs with, and `ca.crt` with all trusted roots. */
export const ISSUER_SECRET = 'weft-issuer';

/** When a root was added to `ca.crt` of the issuer's Secret without anything being issued under it, in RFC 3339. */
const ANNOUNCED_AT = 'weft.dev/root-announced-at';

export interface TrustSecretsOptions {
  readonly client: KubeClient;
  readonly systemNamespace: string;
  readonly trustDomain: string;
  readonly log: Logger;
  /** What this replica signs with: its roots stay trusted where the Secrets are gone. */
  readonly issuer: Watched<IssuerMaterial | undefined>;
  /** What somebody asks for, and how far a new root has come; absent: nothing, and time tells. */
  readonly rotation?: Rotation;
  readonly clock?: Clock;
  /** How often to look again. Default one minute... */
  readonly everyMs?: number;
  /** ...and, while a rotation is under way or something failed, two seconds. */
  readonly urgentMs?: number | undefined;
  /** Has the next look happen now. */
  readonly wake?: (listener: () => void, signal: AbortSignal) => void;
}

/** Makes root and issuer where there are none and renews the issuer in time, until the signal aborts. */
export async function keepTrustSecrets(options: TrustSecretsOptions, signal: AbortSignal): Promise<void> {
  const { everyMs = 60_000, urgentMs = 2_000, rotation } = options;
  let awake = new AbortController();
  options.wake?.(() => awake.abort(), signal);
  while (!signal.aborted) {
    awake = new AbortController();
    let isUrgent = false;
    try {
      await ensureTrustSecrets(options, signal);
    } catch (thrown) {
      options.log.error({ err: MeshError.from(thrown) }, 'could not maintain root and issuer');
      isUrgent = true;
    }
    isUrgent ||= rotation?.isUnderWay === true;
    const waitMs = isUrgent ? Math.min(everyMs, urgentMs) : everyMs;
    // What woke us may be followed by more at once.
    if (!(await pause(waitMs, AbortSignal.any([signal, awake.signal]))))
      await pause(Math.min(100, urgentMs), signal);
  }
}

/** Takes steps until there is nothing to do. Exported for tests. */
export async function ensureTrustSecrets(options: TrustSecretsOptions, signal: AbortSignal): Promise<void> {
  for (let steps = 0; steps < 6; steps++) if (!(await takeStep(options, signal))) return;
}

/** Whether there may be another one to take. */
async function takeStep(options: TrustSecretsOptions, signal: AbortSignal): Promise<boolean> {
  const { rotation, clock = systemClock } = options;
  const root = await readSecret(options, ROOT_SECRET, signal);
  const issuer = await readSecret(options, ISSUER_SECRET, signal);
  const wish = await rotation?.wish({ root, issuer }, signal);
  // Whoever brings an issuer and keeps the root elsewhere also renews the issuer.
  if (root === undefined && issuer !== undefined && wish?.replaceRoot !== true) return false;
  const reach = await rotation?.reach({ root, issuer }, signal);
  const step = nextTrustStep(certificateOf(root), factsOf(issuer), clock.now(), { wish, reach });
  if (step.kind === 'none' || step.kind === 'foreign') return rest(step, { root, issuer }, options, signal);
  await make(step, { root, issuer }, options, signal);
  return true;
}

interface Secrets {
  readonly root: Secret | undefined;
  readonly issuer: Secret | undefined;
}

async function make(
  { kind, why }: Exclude<TrustStep, { kind: 'none' | 'foreign' }>,
  { root, issuer }: Secrets,
  options: TrustSecretsOptions,
  signal: AbortSignal,
): Promise<void> {
  options.log.info({ step: kind, why }, 'updating root and issuer');
  if (kind === 'create-root') await writeRoot(options, root, signal);
  else if (kind === 'create-issuer') await writeIssuer(options, materialOf(root), issuer, signal);
  else await announceRoot(options, materialOf(root), issuer, signal);
}

/** Nothing is to be made; a rotation may have come to its next state. */
async function rest(
  step: Extract<TrustStep, { kind: 'none' | 'foreign' }>,
  secrets: Secrets,
  options: TrustSecretsOptions,
  signal: AbortSignal,
): Promise<boolean> {
  if (step.kind === 'foreign' && step.problem !== undefined) options.log.warn(step.problem);
  const former = await options.rotation?.settle(secrets, signal);
  if (former !== undefined) await dropRoot(options, former, secrets.issuer, signal);
  return former !== undefined;
}

async function writeRoot(
  options: TrustSecretsOptions,
  before: Secret | undefined,
  signal: AbortSignal,
): Promise<void> {
  const made = await createRoot(options.trustDomain, (options.clock ?? systemClock).now());
  const data = { 'tls.crt': made.certificate, 'tls.key': made.privateKey };
  await writeSecret(options, { name: ROOT_SECRET, data, before }, signal);
}

/** Roots that an issuer of before was trusted by stay trusted until they end. */
async function writeIssuer(
  options: TrustSecretsOptions,
  root: CaMaterial,
  before: Secret | undefined,
  signal: AbortSignal,
): Promise<void> {
  const now = (options.clock ?? systemClock).now();
  const made = await createIssuer(root, options.trustDomain, now);
  const data = {
    'tls.crt': made.certificate,
    'tls.key': made.privateKey,
    'ca.crt': bundleWith(root, before, options, now),
  };
  await writeSecret(options, { name: ISSUER_SECRET, data, before }, signal);
}

/** The issuer stays as it is, and the new root is trusted beside the others. */
async function announceRoot(
  options: TrustSecretsOptions,
  root: CaMaterial,
  before: Secret | undefined,
  signal: AbortSignal,
): Promise<void> {
  const now = (options.clock ?? systemClock).now();
  const data = { ...before?.data, 'ca.crt': bundleWith(root, before, options, now) };
  const annotations = { [ANNOUNCED_AT]: new Date(now).toISOString() };
  await writeSecret(options, { name: ISSUER_SECRET, data, before, annotations }, signal);
}

/** From now on nothing under the former root is trusted. */
async function dropRoot(
  options: TrustSecretsOptions,
  former: string,
  before: Secret | undefined,
  signal: AbortSignal,
): Promise<void> {
  options.log.info({ root: former }, 'the former root is trusted no longer');
  const data = { ...before?.data, 'ca.crt': withoutRoot(before?.data['ca.crt'] ?? '', former) };
  await writeSecret(options, { name: ISSUER_SECRET, data, before }, signal);
}

function bundleWith(
  root: CaMaterial,
  before: Secret | undefined,
  { issuer }: TrustSecretsOptions,
  now: number,
): string {
  return mergeBundle([root.certificate, before?.data['ca.crt'] ?? issuer.current?.roots ?? ''], now);
}

interface Write {
  readonly name: string;
  readonly data: Readonly<Record<string, string>>;
  readonly before: Secret | undefined;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Whoever comes second, of two that believe to lead, fails here and reads what the first has written. */
async function writeSecret(options: TrustSecretsOptions, write: Write, signal: AbortSignal): Promise<void> {
  const { client, systemNamespace } = options;
  const metadata = {
    name: write.name,
    namespace: systemNamespace,
    labels: { 'app.kubernetes.io/managed-by': 'weft' },
    ...(write.annotations === undefined ? {} : { annotations: write.annotations }),
  };
  const encoded = Object.entries(write.data).map(([key, value]) => [
    key,
    Buffer.from(value).toString('base64'),
  ]);
  const manifest = { metadata, type: 'Opaque', data: Object.fromEntries(encoded) as Record<string, string> };
  if (write.before === undefined) {
    await createObject(client, Resources.secret, manifest, signal).catch((thrown: unknown) => {
      if (MeshError.from(thrown).code !== 'already-exists') throw thrown;
    });
    return;
  }
  const { resourceVersion } = write.before.metadata;
  const guarded = { ...manifest, metadata: { ...metadata, resourceVersion } };
  await applyObject(client, Resources.secret, guarded, { signal });
}

async function readSecret(
  options: TrustSecretsOptions,
  name: string,
  signal: AbortSignal,
): Promise<Secret | undefined> {
  return getObject(options.client, Resources.secret, { namespace: options.systemNamespace, name }, signal);
}

function certificateOf(secret: Secret | undefined): string | undefined {
  return secret === undefined ? undefined : materialOf(secret).certificate;
}

function factsOf(secret: Secret | undefined): IssuerFacts | undefined {
  if (secret === undefined) return undefined;
  const announced = Date.parse(secret.metadata.annotations[ANNOUNCED_AT] ?? '');
  return {
    certificate: materialOf(secret).certificate,
    roots: secret.data['ca.crt'] ?? '',
    announcedAt: Number.isNaN(announced) ? undefined : announced,
  };
}

function materialOf(secret: Secret | undefined): CaMaterial {
  const certificate = secret?.data['tls.crt'];
  const privateKey = secret?.data['tls.key'];
  if (certificate === undefined || privateKey === undefined) {
    const name = secret === undefined ? ROOT_SECRET : secret.metadata.name;
    throw new MeshError(
      'precondition',
      `Secret ${name}: tls.crt or tls.key is missing; delete the Secret, and a new one is created`,
    );
  }
  return { certificate, privateKey };
}
