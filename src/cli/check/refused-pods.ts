import { plural } from '../page.js';
import { ok, type CheckOptions, type Found } from './found.js';
import { joinedNamespaces } from './joined-namespaces.js';
import { lackingPods, type Lacking } from './lacking.js';

/** Whether pods of meshed namespaces can be created: what had its pods refused tries again ever more rarely. */
export async function checkRefusedPods(options: CheckOptions): Promise<readonly Found[]> {
  const joined = await joinedNamespaces(options);
  const found = await Promise.all(joined.map(({ metadata }) => lackingPods(options.client, metadata.name)));
  const refused = found.flat().map(finding);
  return refused.length > 0
    ? refused
    : [ok('nothing in a meshed namespace lacks pods because they are refused')];
}

/** Kinds that `kubectl rollout restart` takes. A restart makes what tries again forget its pauses. */
const RESTARTABLE = ['Deployment', 'StatefulSet', 'DaemonSet'];

function finding({ kind, namespace, name, pods, message }: Lacking): Found {
  const command = `kubectl rollout restart ${kind.toLowerCase()}/${name} --namespace ${namespace}`;
  const canRestart = RESTARTABLE.includes(kind);
  return {
    kind: 'failed',
    code: 'WEFT915',
    detail: `${kind} ${namespace}/${name} lacks ${plural(pods, 'pod')}: ${message}`,
    fix: remedyFor(message, canRestart),
    commands: canRestart ? [command] : [],
  };
}

function remedyFor(message: string, canRestart: boolean): string {
  const isOurs = /failed calling webhook .*inject\.weft\.dev/.test(message);
  if (!canRestart) {
    return isOurs
      ? 'the control plane did not answer when the pods were created; once it is ready the next try succeeds, which may be minutes away: recreate it if you cannot wait'
      : 'remove the cause that the message names; the next try may be minutes away';
  }
  return isOurs
    ? 'the control plane did not answer when the pods were created; once it is ready, a restart does not wait for the next try, which may be minutes away'
    : 'remove the cause that the message names, then restart: the next try by itself may be minutes away';
}
