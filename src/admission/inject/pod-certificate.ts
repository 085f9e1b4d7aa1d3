import { MeshError, names } from '../../base/index.js';
import type { Pod } from './pod.js';
import type { InjectionSettings, Namespace } from './settings.js';
import { VOLUMES } from './volumes.js';

const ANNOTATION = names.Annotation.podCertificates;

/**
 * Whether a pod is given a pod certificate: as it says itself, else its namespace, else the settings. Throws `invalid` where one is
 * wanted that this cluster cannot give, because a pod that goes another way than it was told to is found out too late.
 */
export function wantsPodCertificate(
  pod: Pod,
  namespace: Namespace | undefined,
  { podCertificates: { choice, obstacle } }: InjectionSettings,
): boolean {
  const own = switched(pod.metadata.annotations?.[ANNOTATION]);
  if (own === 'unclear')
    throw new MeshError(
      'invalid',
      `annotation ${ANNOTATION}: ${JSON.stringify(pod.metadata.annotations?.[ANNOTATION])} is neither "enabled" nor "disabled"`,
    );
  const said = own ?? ofNamespace(namespace);
  if (said === undefined && choice === 'Auto') return obstacle === undefined;
  const wanted = said ?? choice === 'On';
  if (!wanted || obstacle === undefined) return wanted;
  throw new MeshError(
    'invalid',
    `it is to have a pod certificate, but ${obstacle}; or annotate the pod with ${ANNOTATION}: disabled, and its proxy asks for a certificate itself`,
  );
}

/** What is wrong with the namespace's annotation, which counts for nothing then. */
export function podCertificateProblems(namespace: Namespace | undefined): readonly string[] {
  const value = namespace?.annotations?.[ANNOTATION];
  return switched(value) === 'unclear'
    ? [
        `the namespace's annotation ${ANNOTATION}: ${JSON.stringify(value)} is neither "enabled" nor "disabled"`,
      ]
    : [];
}

/** Whether a pod was given one, which both its volume and what its proxy is told show. */
export function hasPodCertificate({ spec }: Pod): boolean {
  const proxy = [...(spec.initContainers ?? []), ...spec.containers].find(
    ({ name }) => name === names.PROXY_CONTAINER,
  );
  const isTold = proxy?.env?.some(({ name }) => name === names.POD_CERTIFICATE_VARIABLE) === true;
  return isTold || spec.volumes?.some(({ name }) => name === VOLUMES.identity) === true;
}

function ofNamespace(namespace: Namespace | undefined): boolean | undefined {
  const said = switched(namespace?.annotations?.[ANNOTATION]);
  return said === 'unclear' ? undefined : said;
}

function switched(value: string | undefined): boolean | 'unclear' | undefined {
  if (value === undefined) return undefined;
  return { enabled: true, disabled: false }[value] ?? 'unclear';
}
