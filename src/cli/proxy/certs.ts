import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { MeshError, certificateBlocks, names } from '../../base/index.js';
import { Resources, getObject, type KubeClient, type Pod } from '../../kube/index.js';
import type { Page } from '../page.js';

/** What the configuration of a proxy says of its certificate, in seconds of Unix time. */
const dump = z.looseObject({
  identity: z.looseObject({ id: z.string(), notBefore: z.number(), notAfter: z.number() }),
});

interface Life {
  readonly notBefore: string;
  readonly notAfter: string;
  /** Negative where it has ended. */
  readonly daysLeft: number;
}

interface Root extends Life {
  readonly subject: string;
  readonly sha256: string;
}

/** What is printed as JSON. */
export interface Certificates {
  readonly pod: string;
  /** The certificate that the proxy uses now. */
  readonly certificate: Life & { readonly identity: string };
  /** Whom it believes: the roots of the object that the pod mounts. */
  readonly roots: readonly Root[];
  readonly notes: readonly string[];
}

const DAY_MS = 24 * 3_600_000;
const HOURS = 24;
/** A certificate is renewed long before. */
const SHORT_DAYS = 1 / HOURS;

/** The certificate of a pod's proxy, by what it has told of its configuration, and the roots that the pod mounts. */
export async function certificatesOf(
  client: KubeClient,
  pod: Pod,
  { told, now }: { readonly told: unknown; readonly now: Date },
): Promise<Certificates> {
  const { id, notBefore, notAfter } = dump.parse(told).identity;
  const { namespace, name } = pod.metadata;
  const { roots, note } = await rootsOf(mountedBy(client, pod), now);
  return {
    pod: `${namespace}/${name}`,
    certificate: { identity: id, ...lifeOf(new Date(notBefore * 1000), new Date(notAfter * 1000), now) },
    roots,
    notes: note === undefined ? [] : [note],
  };
}

/** What holds the roots of a proxy. */
interface Mounted {
  /** Such as `ConfigMap shop/weft-trust`. */
  readonly label: string;
  /** Its PEM text; undefined where it does not exist. */
  readonly read: () => Promise<string | undefined>;
}

/** The object that the pod mounts its roots from: a proxy with a pod certificate has those that the kubelet brings. */
function mountedBy(client: KubeClient, { metadata, meshContainers }: Pod): Mounted {
  if (meshContainers.proxy?.podCertificate === true) {
    const name = names.trustBundleName(metadata.labels[names.Label.rev] ?? 'default');
    return {
      label: `ClusterTrustBundle ${name}`,
      read: async () => {
        const found = await getObject(client, Resources.clusterTrustBundle, { name });
        return found === undefined ? undefined : (found.pem ?? '');
      },
    };
  }
  const at = { namespace: metadata.namespace, name: names.TRUST_CONFIG_MAP };
  return {
    label: `ConfigMap ${at.namespace}/${at.name}`,
    read: async () => {
      const found = await getObject(client, Resources.configMap, at);
      return found === undefined ? undefined : (found.data[names.TRUST_BUNDLE_KEY] ?? '');
    },
  };
}

async function rootsOf(
  { label, read }: Mounted,
  now: Date,
): Promise<{ readonly roots: readonly Root[]; readonly note?: string }> {
  try {
    const pem = await read();
    if (pem === undefined) return { roots: [], note: `${label} does not exist, so nothing is known of roots` };
    return { roots: certificateBlocks(pem).map((block) => rootOf(new X509Certificate(block), now)) };
  } catch (thrown) {
    return { roots: [], note: `${label} cannot be read: ${MeshError.from(thrown).message}` };
  }
}

function rootOf(certificate: X509Certificate, now: Date): Root {
  const { subject, fingerprint256, validFromDate, validToDate } = certificate;
  return {
    subject: subject.replaceAll('\n', ', '),
    sha256: fingerprint256.replaceAll(':', '').toLowerCase(),
    ...lifeOf(validFromDate, validToDate, now),
  };
}

function lifeOf(notBefore: Date, notAfter: Date, now: Date): Life {
  const days = (notAfter.getTime() - now.getTime()) / DAY_MS;
  return {
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
    daysLeft: Math.round(days * 100) / 100,
  };
}

export function certificatesText({ pod, certificate, roots, notes }: Certificates, page: Page): string {
  const row = (what: string, of: Life, name: string): readonly string[] => [
    what,
    name,
    of.notBefore,
    of.notAfter,
    leftText(of, page),
  ];
  const rows = [
    row('certificate', certificate, certificate.identity),
    ...roots.map((root) => row('root', root, `${root.subject} ${root.sha256.slice(0, 16)}`)),
  ];
  return [
    page.strong(`proxy of ${pod}`),
    page.table(['WHAT', 'NAME', 'NOT BEFORE', 'NOT AFTER', 'LEFT'], rows),
    ...notes.map((note) => page.caution(`note: ${note}`)),
  ].join('\n');
}

function leftText({ daysLeft }: Life, page: Page): string {
  if (daysLeft <= 0) return page.bad('ended');
  const text = daysLeft < 2 ? `${Math.floor(daysLeft * HOURS)} h` : `${Math.floor(daysLeft)} days`;
  return daysLeft < SHORT_DAYS ? page.caution(text) : text;
}
