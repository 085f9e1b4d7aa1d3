import type { BroughtCa } from '../identity/index.js';
import { shellBytes } from './openssl.js';

/** CAs as people bring them, in files made by openssl. */
export interface CaBundles {
  readonly files: Readonly<Record<string, Buffer>>;
  /** As PEM, with its key and its root. */
  readonly pem: (name: string, rest?: Partial<BroughtCa>) => BroughtCa;
  readonly p12: (name: string, rest?: Partial<BroughtCa>) => BroughtCa;
  readonly text: (name: string) => string;
}

const EC = 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:';
const CA = 'basicConstraints=critical,CA:TRUE,pathlen:0\\nkeyUsage=critical,keyCertSign,cRLSign';
/** name KEY EXTENSIONS DAYS: an intermediate under the root. */
const ISSUE = [
  'issue() { openssl req -new -key $2 -subj "/O=Corp/CN=$1" -out $1.csr;',
  'printf "$3" > $1.ext;',
  'openssl x509 -req -in $1.csr -CA ${5:-root}.crt -CAkey ${5:-root}.key -days $4 -extfile $1.ext -out $1.crt 2>/dev/null; }',
].join(' ');

const SCRIPT = [
  ISSUE,
  `${EC}P-256 -out root.key`,
  'openssl req -x509 -new -key root.key -days 3650 -subj "/O=Corp/CN=Root" -out root.crt',
  `${EC}P-256 -out ca.key; issue ca ca.key "${CA}" 365`,
  `${EC}P-256 -out other.key; issue short ca.key "${CA}" 3`,
  'issue leaf ca.key "basicConstraints=CA:FALSE" 365',
  'issue mute ca.key "basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,digitalSignature" 365',
  `issue narrow ca.key "${CA}\\nnameConstraints=critical,permitted;DNS:corp.example" 365`,
  `${EC}P-384 -out p384.key; issue p384 p384.key "${CA}" 365`,
  `openssl genrsa -out rsa.key 2048 2>/dev/null; issue rsa rsa.key "${CA}" 365`,
  'openssl genrsa -out weak.key 1024 2>/dev/null; openssl req -x509 -new -key weak.key -days 3650 -subj "/CN=Weak" -out weak.crt',
  `issue underweak ca.key "${CA}" 365 weak`,
  'openssl req -x509 -new -key root.key -days 3650 -subj "/CN=Flat" -addext basicConstraints=critical,CA:TRUE,pathlen:0 -out flat.crt 2>/dev/null',
  'cp root.key flat.key',
  `issue underflat ca.key "${CA}" 365 flat`,
  'export() { openssl pkcs12 -export -in $1.crt -inkey $2 -certfile root.crt -passout pass:secret -out $3.p12 ${4:-}; }',
  'export ca ca.key modern; export ca ca.key legacy -legacy; export rsa rsa.key rsa; export leaf ca.key leaf',
  'export ca ca.key nomac -nomac; export ca ca.key many "-macalg SHA512"',
  'openssl pkcs12 -export -nokeys -in ca.crt -passout pass:secret -out keyless.p12',
  'openssl pkcs8 -topk8 -in ca.key -passout pass:secret -v2 aes-256-cbc -out encrypted.key',
  'openssl ec -in ca.key -aes256 -passout pass:secret -out sec1.key 2>/dev/null',
].join('\n');

const MADE = [
  ...['root', 'ca', 'short', 'leaf', 'mute', 'narrow', 'p384', 'weak', 'underweak', 'flat', 'underflat'].map(
    (name) => `${name}.crt`,
  ),
  ...['ca', 'other', 'p384', 'encrypted', 'sec1'].map((name) => `${name}.key`),
  ...['modern', 'legacy', 'rsa', 'leaf', 'nomac', 'many', 'keyless'].map((name) => `${name}.p12`),
];

/** Takes some seconds. */
export async function makeCaBundles(): Promise<CaBundles> {
  const files = await shellBytes(SCRIPT, MADE);
  const file = (name: string): Buffer => files[name] ?? Buffer.alloc(0);
  const text = (name: string): string => file(name).toString();
  return {
    files,
    text,
    p12: (name, rest = {}) => ({ pkcs12: file(`${name}.p12`), password: 'secret', ...rest }),
    pem: (name, rest = {}) => ({
      certificate: text(`${name}.crt`),
      privateKey: text('ca.key'),
      roots: text('root.crt'),
      ...rest,
    }),
  };
}

/** What the mesh can sign with. */
export const FIT_BUNDLES: readonly (readonly [name: string, (made: CaBundles) => BroughtCa])[] = [
  ['PKCS#12 as OpenSSL 3 writes it', ({ p12 }) => p12('modern')],
  ['PKCS#12 with another digest of its password', ({ p12 }) => p12('many')],
  ['PKCS#12 with its root beside it', ({ p12, text }) => p12('modern', { roots: text('root.crt') })],
  ['PEM', ({ pem }) => pem('ca')],
  [
    'PEM with the root behind the issuer',
    ({ pem, text }) => pem('ca', { certificate: text('ca.crt') + text('root.crt'), roots: '' }),
  ],
  [
    'PEM in another order, with line ends of Windows and a comment',
    ({ pem, text }) =>
      pem('ca', {
        certificate: `issuer\r\n${(text('root.crt') + text('ca.crt')).replaceAll('\n', '\r\n')}`,
        roots: '',
      }),
  ],
  [
    'an encrypted PKCS#8 key',
    ({ pem, text }) => pem('ca', { privateKey: text('encrypted.key'), password: 'secret' }),
  ],
  [
    'an encrypted key as OpenSSL 1 wrote it',
    ({ pem, text }) => pem('ca', { privateKey: text('sec1.key'), password: 'secret' }),
  ],
  ['a password beside a key that needs none', ({ pem }) => pem('ca', { password: 'secret' })],
];

