import { MeshError } from '../../base/index.js';
import { ISSUER_SECRET, ROOT_SECRET } from '../../controller/index.js';
import { parseIssuer } from '../../identity/index.js';
import { Resources, getObject, type Secret } from '../../kube/index.js';
import { ok, type CheckOptions, type Found } from './found.js';
import { leadersLog } from './remedies.js';

const DAY_MS = 24 * 3_600_000;
/** An issuer of ours lives a year and is renewed at 60 % of it: one so near its end has been forgotten. Others are for somebody to renew. */
const SOON_MS = 60 * DAY_MS;

/** Whether there is an issuer that can sign, and a root to renew it. */
export async function checkTrust(options: CheckOptions): Promise<readonly Found[]> {
  const at = (name: string): { namespace: string; name: string } => ({
    namespace: options.systemNamespace,
    name,
  });
  const [issuer, root] = await Promise.all([
    getObject(options.client, Resources.secret, at(ISSUER_SECRET)),
    getObject(options.client, Resources.secret, at(ROOT_SECRET)),
  ]);
  if (issuer === undefined) {
    return [
      {
        kind: 'failed',
        code: 'WEFT906',
        detail: `Secret ${options.systemNamespace}/${ISSUER_SECRET} does not exist, so no certificate can be issued`,
        fix: 'the replica that leads makes one within a minute; if it does not, see its log',
        commands: [leadersLog(options.systemNamespace, options.revision)],
      },
    ];
  }
  return [await judgeIssuer(issuer, root, options)];
}

async function judgeIssuer(issuer: Secret, root: Secret | undefined, options: CheckOptions): Promise<Found> {
  const label = `Secret ${options.systemNamespace}/${ISSUER_SECRET}`;
  const { data } = issuer;
  try {
    const fields = {
      'tls.crt': data['tls.crt'] ?? '',
      'tls.key': data['tls.key'] ?? '',
      'ca.crt': data['ca.crt'] ?? '',
    };
    const { certificate } = await parseIssuer(fields, label);
    const leftMs = certificate.notAfter.getTime() - (options.now ?? new Date()).getTime();
    const isOurs = issuer.metadata.labels['app.kubernetes.io/managed-by'] === 'weft';
    if (leftMs < SOON_MS)
      return ending(label, certificate.notAfter, leftMs, isOurs ? leaderFix(options) : OWNER_FIX);
    if (root === undefined && isOurs) {
      return rootless(options);
    }
    return ok(`the issuer is valid until ${certificate.notAfter.toISOString().slice(0, 10)}`);
  } catch (thrown) {
    return unusable(MeshError.from(thrown).message, root !== undefined, options);
  }
}

type Remedy = Pick<Exclude<Found, { kind: 'ok' }>, 'fix' | 'commands'>;

function leaderFix({ systemNamespace, revision }: CheckOptions): Remedy {
  return {
    fix: 'see why in the log of the replica that leads',
    commands: [leadersLog(systemNamespace, revision)],
  };
}

const OWNER_FIX: Remedy = {
  fix: 'Weft does not renew it, because it did not make it: run weft identity offline again where its root is kept, or weft identity import with its successor',
};

function ending(label: string, end: Date, leftMs: number, remedy: Remedy): Found {
  const when = leftMs <= 0 ? 'ended' : 'ends';
  return {
    ...(leftMs <= 0
      ? ({ kind: 'failed', code: 'WEFT906' } as const)
      : ({ kind: 'caution', code: 'WEFT907' } as const)),
    detail: `${label}: the issuer ${when} at ${end.toISOString()}, and has not been renewed`,
    ...remedy,
  };
}

/** We made this issuer, so we made a root too, and without it the issuer cannot be renewed. */
function rootless({ systemNamespace }: CheckOptions): Found {
  return {
    kind: 'caution',
    code: 'WEFT908',
    detail: `Secret ${systemNamespace}/${ROOT_SECRET} does not exist, so the issuer cannot be renewed when its time comes`,
    fix: `restore it from a backup; if you keep the root elsewhere on purpose, remove the label app.kubernetes.io/managed-by from ${ISSUER_SECRET} and renew the issuer yourself`,
  };
}

function unusable(message: string, hasRoot: boolean, { systemNamespace }: CheckOptions): Found {
  const detail = `${message}; replicas that run go on with the issuer they have read, and new ones do not become ready`;
  if (!hasRoot) {
    const fix = `restore ${ISSUER_SECRET} and ${ROOT_SECRET} from a backup; deleting both makes a new root, which no running proxy trusts`;
    return { kind: 'failed', code: 'WEFT906', detail, fix };
  }
  return {
    kind: 'failed',
    code: 'WEFT906',
    detail,
    fix: `restore it from a backup, or delete it: the leader then makes a new issuer under ${ROOT_SECRET} within a minute`,
    commands: [`kubectl delete secret ${ISSUER_SECRET} --namespace ${systemNamespace}`],
  };
}
