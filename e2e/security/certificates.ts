import type { ServerIdentity } from '../../src/grpc/index.js';
import { shell } from '../../src/testing/openssl.js';
import type { TestCa } from '../../src/testing/test-ca.js';

const WEB = 'spiffe://cluster.local/ns/shop/sa/web';
const BOTH = 'extendedKeyUsage=serverAuth,clientAuth';
const LEAF = 'basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature';
const san = (...names: readonly string[]): string => `subjectAltName=critical,${names.join(',')}`;

interface Wish {
  readonly extensions: string;
  /** Signed by this one, `issuer` unless it is said otherwise. */
  readonly by?: string;
}

const P256 = 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256';
const right = `${LEAF}\\n${BOTH}\\n${san(`URI:${WEB}`)}`;
const named = (...names: readonly string[]): string => `${LEAF}\\n${BOTH}\\n${san(...names)}`;
/** Longer than a certificate lasts. */
const MONTH_MS = 30 * 86_400_000;

/** The one that passes: by the mesh's root, and everything is as our authority makes it. */
const TWIN: Wish = { extensions: right };

/** Each has one thing wrong. */
const WRONG: Readonly<Record<string, Wish>> = {
  'of a root that nobody trusts': { extensions: right, by: 'stranger' },
  'of a root with the name of ours and another key': { extensions: right, by: 'double' },
  'of another trust domain': { extensions: named('URI:spiffe://evil.example/ns/shop/sa/web') },
  'with two URIs': { extensions: named(`URI:${WEB}`, 'URI:spiffe://cluster.local/ns/shop/sa/other') },
  'without any name': { extensions: `${LEAF}\\n${BOTH}` },
  'with a DNS name only': { extensions: named('DNS:web.shop') },
  'for servers only': { extensions: `${LEAF}\\nextendedKeyUsage=serverAuth\\n${san(`URI:${WEB}`)}` },
  'of a CA, as a leaf': {
    extensions: `basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign\\n${BOTH}\\n${san(`URI:${WEB}`)}`,
  },
  'signed by the leaf of another pod': { extensions: right, by: 'other' },
  'of another service account': { extensions: named('URI:spiffe://cluster.local/ns/shop/sa/other') },
  'of the service account of that name elsewhere': {
    extensions: named('URI:spiffe://cluster.local/ns/qa/sa/web'),
  },
  'whose name goes on': { extensions: named(`URI:${WEB}/admin`) },
  'whose name is in capitals': { extensions: named('URI:spiffe://CLUSTER.LOCAL/ns/shop/sa/web') },
  'whose name has a dot segment': { extensions: named('URI:spiffe://cluster.local/ns/shop/sa/../sa/web') },
  'whose name is encoded': { extensions: named('URI:spiffe://cluster.local/ns/shop/sa/%77eb') },
  'whose name is no SPIFFE ID': { extensions: named('URI:https://cluster.local/ns/shop/sa/web') },
};

/** Certificates by openssl, an author who does not know us. */
export async function makeCertificates(ca: TestCa): Promise<{
  readonly twin: ServerIdentity;
  readonly wrong: ReadonlyMap<string, ServerIdentity>;
}> {
  const wishes = [TWIN, ...Object.values(WRONG)];
  const issuing = 'basicConstraints=critical,CA:TRUE,pathlen:0\\nkeyUsage=critical,keyCertSign,cRLSign';
  const subject = '-subj "/O=cluster.local/CN=Issuer"';
  const script = [
    `cat > root.crt <<'END'\n${ca.root.certificate}\nEND`,
    `cat > root.key <<'END'\n${ca.root.privateKey}\nEND`,
    `sign() { openssl req -new -key $2.key -subj "/CN=$1" -out $1.csr; printf "$3" > $1.ext; openssl x509 -req -in $1.csr -CA $4.crt -CAkey $4.key -set_serial $RANDOM -days 1 -extfile $1.ext -out $1.crt 2>/dev/null; }`,
    `${P256} -out issuer.key; sign issuer issuer "${issuing}" root`,
    `${P256} -out stranger.key; openssl req -x509 -new -key stranger.key -days 1 -subj /CN=Stranger -out stranger.crt`,
    `${P256} -out double.key; openssl req -x509 -new -key double.key -days 1 ${subject} -out double.crt`,
    `${P256} -out other.key; sign other other "${named('URI:spiffe://cluster.local/ns/shop/sa/other')}" issuer`,
    ...wishes.map(({ extensions, by = 'issuer' }, index) =>
      [
        `${P256} -out leaf-${index}.key`,
        `sign leaf-${index} leaf-${index} "${extensions}" ${by}`,
        `cat leaf-${index}.crt ${by}.crt issuer.crt > leaf-${index}.chain`,
      ].join('; '),
    ),
  ].join('\n');
  const made = wishes.flatMap((_, index) => [`leaf-${index}.chain`, `leaf-${index}.key`]);
  const files = await shell(script, made);
  const at = (index: number): ServerIdentity => ({
    chain: files[`leaf-${index}.chain`] ?? '',
    privateKey: files[`leaf-${index}.key`] ?? '',
    roots: ca.roots,
  });
  return {
    twin: at(0),
    wrong: new Map([
      ...Object.keys(WRONG).map((name, index) => [name, at(index + 1)] as const),
      ['that has expired', await ca.certificate(WEB, Date.now() - MONTH_MS)],
      ['that is not valid yet', await ca.certificate(WEB, Date.now() + MONTH_MS)],
    ]),
  };
}
