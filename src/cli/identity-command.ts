import { Option, type Command } from 'commander';
import { MeshError, names } from '../base/index.js';
import type { KubeClient } from '../kube/index.js';
import { importIdentity } from './identity.js';
import { MOST_DAYS, USUAL_DAYS, bringOfflineIssuer } from './offline-root.js';
import { printable } from './page.js';
import { rotateIdentity, rotationLine } from './rotate.js';
import { wholeNumber } from './whole-number.js';

interface ImportFlags {
  readonly systemNamespace: string;
  readonly dryRun: boolean;
  readonly forgetRoots: boolean;
}

/** `weft identity`: what is done to the certificate authority of the mesh. */
export function addIdentity(weft: Command, connect: () => KubeClient): void {
  const identity = weft.command('identity').description('the certificate authority of the mesh');
  addImport(identity, connect);
  addOffline(identity, connect);
  addRotate(identity, connect);
}

function addImport(identity: Command, connect: () => KubeClient): void {
  identity
    .command('import')
    .description('sign the certificates of workloads with a CA of your own, which a Secret holds')
    .argument('<secret>', 'name of the Secret, in the namespace of the control plane')
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE)
    .option('--dry-run', 'say what would be done, and what is wrong with the CA', false)
    .option('--forget-roots', 'trust the roots of this CA only, not those of before', false)
    .addHelpText('after', IMPORT)
    .action(async (secret: string, flags: ImportFlags) => {
      const client = connect();
      say(await importIdentity({ client, secret, ...flags }));
      client.close();
    });
}

const IMPORT = `
The CA must be an intermediate (or a root) with an ECDSA P-256 key, valid for a week at least. The Secret holds
  ca.p12 and password                    a PKCS#12 file with certificate, key and root
  tls.crt, tls.key, ca.crt (password)    the same as PEM; the key may be encrypted

Examples:
  kubectl create secret generic corporate-ca -n weft-system --from-file=ca.p12 --from-file=password
  weft identity import corporate-ca --dry-run
  weft identity import corporate-ca
  weft identity import corporate-ca --forget-roots           a day later, when nothing of the former CA is in use
  kubectl delete secret corporate-ca -n weft-system`;

interface OfflineFlags extends ImportFlags {
  readonly days: number;
}

function addOffline(identity: Command, connect: () => KubeClient): void {
  identity
    .command('offline')
    .description(
      'sign with an issuer under a root whose key stays on this machine; the same again renews the issuer',
    )
    .argument('<folder>', 'where the root is kept; it is made where there is none')
    .option('--days <number>', `how long the issuer is valid, ${MOST_DAYS} at most`, wholeNumber, USUAL_DAYS)
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE)
    .option('--dry-run', 'say what would be done', false)
    .option('--forget-roots', 'trust this root only, not those of before', false)
    .addHelpText('after', OFFLINE)
    .action(async (folder: string, flags: OfflineFlags) => {
      const client = connect();
      try {
        say(await bringOfflineIssuer({ client, folder, ...flags }));
      } finally {
        client.close();
      }
    });
}

const OFFLINE = `
The folder holds root.crt and root.key, which only you can read (mode 0600); neither is overwritten, and the key is never printed or sent. Into
the cluster go the certificate of the root and an issuer with its key, as weft identity import brings them. No call fails. Keep the folder on a
machine, or on a medium, that is not the cluster's. weft check and the alerts say 60 days before its end that the issuer has to be renewed: by
the same command, from the same folder. weft install --offline-root does it before anything else.

Examples:
  weft identity offline ~/weft-root --dry-run
  weft identity offline ~/weft-root
  weft identity offline /media/safe/weft-root --days 730`;

interface RotateFlags {
  readonly systemNamespace: string;
  readonly root: boolean;
  readonly takeOver: boolean;
  readonly status: boolean;
  readonly timeout: number;
  readonly output: 'text' | 'json';
}

function addRotate(identity: Command, connect: () => KubeClient): void {
  identity
    .command('rotate')
    .description('replace the issuer of the mesh, or issuer and root, while traffic flows')
    .option('--root', 'replace the root as well', false)
    .option('--take-over', 'replace what Weft did not make, too', false)
    .option('--status', 'begin nothing: show the rotation that was asked for last', false)
    .option('--timeout <minutes>', 'stop watching after this time; the rotation goes on', minutes, 30)
    .option('--system-namespace <name>', 'namespace of the control plane', names.SYSTEM_NAMESPACE)
    .addOption(new Option('-o, --output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addHelpText('after', ROTATE)
    .action(async ({ root, status: statusOnly, timeout, output, ...flags }: RotateFlags) => {
      const client = connect();
      if (output === 'text' && !statusOnly)
        process.stderr.write(
          'weft: it goes on if you interrupt this; weft identity rotate --status shows it\n',
        );
      const { state } = await rotateIdentity({
        client,
        ...flags,
        of: root ? 'root' : 'issuer',
        statusOnly,
        timeoutMs: timeout * 60_000,
        say: (status) => say(output === 'json' ? JSON.stringify(status) : rotationLine(status)),
      });
      if (state === 'Refused') process.exitCode = 1;
      client.close();
    });
}

const ROTATE = `
No call fails. A new root is trusted by every proxy, replica and webhook before anything under it is shown, and the former
root goes when nothing under it is in use any more. The control plane does it, one state after the other:
  Announcing   the new root is added to the trust bundle (with --root)
  Trusting     until every proxy trusts it; proxies that cannot be asked are given five minutes
  Reissuing    until every proxy has a certificate of the new issuer, within minutes; 25 hours at most
  Retiring     until every proxy has given up the former root (with --root)
  Done

Without --root what the former issuer signs stays valid: where a key of it has leaked, use --root. Asked again while one is
under way, it follows that one. It fails when the rotation is refused or --timeout passes.

Examples:
  weft identity rotate
  weft identity rotate --root
  weft identity rotate --status -o json | jq -r '"\\(.state) \\(.certified.count)/\\(.certified.of)"'`;

function minutes(text: string): number {
  const given = Number(text);
  if (!Number.isFinite(given) || given <= 0)
    throw new MeshError('invalid', `--timeout: "${text}" is not a number of minutes`);
  return given;
}

function say(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}
