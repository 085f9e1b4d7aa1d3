import { MeshError, names } from '../../base/index.js';
import { RELEASE } from '../check/remedies.js';
import type { ControlPlane } from '../control-planes.js';
import type { Helm } from './helm.js';

/** What of an installation the options name. */
export interface Place {
  readonly revision: string;
  readonly systemNamespace: string;
}

/** Values as Helm takes them. */
export interface Values {
  readonly set: readonly string[];
  /** Files. */
  readonly values: readonly string[];
}

export const CRDS_RELEASE = 'weft-crds';

/** The Helm release of a revision, as an installation calls it. */
export function releaseOf({ revision }: Place, installed?: ControlPlane): string {
  return installed?.metadata.annotations[RELEASE] ?? (revision === 'default' ? 'weft' : `weft-${revision}`);
}

/** Whether Helm knows a release: one that failed, or whose end was cut short, as well. */
export async function hasRelease(helm: Helm, release: string, { systemNamespace }: Place): Promise<boolean> {
  try {
    await helm(['status', release, '--namespace', systemNamespace]);
    return true;
  } catch (thrown) {
    const error = MeshError.from(thrown);
    if (/release: not found/.test(error.message)) return false;
    throw error;
  }
}

/** Options of Helm for the values; those of a second revision share the service account of the first. */
export function valueOptions({ revision }: Place, { set, values }: Values): readonly string[] {
  const own = revision === 'default' ? [] : [`revision=${revision}`, 'serviceAccount.create=false'];
  return [
    ...values.flatMap((file) => ['--values', file]),
    ...[...own, ...set].flatMap((value) => ['--set', value]),
  ];
}

/** Installs the definitions of kinds, or brings them to this version. */
export async function applyCrds(helm: Helm, folder: string, { systemNamespace }: Place): Promise<void> {
  await helm([
    'upgrade',
    '--install',
    CRDS_RELEASE,
    `${folder}/weft-crds`,
    '--namespace',
    systemNamespace,
    '--create-namespace',
  ]);
}

/** As `deploy/render.sh` renders them; the cluster is not asked. */
const RENDERED = [
  '--kube-version',
  '1.34.0',
  '--api-versions',
  'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy',
  '--no-hooks',
  '--skip-tests',
];

/** What both charts make, as YAML. */
export async function render(helm: Helm, folder: string, place: Place & Values): Promise<string> {
  const template = (release: string, chart: string, more: readonly string[]): Promise<string> =>
    helm([
      'template',
      release,
      `${folder}/${chart}`,
      '--namespace',
      place.systemNamespace,
      ...RENDERED,
      ...more,
    ]);
  const crds = await template(CRDS_RELEASE, 'weft-crds', []);
  return crds + (await template(releaseOf(place), 'weft', valueOptions(place, place)));
}

/** The Deployment of a revision. */
export function deploymentName({ revision, systemNamespace }: Place): string {
  return `Deployment ${systemNamespace}/${names.revisionName(revision)}`;
}
