import { names } from '../../base/index.js';
import { readAnnotations, type PodChoices } from './annotations.js';
import { applicationContainers, type Container, type Pod } from './pod.js';
import { hasPodCertificate } from './pod-certificate.js';
import {
  PROBES_VARIABLE,
  captureValue,
  isCapturedByNode,
  renderInit,
  renderProxy,
  type RenderedContainer,
} from './render.js';
import type { InjectionSettings, Namespace } from './settings.js';
import { VOLUMES, meshVolumes, type VolumeChoices } from './volumes.js';

/** What of our containers says what runs, as whom, and whom it obeys; others may add to the rest. */
const FIELDS = ['image', 'command', 'args', 'securityContext'] as const;

/**
 * What is not as this webhook makes it in a pod that says it has its proxy: undefined where all is. A pod that claims to be
 * injected is believed by nothing else, so that nobody passes as meshed with a proxy of his own.
 */
export function forgery(
  pod: Pod,
  namespace: Namespace | undefined,
  settings: InjectionSettings,
): string | undefined {
  // As it was given in the round before: what may be given may have changed since.
  const podCertificate = hasPodCertificate(pod);
  const choices = {
    ...readAnnotations(pod, namespace?.annotations ?? {}, settings.resources),
    podCertificate,
  };
  const init = named(pod.spec.initContainers, names.INIT_CONTAINER);
  const proxy =
    named(pod.spec.initContainers, names.PROXY_CONTAINER) ??
    named(pod.spec.containers, names.PROXY_CONTAINER);
  return (
    difference(init, renderInit(pod, settings, choices)) ??
    difference(proxy, renderProxy(pod, settings, choices, {})) ??
    foreignVolume(pod, { revision: settings.revision, podCertificate }) ??
    foreignMount(pod) ??
    foreignCapture(pod, settings, choices)
  );
}

/** A pod that tells the plugin of the node something else than its first container looks for, or tells it something at all. */
function foreignCapture(pod: Pod, settings: InjectionSettings, choices: PodChoices): string | undefined {
  const wanted = isCapturedByNode(pod, settings) ? captureValue(choices) : undefined;
  return pod.metadata.annotations?.[names.Annotation.capture] === wanted
    ? undefined
    : `the annotation ${names.Annotation.capture} is not what Weft writes`;
}

/** A container of the application that mounts what only the proxy may read: its token, or its key. */
export function foreignMount(pod: Pod): string | undefined {
  for (const { container } of applicationContainers(pod)) {
    const mount = container.volumeMounts?.find(({ name }) => OURS.has(name));
    if (mount !== undefined)
      return `container ${container.name} mounts the volume ${mount.name}, which only the proxy may use; remove the mount`;
  }
  return undefined;
}

const OURS: ReadonlySet<string> = new Set(Object.values(VOLUMES));

function named(containers: readonly Container[] | undefined, name: string): Container | undefined {
  return containers?.find((container) => container.name === name);
}

function difference(found: Container | undefined, wanted: RenderedContainer): string | undefined {
  if (found === undefined) return `container ${wanted.name} is missing`;
  const field = FIELDS.find((name) => !includes(found[name], wanted[name]));
  if (field !== undefined) return `${field} of container ${wanted.name} is not what Weft writes`;
  const variable = variablesOf(wanted).find(
    ({ name, ...rest }) =>
      name !== PROBES_VARIABLE && !isSource(found.env?.filter((one) => one.name === name).at(-1), rest),
  );
  return variable === undefined
    ? undefined
    : `the variable ${variable.name} of container ${wanted.name} is not what Weft writes`;
}

function variablesOf({ env }: RenderedContainer): readonly { readonly name: string }[] {
  return Array.isArray(env) ? (env as readonly { readonly name: string }[]) : [];
}

function foreignVolume(pod: Pod, choices: VolumeChoices): string | undefined {
  const other = meshVolumes(choices).find(
    (wanted) =>
      !includes(
        pod.spec.volumes?.find(({ name }) => name === wanted.name),
        wanted,
      ),
  );
  return other === undefined ? undefined : `the volume ${other.name} is not what Weft writes`;
}

/** Whether a variable gets its value from where it should, and from nowhere else. */
function isSource(found: object | undefined, wanted: object): boolean {
  return found !== undefined && includes(found, wanted) && ('valueFrom' in wanted || !('valueFrom' in found));
}

/**
 * Whether everything that is wanted is there; the API server may have added defaults beside it, and leaves out what is empty:
 * in the second round of an admission a variable without a value has no field `value`.
 */
function includes(found: unknown, wanted: unknown): boolean {
  if (isEmpty(wanted)) return found === undefined || isEmpty(found);
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(found) &&
      found.length === wanted.length &&
      wanted.every((item, index) => includes(found[index], item))
    );
  }
  if (typeof wanted !== 'object' || wanted === null) return found === wanted;
  return (
    typeof found === 'object' &&
    found !== null &&
    Object.entries(wanted).every(([name, value]) => includes((found as Record<string, unknown>)[name], value))
  );
}

function isEmpty(value: unknown): boolean {
  return value === '' || (Array.isArray(value) && value.length === 0);
}