/** What it cannot, and what is said of it. */
export const UNFIT_BUNDLES: readonly (readonly [
  name: string,
  (made: CaBundles) => BroughtCa,
  message: RegExp,
])[] = [
  [
    'a wrong password',
    ({ p12 }) => p12('modern', { password: 'guess' }),
    /corp: cannot be decrypted: the password is wrong/,
  ],
  [
    'no password',
    ({ p12 }) => p12('modern', { password: undefined }),
    /needs its password, in the key password/,
  ],
  ['old ciphers', ({ p12 }) => p12('legacy'), /RC2 or triple DES.*openssl pkcs12 -legacy/],
  [
    'a file that is none',
    ({ p12 }) => p12('modern', { pkcs12: Buffer.from('hello') }),
    /cannot be read as PKCS#12/,
  ],
  [
    'half a file',
    ({ files, p12 }) => p12('modern', { pkcs12: part(files, 'modern.p12').subarray(0, 500) }),
    /cannot be read as PKCS#12/,
  ],
  [
    'a file with a changed byte',
    ({ files, p12 }) => p12('modern', { pkcs12: changed(part(files, 'modern.p12')) }),
    /cannot be /,
  ],
  ['a huge file', ({ p12 }) => p12('modern', { pkcs12: Buffer.alloc(2 ** 21) }), /larger than 1 MiB/],
  ['a file without a key', ({ p12 }) => p12('keyless'), /holds no private key/],
  [
    'an RSA issuer',
    ({ p12 }) => p12('rsa'),
    /the private key is of type rsa, and the mesh signs with ECDSA on P-256/,
  ],
  ['the certificate of a server', ({ p12 }) => p12('leaf'), /"O=Corp, CN=leaf" is not a CA/],
  ['the certificate of a server, as PEM', ({ pem }) => pem('leaf'), /is not a CA .*give an intermediate CA/],
  ['a CA that must not sign', ({ pem }) => pem('mute'), /"O=Corp, CN=mute" must not sign certificates/],
  [
    'one that ends in three days',
    ({ pem }) => pem('short'),
    /"O=Corp, CN=short" ends at .*, in less than 7 days/,
  ],
  ['name constraints', ({ pem }) => pem('narrow'), /name constraints/],
  [
    'another curve',
    ({ pem, text }) => pem('p384', { privateKey: text('p384.key') }),
    /of the curve secp384r1/,
  ],
  [
    'a key of another certificate',
    ({ pem, text }) => pem('ca', { privateKey: text('other.key') }),
    /belongs to none of the certificates \("O=Corp, CN=ca", "O=Corp, CN=Root"\)/,
  ],
  [
    'no root',
    ({ pem }) => pem('ca', { roots: '' }),
    /add the certificate of "O=Corp, CN=Root", in the key ca\.crt/,
  ],
  [
    'the root of another CA',
    ({ pem, text }) => pem('ca', { roots: text('weak.crt') }),
    /none of its roots signed "O=Corp, CN=ca"/,
  ],
  [
    'a weak root',
    ({ pem, text }) => pem('underweak', { roots: text('weak.crt') }),
    /"CN=Weak" is weak: RSA of 1024 bits/,
  ],
  [
    'a root that permits no CA below it',
    ({ pem, text }) => pem('underflat', { roots: text('flat.crt') }),
    /"CN=Flat" permits no CA below it/,
  ],
  [
    'an encrypted key without its password',
    ({ pem, text }) => pem('ca', { privateKey: text('encrypted.key') }),
    /encrypted; give its password/,
  ],
  [
    'an encrypted key with a wrong one',
    ({ pem, text }) => pem('ca', { privateKey: text('encrypted.key'), password: 'guess' }),
    /the password is wrong/,
  ],
  [
    'a key that is none',
    ({ pem }) => pem('ca', { privateKey: 'hello' }),
    /private key cannot be read; give PKCS#8/,
  ],
  ['no key', ({ pem }) => pem('ca', { privateKey: undefined }), /there is no private key/],
  ['no certificate', ({ pem }) => pem('ca', { certificate: 'hello', roots: '' }), /there is no certificate/],
  [
    'a certificate that is none',
    ({ pem }) => pem('ca', { certificate: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }),
    /not an X\.509 certificate/,
  ],
];

function part(files: CaBundles['files'], name: string): Buffer {
  return files[name] ?? Buffer.alloc(0);
}

function changed(file: Buffer): Buffer {
  const copy = Buffer.from(file);
  copy.writeUInt8(copy.readUInt8(copy.length >> 1) ^ 1, copy.length >> 1);
  return copy;
}
