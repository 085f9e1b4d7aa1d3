import { MeshError, names } from '../../base/index.js';
import type { Operation } from '../review.js';
import { readAnnotations } from './annotations.js';
import * as patch from './patch.js';
import { placedContainers, type Pod } from './pod.js';
import { wantsPodCertificate } from './pod-certificate.js';
import {
  notedOriginals,
  probesToRewrite,
  probeTargets,
  type Originals,
  type ProbeRewrite,
} from './probes.js';
import {
  captureValue,
  isCapturedByNode,
  originalsValue,
  probesValue,
  renderInit,
  renderProxy,
} from './render.js';
import { decisionText } from './decide.js';
import type { InjectionSettings, Namespace } from './settings.js';
import { foreignMount } from './verify.js';
import { meshVolumes } from './volumes.js';

/** Gives a pod its proxy. Throws `invalid` where an annotation of the pod cannot be meant. */
export function injectProxy(
  pod: Pod,
  namespace: Namespace | undefined,
  settings: InjectionSettings,
): readonly Operation[] {
  const mounted = foreignMount(pod);
  if (mounted !== undefined) throw new MeshError('invalid', mounted);
  const podCertificate = wantsPodCertificate(pod, namespace, settings);
  const choices = {
    ...readAnnotations(pod, namespace?.annotations ?? {}, settings.resources),
    podCertificate,
  };
  const captured = isCapturedByNode(pod, settings);
  const rewrites = probesToRewrite(pod);
  const originals = originalsOf(rewrites);
  const init = renderInit(pod, settings, choices);
  const proxy = renderProxy(pod, settings, choices, probeTargets(pod, originals, rewrites));
  const add = settings.nativeSidecar ? patch.addNative : patch.addOrdinary;
  const noted = rewrites.length === 0 ? {} : { [names.Annotation.originalProbes]: originalsValue(originals) };
  return [
    ...patch.setEntries(pod, 'labels', { [names.Label.rev]: settings.revision }),
    ...patch.setEntries(pod, 'annotations', {
      [names.Annotation.injection]: decisionText([]),
      ...noted,
      ...(captured ? { [names.Annotation.capture]: captureValue(choices) } : {}),
      ...(settings.scrapeAnnotations ? scrapeAnnotations(pod) : {}),
      ...(settings.nativeSidecar ? {} : defaultContainer(pod)),
    }),
    ...(captured ? [] : patch.removeAnnotation(pod, names.Annotation.capture)),
    ...patch.replaceProbes(rewrites),
    ...add(pod, init, proxy),
    ...patch.addVolumes(pod, meshVolumes({ revision: settings.revision, podCertificate })),
  ];
}

/** A later round of the same admission: probes that another webhook has brought since are rewritten, nothing else. */
export function refreshProbes(pod: Pod): readonly Operation[] {
  const rewrites = probesToRewrite(pod);
  if (rewrites.length === 0) return [];
  const originals = { ...notedOriginals(pod), ...originalsOf(rewrites) };
  const value = probesValue(probeTargets(pod, originals, rewrites));
  const proxies = placedContainers(pod).filter(({ container }) => container.name === names.PROXY_CONTAINER);
  return [
    ...patch.setEntries(pod, 'annotations', { [names.Annotation.originalProbes]: originalsValue(originals) }),
    ...patch.replaceProbes(rewrites),
    ...proxies.flatMap(({ container, path }) => patch.replaceProbeTargets(container, path, value)),
  ];
}

function originalsOf(rewrites: readonly ProbeRewrite[]): Originals {
  return Object.fromEntries(rewrites.map(({ key, original }) => [key, original]));
}

/** Where the proxy is the first of the containers, kubectl would show that one to whoever names none. */
function defaultContainer(pod: Pod): Readonly<Record<string, string>> {
  const first = pod.spec.containers[0]?.name;
  if (first === undefined || pod.metadata.annotations?.[DEFAULT_CONTAINER] !== undefined) return {};
  return { [DEFAULT_CONTAINER]: first };
}

/** A pod has one set of them. What somebody said about the application stays. */
function scrapeAnnotations(pod: Pod): Readonly<Record<string, string>> {
  const said = Object.keys(pod.metadata.annotations ?? {}).some((name) => name.startsWith(SCRAPE));
  if (said) return {};
  return {
    [`${SCRAPE}scrape`]: 'true',
    [`${SCRAPE}port`]: String(names.ProxyPort.metrics),
    [`${SCRAPE}path`]: '/metrics',
  };
}

const SCRAPE = 'prometheus.io/';
const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';
