import { names } from '../../base/index.js';
import { ISSUER_SECRET, ownWebhooks, webhookDeviations } from '../../controller/index.js';
import { Resources, getObject } from '../../kube/index.js';
import type { ControlPlane } from '../control-planes.js';
import { plural } from '../page.js';
import { ownControlPlane } from './control-plane.js';
import { ok, type CheckOptions, type Found } from './found.js';
import { installControlPlane, leadersLog, reinstallControlPlane } from './remedies.js';

const INSTALL_AGAIN = 'install the chart weft again, with the values it had';

/** Whether the API server asks us about pods, and trusts us when it does. */
export async function checkWebhook(options: CheckOptions): Promise<readonly Found[]> {
  const { client, revision, systemNamespace } = options;
  const name = names.revisionName(revision);
  const label = `MutatingWebhookConfiguration ${name}`;
  const configuration = await getObject(client, Resources.webhookConfiguration, { name });
  if (configuration === undefined) {
    const own = await ownControlPlane(options);
    return [
      {
        kind: 'failed',
        code: 'WEFT909',
        detail: `${label} does not exist, so no pod gets a proxy`,
        fix: INSTALL_AGAIN,
        commands: [installAgain(own, options)],
      },
    ];
  }
  const deviations = webhookDeviations(configuration, { revision, systemNamespace });
  const changed: readonly Found[] =
    deviations.length === 0 ? [] : [await changedFound(options, `${label}: ${deviations.join('; ')}`)];
  const issuer = await getObject(client, Resources.secret, {
    namespace: systemNamespace,
    name: ISSUER_SECRET,
  });
  if (issuer === undefined) return changed;
  const roots = Buffer.from(issuer.data['ca.crt'] ?? '').toString('base64');
  const off = ownWebhooks(configuration, revision).filter(({ caBundle }) => caBundle !== roots);
  if (off.length === 0) return changed.length > 0 ? changed : [ok(`${label} trusts our issuer`)];
  return [
    ...changed,
    {
      kind: 'failed',
      code: 'WEFT909',
      detail: `${label}: caBundle does not hold our roots in ${plural(off.length, 'entry', 'entries')}`,
      fix: 'the leader sets it within seconds; if it does not, see its log',
      commands: [leadersLog(systemNamespace, revision)],
    },
  ];
}

/**
 * Somebody changed what the chart wrote: pods come without a proxy, or are asked about that should not be. Helm leaves
 * in place what others added to an object, so that it has to go first.
 */
async function changedFound(options: CheckOptions, detail: string): Promise<Found> {
  const own = await ownControlPlane(options);
  return {
    kind: 'failed',
    code: 'WEFT909',
    detail,
    fix:
      'delete it, then install the chart weft again, with the values it had; Helm alone leaves what others added; pods that are ' +
      'created in between have no proxy: this check names them, restart their workloads',
    commands: [
      `kubectl delete mutatingwebhookconfiguration ${names.revisionName(options.revision)}`,
      installAgain(own, options),
    ],
  };
}

function installAgain(
  own: ControlPlane | undefined,
  { systemNamespace, revision }: Pick<CheckOptions, 'systemNamespace' | 'revision'>,
): string {
  return own === undefined ? installControlPlane(systemNamespace, revision) : reinstallControlPlane(own);
}
