import { z } from 'zod';
import { MeshError } from '../base/index.js';
import { ISSUER_SECRET } from '../controller/index.js';
import { describeCertificate, importCa, mergeBundle, type IssuerSecret } from '../identity/index.js';
import {
  Resources,
  applyObject,
  getObject,
  orUndefined,
  resourcePath,
  type KubeClient,
} from '../kube/index.js';

/** Where a CA is brought, and how. */
export interface BringOptions {
  readonly client: KubeClient;
  readonly systemNamespace: string;
  /** Only says what would be done. */
  readonly dryRun: boolean;
  /** From now on only the roots of what is brought are trusted. */
  readonly forgetRoots: boolean;
  readonly now?: number;
}

export interface IdentityImportOptions extends BringOptions {
  /** Name of the Secret that holds what is brought. */
  readonly secret: string;
}

/** Keys of a Secret with a PKCS#12 file; the second is what cert-manager calls it. */
const PKCS12_KEYS = ['ca.p12', 'keystore.p12'];
const rawSecret = z.object({ data: z.record(z.string(), z.string()).default({}) });

/** Makes the CA in a Secret the one that the mesh signs with. Throws `invalid` with everything that is wrong with it. */
export async function importIdentity(options: IdentityImportOptions): Promise<string> {
  const brought = await readBrought(options);
  return bringCa(options, brought, `Secret ${options.systemNamespace}/${options.secret}`);
}

/** Makes a CA the one that the mesh signs with; `source` names it where something is wrong with it. */
export async function bringCa(
  options: BringOptions,
  brought: Parameters<typeof importCa>[0],
  source: string,
): Promise<string> {
  const { client, systemNamespace, dryRun } = options;
  const now = options.now ?? Date.now();
  const ca = await importCa(brought, source, now);
  const at = { namespace: systemNamespace, name: ISSUER_SECRET };
  const former = (await getObject(client, Resources.secret, at))?.data['ca.crt'] ?? '';
  const trusted = options.forgetRoots ? ca['ca.crt'] : mergeBundle([ca['ca.crt'], former], now);
  if (!dryRun) await write(client, at, { ...ca, 'ca.crt': trusted });
  return [
    `${dryRun ? 'Would sign' : 'Signs'} with ${describeCertificate(ca['tls.crt'])}`,
    ...trusted
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .filter((pem) => pem !== '')
      .map((pem) => `Trusts ${describeCertificate(pem)}`),
    dryRun
      ? 'Nothing was changed; leave out --dry-run to do it.'
      : 'It is put to use once its root has reached every proxy, in five minutes if that is new; weft check says how things stand.',
  ].join('\n');
}

async function readBrought({
  client,
  systemNamespace: namespace,
  secret: name,
}: IdentityImportOptions): Promise<Parameters<typeof importCa>[0]> {
  // As it is: the bytes of a PKCS#12 file are no text.
  const path = resourcePath(Resources.secret, { namespace, name });
  const answer = await orUndefined(client.request({ path }));
  if (answer === undefined)
    throw new MeshError(
      'not-found',
      `Secret ${namespace}/${name} does not exist; see weft identity import --help`,
    );
  const { data } = rawSecret.parse(answer);
  const bytes = (key: string): Buffer | undefined =>
    data[key] === undefined ? undefined : Buffer.from(data[key], 'base64');
  const text = (key: string): string | undefined => bytes(key)?.toString('utf8');
  const pkcs12 = PKCS12_KEYS.map(bytes).find((found) => found !== undefined);
  if (pkcs12 === undefined && data['tls.key'] === undefined) {
    throw new MeshError(
      'invalid',
      `Secret ${namespace}/${name} holds neither ${PKCS12_KEYS.join(' or ')} nor tls.crt with tls.key`,
    );
  }
  return {
    pkcs12,
    certificate: text('tls.crt'),
    privateKey: text('tls.key'),
    roots: text('ca.crt'),
    // Editors and echo leave a line end behind it, which no password has.
    password: text('password')?.replace(/\r?\n$/, ''),
  };
}

async function write(
  client: KubeClient,
  at: { readonly namespace: string; readonly name: string },
  secret: IssuerSecret,
): Promise<void> {
  const data = Object.entries(secret).map(([key, value]: [string, string]) => [
    key,
    Buffer.from(value).toString('base64'),
  ]);
  const metadata = { ...at, labels: { 'app.kubernetes.io/managed-by': 'import' } };
  const manifest = { metadata, type: 'Opaque', data: Object.fromEntries(data) as object };
  await applyObject(client, Resources.secret, manifest, { fieldManager: 'weft-import' });
}
