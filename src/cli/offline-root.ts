import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MeshError } from '../base/index.js';
import { ROOT_SECRET } from '../controller/index.js';
import {
  createOfflineIssuer,
  createOfflineRoot,
  describeCertificate,
  type CaMaterial,
} from '../identity/index.js';
import { Resources, getObject } from '../kube/index.js';
import { bringCa, type BringOptions } from './identity.js';

export interface OfflineOptions extends BringOptions {
  /** Where the root is kept; one is made where there is none. */
  readonly folder: string;
  /** How long the issuer is valid. */
  readonly days: number;
}

/** Two years: what leaks with the issuer's key ends by itself. */
export const MOST_DAYS = 730;
export const USUAL_DAYS = 365;
const DAY_MS = 24 * 3_600_000;

const CERTIFICATE = 'root.crt';
const KEY = 'root.key';

/**
 * Makes an issuer under a root that stays on this machine, and has the mesh sign with it. The same again renews the issuer. The key of the
 * root is in its file alone: it is never printed, sent or overwritten.
 */
export async function bringOfflineIssuer(options: OfflineOptions): Promise<string> {
  const { folder, days } = options;
  const now = options.now ?? Date.now();
  if (days < 8 || days > MOST_DAYS)
    throw new MeshError('invalid', `--days ${days}: an issuer is valid for 8 to ${MOST_DAYS} days`);
  const known = await readRoot(folder);
  if (known === undefined && options.dryRun)
    return `Would make a root in ${folder}, and an issuer of ${days} days under it.\nNothing was changed; leave out --dry-run to do it.`;
  const root = known ?? (await makeRoot(folder, now));
  const issuer = await createOfflineIssuer(root, { lifeMs: days * DAY_MS, now });
  const brought = { certificate: issuer.certificate, privateKey: issuer.privateKey, roots: root.certificate };
  const said = await bringCa({ ...options, now }, brought, `the root in ${folder}`);
  return [
    `${known === undefined ? 'Made' : 'Uses'} ${describeCertificate(root.certificate)}, in ${folder}`,
    said,
    ...(options.dryRun ? [] : await formerRoot(options)),
  ].join('\n');
}

/** What is left to do about a root whose key is in the cluster, a line. */
async function formerRoot({
  client,
  systemNamespace,
  forgetRoots,
}: OfflineOptions): Promise<readonly string[]> {
  const online = await getObject(client, Resources.secret, { namespace: systemNamespace, name: ROOT_SECRET });
  if (online === undefined) return [];
  const what = `Secret ${systemNamespace}/${ROOT_SECRET} still holds the key of the former root`;
  return [
    forgetRoots
      ? `${what}, which is no longer trusted; delete it: kubectl delete secret ${ROOT_SECRET} --namespace ${systemNamespace}`
      : `${what}: a day from now run this again with --forget-roots, and delete the Secret.`,
  ];
}

/** Undefined: there is none yet. One of the two files alone is neither used nor replaced. */
async function readRoot(folder: string): Promise<CaMaterial | undefined> {
  const [certificate, privateKey] = await Promise.all(
    [CERTIFICATE, KEY].map((name) => textOf(join(folder, name))),
  );
  if (certificate === undefined && privateKey === undefined) return undefined;
  if (certificate === undefined || privateKey === undefined) {
    const [there, missing] = certificate === undefined ? [KEY, CERTIFICATE] : [CERTIFICATE, KEY];
    const cutShort =
      certificate === undefined
        ? `; if no root has ever been used from this folder, because making it was cut short, delete ${KEY} and run this again`
        : '';
    throw new MeshError(
      'precondition',
      `${folder} holds ${there} and no ${missing}: restore that, or name another folder; nothing in it is overwritten${cutShort}`,
    );
  }
  const { mode } = await stat(join(folder, KEY));
  if ((mode & 0o077) !== 0)
    throw new MeshError(
      'precondition',
      `${join(folder, KEY)} can be read by others: chmod 600 it, and consider whether they have`,
    );
  return { certificate, privateKey };
}

async function textOf(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((thrown: unknown) => {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  });
}

/** The key first: a certificate whose key was never written would be trusted for nothing. */
async function makeRoot(folder: string, now: number): Promise<CaMaterial> {
  const root = await createOfflineRoot(now);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, KEY), root.privateKey, { flag: 'wx', mode: 0o600 });
  await writeFile(join(folder, CERTIFICATE), root.certificate, { flag: 'wx', mode: 0o644 });
  return root;
}
