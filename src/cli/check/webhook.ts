import { names } from '../../base/index.js';
import { ISSUER_SECRET } from '../../controller/index.js';
import { Resources, getObject } from '../../kube/index.js';
import { plural } from '../page.js';
import { ownControlPlane } from './control-plane.js';
import { ok, type CheckOptions, type Found } from './found.js';
import { installControlPlane, leadersLog, reinstallControlPlane } from './remedies.js';

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
        fix: 'install the chart weft again, with the values it had',
        commands: [
          own === undefined ? installControlPlane(systemNamespace, revision) : reinstallControlPlane(own),
        ],
      },
    ];
  }
  const issuer = await getObject(client, Resources.secret, {
    namespace: systemNamespace,
    name: ISSUER_SECRET,
  });
  if (issuer === undefined) return [];
  const roots = Buffer.from(issuer.data['ca.crt'] ?? '').toString('base64');
  const off = configuration.webhooks.filter((webhook) => webhook.caBundle !== roots);
  if (off.length === 0) return [ok(`${label} trusts our issuer`)];
  return [
    {
      kind: 'failed',
      code: 'WEFT909',
      detail: `${label}: caBundle does not hold our roots in ${plural(off.length, 'entry', 'entries')}`,
      fix: 'the leader sets it within seconds; if it does not, see its log',
      commands: [leadersLog(systemNamespace, revision)],
    },
  ];
}
