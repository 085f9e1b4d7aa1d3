import {
  constants,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
  type SignKeyObjectInput,
} from 'node:crypto';
import type { Form } from './wires.js';

export const ISSUER = 'https://id.example';
/** Another one that is believed, which shows its tokens in the header `x-token` and has a key of the same name. */
export const OTHER = 'https://other.example';

export type Lines = NonNullable<Form['headers']>;

/** Keys by OpenSSL, which signs and knows nothing of how proxies verify. */
export interface Keys {
  readonly es: KeyObject;
  readonly rsa: KeyObject;
  readonly second: KeyObject;
  readonly other: KeyObject;
  readonly stranger: KeyObject;
  /** Key sets of the two issuers. */
  readonly sets: { readonly issuer: object; readonly other: object };
}

export function makeKeys(): Keys {
  const curve = (): ReturnType<typeof generateKeyPairSync> =>
    generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [es, second, other, stranger] = [curve(), curve(), curve(), curve()];
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = (key: KeyObject, kid: string, alg: string): object => ({
    ...key.export({ format: 'jwk' }),
    kid,
    alg,
    use: 'sig',
  });
  return {
    es: es.privateKey,
    rsa: rsa.privateKey,
    second: second.privateKey,
    other: other.privateKey,
    stranger: stranger.privateKey,
    sets: {
      issuer: {
        keys: [
          jwk(es.publicKey, 'es', 'ES256'),
          jwk(rsa.publicKey, 'rs', 'RS256'),
          jwk(second.publicKey, 'es-2', 'ES256'),
        ],
      },
      other: { keys: [jwk(other.publicKey, 'es', 'ES256')] },
    },
  };
}

const encode = (part: object | string): string =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');
const seconds = (): number => Math.floor(Date.now() / 1000);

/** Claims of a good token, but for what is given. */
export function claims(change: object = {}): object {
  return { iss: ISSUER, aud: 'shop', exp: seconds() + 600, groups: ['staff'], ...change };
}

const ES = { alg: 'ES256', kid: 'es' };
const RAW = { dsaEncoding: 'ieee-p1363' } as const;

/** A token as it is signed with a key, whatever its header says of that. */
export function token(
  header: object | string,
  body: object | string,
  key: KeyObject,
  how: Partial<SignKeyObjectInput> = RAW,
): string {
  const signed = `${encode(header)}.${encode(body)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key, ...how }).toString('base64url')}`;
}

const bearer = (text: string): Lines => [['authorization', `Bearer ${text}`]];

/** What passes: each kind of token that is believed, as it may be shown. */
export function goodTokens(keys: Keys): ReadonlyMap<string, Lines> {
  const good = token(ES, claims(), keys.es);
  return new Map<string, Lines>([
    ['ES256', bearer(good)],
    ['RS256', bearer(token({ alg: 'RS256', kid: 'rs' }, claims(), keys.rsa, {}))],
    ['the second key', bearer(token({ alg: 'ES256', kid: 'es-2' }, claims(), keys.second))],
    ['a list of audiences', bearer(token(ES, claims({ aud: ['bank', 'shop'] }), keys.es))],
    ['an access token', bearer(token({ ...ES, typ: 'at+jwt' }, claims(), keys.es))],
    ['one group as text', bearer(token(ES, claims({ groups: 'staff' }), keys.es))],
    [
      'keys of its own, not looked at',
      bearer(token({ ...ES, jku: 'https://evil.example' }, claims(), keys.es)),
    ],
    ['the word in small letters', [['authorization', `bearer ${good}`]]],
    ["the other issuer's", [['x-token', token(ES, claims({ iss: OTHER }), keys.other)]]],
  ]);
}

/** Tokens that somebody might believe: those of RFC 8725, and those that verifiers were found to believe. */
export function confusions(keys: Keys): ReadonlyMap<string, Lines> {
  return new Map([
    ...algorithms(keys),
    ...keysOfOthers(keys),
    ...headers(keys),
    ...claimsThatAreWrong(keys),
    ...texts(keys),
    ...places(keys),
  ]);
}

type Named = readonly (readonly [string, Lines])[];

