import { MeshError, cut, names, sleep, type Logger } from '../../base/index.js';
import { allowed, denied, patched, type AdmissionRequest, type Handler, type Outcome } from '../review.js';
import { claimsInjection, decisionText, isNotOurs, reasonsNotToInject, type Reason } from './decide.js';
import { injectProxy, refreshProbes } from './inject.js';
import { setEntries } from './patch.js';
import { parsePod, type Pod } from './pod.js';
import type { InjectionSettings, Namespace, NamespaceLookup } from './settings.js';
import { forgery } from './verify.js';
import { warningsAbout } from './warnings.js';

export interface InjectionOptions {
  readonly settings: () => InjectionSettings;
  readonly namespaceOf: NamespaceLookup;
  readonly log: Logger;
  /** Called with the code of each reason for which a pod stays without a proxy. */
  readonly skipped: (code: string) => void;
}

/** How long the informer gets to catch up with what the API server knows about a namespace. */
const SETTLE_MS = 500;
const SETTLE_STEP_MS = 25;

/** Decides about one pod. */
export function injectionHandler(options: InjectionOptions): Handler {
  return async (request, signal) => {
    if (request.resource.resource !== 'pods' || request.operation !== 'CREATE') return allowed();
    const pod = parsePod(request.object);
    const settings = options.settings();
    if (claimsInjection(pod)) {
      return deniedWhenInvalid(() => again(pod, options.namespaceOf(request.namespace), settings));
    }
    const reasons = await settledReasons(() => {
      return reasonsNotToInject(pod, options.namespaceOf(request.namespace), settings);
    }, signal);
    logDecision(options.log, request, reasons);
    if (reasons.length === 0) {
      const namespace = options.namespaceOf(request.namespace);
      return deniedWhenInvalid(() =>
        patched(injectProxy(pod, namespace, settings), warningsAbout(pod, namespace, settings)),
      );
    }
    for (const { code } of reasons) options.skipped(code);
    return skip(pod, reasons);
  };
}

/**
 * The webhook's selectors have seen the namespace's labels already when we are asked. Where the informer's store says
 * that the pod is not ours it may only be behind, and a pod that goes without its proxy stays so: hence a short wait.
 */
async function settledReasons(
  reasons: () => readonly Reason[],
  signal: AbortSignal,
): Promise<readonly Reason[]> {
  for (let waited = 0; waited < SETTLE_MS && isNotOurs(reasons()); waited += SETTLE_STEP_MS) {
    await sleep(SETTLE_STEP_MS, signal);
  }
  return reasons();
}

/** A later round of the same admission; or the first of a pod that pretends it were one. */
function again(pod: Pod, namespace: Namespace | undefined, settings: InjectionSettings): Outcome {
  const forged = forgery(pod, namespace, settings);
  if (forged === undefined) return patched(refreshProbes(pod));
  throw new MeshError(
    'invalid',
    `the pod claims to have its proxy already, but ${forged}; remove the annotation ${names.Annotation.injection} and the containers ${names.INIT_CONTAINER} and ${names.PROXY_CONTAINER}; Weft adds them`,
  );
}

/** A pod that is not ours gets no mark either. */
function skip(pod: Pod, reasons: readonly Reason[]): Outcome {
  if (isNotOurs(reasons)) return allowed();
  return patched(setEntries(pod, 'annotations', { [names.Annotation.injection]: decisionText(reasons) }));
}

/** What the pod's author wrote wrong is a refusal, not a failure of ours. */
function deniedWhenInvalid(decide: () => Outcome): Outcome {
  try {
    return decide();
  } catch (thrown) {
    const error = MeshError.from(thrown);
    if (error.code === 'invalid') return denied(`weft cannot give this pod its proxy: ${error.message}`);
    throw error;
  }
}

function logDecision(log: Logger, request: AdmissionRequest, reasons: readonly Reason[]): void {
  log.info(
    { uid: cut(request.uid), namespace: cut(request.namespace), decision: cut(decisionText(reasons)) },
    'pod reviewed',
  );
}
