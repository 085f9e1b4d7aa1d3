import { names } from '../../base/index.js';
import { findControlPlanes, revisionOf, type ControlPlane } from '../control-planes.js';
import { ok, type CheckOptions, type Found } from './found.js';
import { describeReplicas, installControlPlane } from './remedies.js';

/** Whether every replica runs what was installed last, and is ready. */
export async function checkControlPlane(options: CheckOptions): Promise<readonly Found[]> {
  const all = await findControlPlanes(options.client);
  const own = all.find((one) => isOurs(one, options));
  return [own === undefined ? absent(all, options) : judge(own)];
}

function isOurs(controlPlane: ControlPlane, { revision, systemNamespace }: CheckOptions): boolean {
  return revisionOf(controlPlane) === revision && controlPlane.metadata.namespace === systemNamespace;
}

/** The control plane that the options mean. */
export async function ownControlPlane(options: CheckOptions): Promise<ControlPlane | undefined> {
  return (await findControlPlanes(options.client)).find((one) => isOurs(one, options));
}

function absent(all: readonly ControlPlane[], { revision, systemNamespace }: CheckOptions): Found {
  const detail = `Deployment ${systemNamespace}/${names.revisionName(revision)} does not exist`;
  if (all.length === 0) {
    const commands = [installControlPlane(systemNamespace, revision)];
    return { kind: 'failed', code: 'WEFT904', detail, fix: 'install the chart weft', commands };
  }
  const commands = all.map(
    (one) => `weft check --system-namespace ${one.metadata.namespace} --revision ${revisionOf(one)}`,
  );
  const there = all.map((one) => `revision ${revisionOf(one)} in ${one.metadata.namespace}`).join(', ');
  return { kind: 'failed', code: 'WEFT904', detail, fix: `there is ${there}; check that one`, commands };
}

function judge(controlPlane: ControlPlane): Found {
  const { metadata, spec, status } = controlPlane;
  const label = `Deployment ${metadata.namespace}/${metadata.name}`;
  const { health } = names.ControlPlanePort;
  const problem = hung(controlPlane) ?? unready(controlPlane) ?? underWay(controlPlane);
  if (problem === undefined) return ok(`${label}: ${status.readyReplicas} of ${spec.replicas} ready`);
  return {
    kind: 'failed',
    code: 'WEFT905',
    detail: `${label}: ${problem}`,
    fix: `see why; GET /ready on port ${health} of a replica says what it waits for`,
    commands: [describeReplicas(metadata.namespace, revisionOf(controlPlane))],
  };
}

function unready({ spec, status }: ControlPlane): string | undefined {
  if (status.readyReplicas >= spec.replicas && status.readyReplicas > 0) return undefined;
  return `${status.readyReplicas} of ${spec.replicas} ready`;
}

function hung({ status }: ControlPlane): string | undefined {
  const progressing = status.conditions.find(({ type }) => type === 'Progressing');
  return progressing?.status === 'False' ? `its rollout is stuck: ${progressing.message}` : undefined;
}

/** Old replicas that are ready must not hide new ones that never will be. */
export function underWay({ metadata, spec, status }: ControlPlane): string | undefined {
  const whole =
    status.updatedReplicas >= spec.replicas &&
    status.replicas <= status.updatedReplicas &&
    status.observedGeneration >= metadata.generation;
  if (whole) return undefined;
  return `its rollout is not complete: ${status.updatedReplicas} of ${spec.replicas} replicas have the version that was installed last, ${status.readyReplicas} of ${status.replicas} are ready`;
}