function algorithms(keys: Keys): Named {
  const pem = (key: KeyObject): string =>
    String(createPublicKey(key).export({ format: 'pem', type: 'spki' }));
  const hmac = (alg: string, kid: string, secret: string | Buffer): string => {
    const signed = `${encode({ alg, kid })}.${encode(claims())}`;
    const hash = `sha${alg.slice(2)}`;
    return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`;
  };
  const [, , signature = ''] = token(ES, claims(), keys.es).split('.');
  return [
    ...['none', 'None', 'NONE', 'nOnE', ''].flatMap((alg): Named => {
      const unsigned = `${encode({ alg, kid: 'es' })}.${encode(claims())}.`;
      return [
        [`alg ${JSON.stringify(alg)} without a signature`, bearer(unsigned)],
        [`alg ${JSON.stringify(alg)} with one`, bearer(`${unsigned}${signature}`)],
      ];
    }),
    ['HS256 with the public key of RSA as secret', bearer(hmac('HS256', 'rs', pem(keys.rsa)))],
    ['HS256 with the public key of P-256 as secret', bearer(hmac('HS256', 'es', pem(keys.es)))],
    ['HS512 with the public key as secret', bearer(hmac('HS512', 'rs', pem(keys.rsa)))],
    ['HS256 with no secret', bearer(hmac('HS256', 'es', ''))],
    ['HS256 with the name of the key as secret', bearer(hmac('HS256', 'es', 'es'))],
    [
      'the key of RSA under the name of ES256',
      bearer(token({ alg: 'ES256', kid: 'rs' }, claims(), keys.rsa, {})),
    ],
    [
      'the key of P-256 under the name of RS256',
      bearer(token({ alg: 'RS256', kid: 'es' }, claims(), keys.es)),
    ],
    [
      'PS256 with a key for RS256',
      bearer(
        token({ alg: 'PS256', kid: 'rs' }, claims(), keys.rsa, {
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: 32,
        }),
      ),
    ],
    ['a signature as X.509 has it', bearer(token(ES, claims(), keys.es, { dsaEncoding: 'der' }))],
    ['alg in small letters', bearer(token({ alg: 'es256', kid: 'es' }, claims(), keys.es))],
    ['no alg', bearer(token({ kid: 'es' }, claims(), keys.es))],
  ];
}

function keysOfOthers(keys: Keys): Named {
  const { x, y } = keys.stranger.export({ format: 'jwk' });
  const own = { kty: 'EC', crv: 'P-256', x, y };
  return [
    ['signed by a stranger', bearer(token(ES, claims(), keys.stranger))],
    ['a key of its own', bearer(token({ ...ES, jwk: own }, claims(), keys.stranger))],
    ['keys of its own by URL', bearer(token({ ...ES, jku: `${ISSUER}/keys` }, claims(), keys.stranger))],
    ['a certificate of its own by URL', bearer(token({ ...ES, x5u: ISSUER }, claims(), keys.stranger))],
    ['a chain of its own', bearer(token({ ...ES, x5c: ['MIIB'] }, claims(), keys.stranger))],
    ["another issuer's key of the same name", bearer(token(ES, claims(), keys.other))],
    ["another issuer's token where ours stand", bearer(token(ES, claims({ iss: OTHER }), keys.other))],
    ["our token where another issuer's stand", [['x-token', token(ES, claims(), keys.es)]]],
    ['another issuer by our key', [['x-token', token(ES, claims({ iss: OTHER }), keys.es)]]],
    [
      'the name of the second key, signed by the first',
      bearer(token({ alg: 'ES256', kid: 'es-2' }, claims(), keys.es)),
    ],
    ['a key that nobody has', bearer(token({ alg: 'ES256', kid: '../../../dev/null' }, claims(), keys.es))],
    ['no name of a key, where two might be meant', bearer(token({ alg: 'ES256' }, claims(), keys.es))],
    ['a name of a key that is a number', bearer(token({ alg: 'ES256', kid: 0 }, claims(), keys.es))],
  ];
}

function headers(keys: Keys): Named {
  const named = (name: string, header: object | string): readonly [string, Lines] => [
    name,
    bearer(token(header, claims(), keys.es)),
  ];
  return [
    named('crit', { ...ES, crit: ['exp'], exp: 1 }),
    named('crit that is empty', { ...ES, crit: [] }),
    named('b64', { ...ES, b64: false }),
    named('a token for logging out', { ...ES, typ: 'logout+jwt' }),
    named('a token that proves a key', { ...ES, typ: 'dpop+jwt' }),
    named('a token in a token', { ...ES, cty: 'JWT' }),
    named('alg twice', '{"alg":"none","alg":"ES256","kid":"es"}'),
    named('kid twice', '{"alg":"ES256","kid":"x","kid":"es"}'),
    named('a header that is a list', '["ES256"]'),
    named('a header that does not end', '{"alg":"ES256","kid":"es"'),
  ];
}

function claimsThatAreWrong(keys: Keys): Named {
  const wrong = (name: string, body: object | string): readonly [string, Lines] => [
    name,
    bearer(token(ES, body, keys.es)),
  ];
  const text = JSON.stringify(claims()).slice(1);
  let deep: unknown = 1;
  for (let level = 0; level < 20; level += 1) deep = [deep];
  return [
    ...[undefined, `${ISSUER}/`, `${ISSUER}.evil.example`, ISSUER.toUpperCase(), [ISSUER], null].map((iss) =>
      wrong(`iss ${JSON.stringify(iss)}`, claims({ iss })),
    ),
    ...[
      undefined,
      [],
      'shop-2',
      'Shop',
      'shop bank',
      ['bank'],
      ['shop', 7],
      [['shop']],
      { shop: true },
      '',
    ].map((aud) => wrong(`aud ${JSON.stringify(aud)}`, claims({ aud }))),
    ...[undefined, null, '9999999999', 0, -1, [9999999999], true, seconds() - 61].map((exp) =>
      wrong(`exp ${JSON.stringify(exp)}`, claims({ exp })),
    ),
    wrong('not valid yet', claims({ nbf: seconds() + 120 })),
    wrong('nbf that is text', claims({ nbf: '0' })),
    wrong('issued in the future', claims({ iat: seconds() + 120 })),
    wrong('exp twice', `{"exp":1,${text}`),
    wrong('groups twice', `{"groups":["guest"],${text}`),
    wrong('claims that nest deep', claims({ deep })),
    wrong('claims that are long', claims({ long: 'x'.repeat(8192) })),
    wrong('claims that are a list', '["shop"]'),
    ...['guest', ['Staff'], ['staff '], [['staff']], { staff: true }, undefined, null, 'staff guest'].map(
      (groups) => wrong(`groups ${JSON.stringify(groups)}`, claims({ groups })),
    ),
  ];
}

function texts(keys: Keys): Named {
  const good = token(ES, claims(), keys.es);
  const [head = '', body = '', signature = ''] = good.split('.');
  const guest = token(ES, claims({ groups: ['guest'] }), keys.es);
  const [, , guestSignature = ''] = guest.split('.');
  const wide = (count: number): string => Buffer.alloc(count).toString('base64url');
  const ways: Readonly<Record<string, string>> = {
    'no signature': `${head}.${body}.`,
    'a signature of zeros': `${head}.${body}.${wide(64)}`,
    'an empty signature of X.509': `${head}.${body}.${Buffer.from([48, 6, 2, 1, 0, 2, 1, 0]).toString('base64url')}`,
    'half a signature': `${head}.${body}.${signature.slice(0, 43)}`,
    'more than a signature': `${head}.${body}.${Buffer.concat([Buffer.from(signature, 'base64url'), Buffer.from([0])]).toString('base64url')}`,
    'the signature of another token': `${head}.${body}.${guestSignature}`,
    'claims of another token': `${head}.${encode(claims({ sub: 'admin' }))}.${signature}`,
    padding: `${good}==`,
    'a line in it': `${head}.${body}. ${signature}`,
    'two parts': `${head}.${body}`,
    'four parts': `${good}.${signature}`,
    'five parts': `${head}..${body}.${signature}.x`,
    'a token as JSON': JSON.stringify({ payload: body, protected: head, signature }),
    'two in a list': `${good}, ${good}`,
    'a comma behind it': `${good},`,
    nothing: '',
    'no token': 'staff',
  };
  return Object.entries(ways).map(([name, text]) => [name, bearer(text)] as const);
}

function places(keys: Keys): Named {
  const good = token(ES, claims(), keys.es);
  const of: readonly [string, string] = ['authorization', `Bearer ${good}`];
  const other: readonly [string, string] = ['x-token', token(ES, claims({ iss: OTHER }), keys.other)];
  return [
    ['twice', [of, of]],
    ['with a password before it', [['authorization', 'Basic YTpi'], of]],
    ['with a password behind it', [of, ['authorization', 'Basic YTpi']]],
    ['a good one and a bad one', [of, ['authorization', 'Bearer x']]],
    ['in two places', [of, other]],
    ['beside a line that some read as the same header', [other, ['x_token', good]]],
    ['under a name that some read as the same header', [['x_token', other[1]]]],
    ['a comma between', [['authorization', `Bearer,${good}`]]],
    ['none at all', []],
    ['as a password', [['authorization', `Basic ${good}`]]],
    ['in a header that nobody named', [['x-forwarded-access-token', good]]],
    ['in a cookie', [['cookie', `token=${good}`]]],
    ['in the header of proxies', [['proxy-authorization', `Bearer ${good}`]]],
  ];
}
