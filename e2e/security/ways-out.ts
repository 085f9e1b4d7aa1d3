/** Where the names lead that a pod may reach, and one that it may not. */
export const PUBLIC = '93.184.216.34';
export const FILES = '93.184.216.35';
export const EVIL = '93.184.216.66';
export const PRIVATE = '10.0.0.1';
const METADATA = '169.254.169.254';

/** Where anything may arrive at all. */
export const ALLOWED: ReadonlySet<string> = new Set(
  [80, 443].flatMap((port) => [`${PUBLIC}:${port}`, `${FILES}:${port}`]),
);

/** What names lead to that nobody may be led to. */
const TRAPS: Readonly<Record<string, readonly string[]>> = {
  'metadata.example.net': [METADATA],
  'private.example.net': [PRIVATE],
  'node.example.net': ['10.99.0.1'],
  'service.example.net': ['10.96.0.5'],
  'loop.example.net': ['127.0.0.1'],
  'other-loop.example.net': ['127.9.9.9'],
  'nothing.example.net': ['0.0.0.0'],
  'shared.example.net': ['100.64.0.1'],
  'alibaba.example.net': ['100.100.100.200'],
  'link.example.net': ['169.254.0.1'],
  'class-b.example.net': ['172.16.0.1'],
  'class-c.example.net': ['192.168.0.1'],
  'all.example.net': ['255.255.255.255'],
  'many.example.net': ['224.0.0.1'],
  'reserved.example.net': ['240.0.0.1'],
  'metadata.inside.example.com': [METADATA],
  'loop.inside.example.com': ['127.0.0.1'],
  'alibaba.inside.example.com': ['100.100.100.200'],
};

export const NAMES: Readonly<Record<string, readonly string[]>> = {
  'api.example.com': [PUBLIC],
  'files.example.net': [FILES],
  'a.b.files.example.net': [FILES],
  // One of these is nobody's business.
  'both.example.net': [FILES, PRIVATE, METADATA],
  'a.inside.example.com': [PRIVATE],
  'example.net': [EVIL],
  'evil.example.org': [EVIL],
  'pay.example.org': [EVIL],
  'bank.example.org': [EVIL],
  'api.example.com.evil.example.org': [EVIL],
  'xapi.example.com': [EVIL],
  'www.example.com': [EVIL],
  'example.com': [EVIL],
  'evilexample.net': [EVIL],
  ...TRAPS,
};

/** Something that a pod says to get out. */
export interface Way {
  readonly name: string;
  /** What is dialled, where it is not what `api.example.com` leads to, at port 80. */
  readonly to?: string;
  readonly port?: number;
  readonly bytes: string;
  /** Something of it may leave: what is declared. */
  readonly opens?: boolean;
}

const SECRET = '/secret-way';
const get = (host: string, more = ''): string => `GET ${SECRET} HTTP/1.1\r\nhost: ${host}\r\n${more}\r\n`;

/** A ClientHello of TLS 1.3 with these server names, and nothing that anybody could answer. */
export function hello(names: readonly string[], type = 0): string {
  const sized = (bytes: Buffer, size: 1 | 2 | 3): Buffer => {
    const length = Buffer.alloc(size);
    length.writeUIntBE(bytes.length, 0, size);
    return Buffer.concat([length, bytes]);
  };
  const extension = (code: number, body: Buffer): Buffer =>
    Buffer.concat([Buffer.from([code >> 8, code & 255]), sized(body, 2)]);
  const list = names.map((name) =>
    Buffer.concat([Buffer.from([type]), sized(Buffer.from(name, 'latin1'), 2)]),
  );
  const extensions = [
    ...(names.length === 0 ? [] : [extension(0, sized(Buffer.concat(list), 2))]),
    extension(43, Buffer.from([2, 3, 4])),
    extension(10, Buffer.from([0, 2, 0, 29])),
    extension(13, Buffer.from([0, 2, 4, 3])),
    extension(51, sized(Buffer.concat([Buffer.from([0, 29]), sized(Buffer.alloc(32, 9), 2)]), 2)),
  ];
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    sized(Buffer.alloc(0), 1),
    sized(Buffer.from([0x13, 0x01]), 2),
    sized(Buffer.from([0]), 1),
    sized(Buffer.concat(extensions), 2),
  ]);
  const message = Buffer.concat([Buffer.from([1]), sized(body, 3)]);
  return Buffer.concat([Buffer.from([22, 3, 1]), sized(message, 2)]).toString('latin1');
}

/** HTTP/2 without TLS: one request for a host, its fields written out without compression. */
function http2(authority: string): string {
  const literal = (name: string, value: string): Buffer =>
    Buffer.concat(
      [0, name.length]
        .map((byte) => Buffer.from([byte]))
        .concat(Buffer.from(name))
        .concat(Buffer.from([value.length]), Buffer.from(value)),
    );
  const fields = Buffer.concat([
    literal(':method', 'GET'),
    literal(':scheme', 'http'),
    literal(':path', SECRET),
    literal(':authority', authority),
  ]);
  const frame = (type: number, flags: number, stream: number, body: Buffer): Buffer =>
    Buffer.concat([Buffer.from([0, 0, body.length, type, flags, 0, 0, 0, stream]), body]);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, 0, 0, Buffer.alloc(0)),
    frame(1, 5, 1, fields),
  ]).toString('latin1');
}

export function ways(): readonly Way[] {
  return [...hosts(), ...requests(), ...tls(), ...bytes(), ...traps()];
}

/** Hosts that are not declared, or that are no host. */
function hosts(): readonly Way[] {
  return [
    'evil.example.org',
    'EVIL.example.org',
    'evil.example.org.',
    'evil.example.org:80',
    'api.example.com.evil.example.org',
    'xapi.example.com',
    'www.example.com',
    'example.com',
    'example.net',
    'evilexample.net',
    '.example.net',
    '*.example.net',
    'a..example.net',
    'pay.example.org',
    'bank.example.org',
    EVIL,
    `${EVIL}:80`,
    PUBLIC,
    '[::ffff:93.184.216.66]',
    '1572395074',
    '0x5db8d842',
    '93.184.55362',
    'api.example.com@evil.example.org',
    'evil.example.org#.api.example.com',
    'evil.example.org/.example.net',
    'evil.example.org%2e.example.net',
    'evil.example.org, api.example.com',
    'api.example.com evil.example.org',
    'evil.example.org\\.example.net',
    '',
    'localhost',
    'xn--api-.example.com',
  ].flatMap((host) => [
    { name: `Host: ${host}, where it leads`, to: EVIL, bytes: get(host) },
    { name: `Host: ${host}, behind the address of another`, bytes: get(host) },
  ]);
}

/** Requests that say two things, or nothing. */
function requests(): readonly Way[] {
  const evil = 'evil.example.org';
  const api = 'api.example.com';
  const behind = get(evil);
  const ask = (name: string, bytes: string, more: Partial<Way> = {}): Way => ({
    name,
    to: EVIL,
    bytes,
    ...more,
  });
  return [
    ask('a target that names another host', `GET http://${evil}${SECRET} HTTP/1.1\r\nhost: ${api}\r\n\r\n`),
    ask('a target with a user', `GET http://${api}@${evil}${SECRET} HTTP/1.1\r\nhost: ${api}\r\n\r\n`),
    ask('a target of another scheme', `GET ftp://${evil}${SECRET} HTTP/1.1\r\nhost: ${api}\r\n\r\n`),
    ask('Host twice', `GET ${SECRET} HTTP/1.1\r\nhost: ${api}\r\nhost: ${evil}\r\n\r\n`),
    ask('Host twice, the other way', `GET ${SECRET} HTTP/1.1\r\nhost: ${evil}\r\nhost: ${api}\r\n\r\n`),
    ask('no Host', `GET ${SECRET} HTTP/1.1\r\n\r\n`),
    ask('HTTP/1.0 without Host', `GET ${SECRET} HTTP/1.0\r\n\r\n`),
    ask('HTTP/1.0 with a Host', `GET ${SECRET} HTTP/1.0\r\nhost: ${evil}\r\n\r\n`),
    ask('HTTP/0.9', `GET ${SECRET}\r\n`),
    ask('Host with a space before the colon', `GET ${SECRET} HTTP/1.1\r\nhost : ${evil}\r\n\r\n`),
    ask('Host that is folded', `GET ${SECRET} HTTP/1.1\r\nhost: ${api}\r\n ${evil}\r\n\r\n`),
    ask('lines that end in a line feed', `GET ${SECRET} HTTP/1.1\nhost: ${evil}\n\n`),
    ask('the host that was forwarded', get(evil, `x-forwarded-host: ${api}\r\n`)),
    ask('CONNECT', `CONNECT ${evil}:443 HTTP/1.1\r\nhost: ${evil}:443\r\n\r\n`),
    ask('CONNECT by way of a declared host', `CONNECT ${evil}:443 HTTP/1.1\r\nhost: ${api}\r\n\r\n`),
    ask('WebSocket', get(evil, 'connection: upgrade\r\nupgrade: websocket\r\n')),
    ask('HTTP/2', http2(evil)),
    ask('HTTP/2 by an address', http2(EVIL)),
    ask(
      'upgrade to HTTP/2',
      get(evil, 'connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n'),
    ),
    ask('a second request', `GET /first HTTP/1.1\r\nhost: ${api}\r\n\r\n${behind}`, { opens: true }),
    ask(
      'a request in a body that is framed twice',
      `POST /first HTTP/1.1\r\nhost: ${api}\r\ncontent-length: ${behind.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${behind}`,
      { opens: true },
    ),
    ask('an undeclared port', get(api), { port: 8443 }),
    ask('a port of others', get(api), { port: 22 }),
  ];
}

/** TLS whose name is not declared, or missing, or more than one. */
function tls(): readonly Way[] {
  const way = (name: string, text: string, more: Partial<Way> = {}): Way => ({
    name: `TLS: ${name}`,
    to: EVIL,
    port: 443,
    bytes: text,
    ...more,
  });
  const whole = hello(['evil.example.org']);
  return [
    way('no name', hello([])),
    way('no name, at a declared address', hello([]), { to: PUBLIC }),
    way('a name that is not declared', whole),
    way('a name that is not declared, at a declared address', whole, { to: PUBLIC }),
    way('two names', hello(['api.example.com', 'evil.example.org'])),
    way('two names, the other way', hello(['evil.example.org', 'api.example.com'])),
    way('a name of another type', hello(['api.example.com'], 1)),
    way('a name that is an address', hello([PUBLIC])),
    way('a name with a zero in it', hello(['evil.example.org\0.example.net'])),
    way('a name that is empty', hello([''])),
    way('the name alone below which names are declared', hello(['example.net'])),
    way('a name for another account', hello(['pay.example.org'])),
    way('half a hello', whole.slice(0, 60)),
    way('a record of no length', `\x16\x03\x01\0\0${whole}`),
    way('a hello of SSL 2', '\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10'),
    way('a declared name at a port for HTTP', hello(['api.example.com']), { port: 80 }),
    way('a declared name at an undeclared port', hello(['api.example.com']), { port: 8443 }),
    way('HTTP at a port for TLS', get('api.example.com')),
    way('bytes behind no hello', 'secret-way'),
  ];
}

/** Bytes, and nothing at all. */
function bytes(): readonly Way[] {
  return [
    { name: 'bytes to an undeclared address', to: '203.0.113.9', port: 5432, bytes: 'secret-way' },
    { name: 'bytes beside a declared block', to: '198.51.100.8', port: 5432, bytes: 'secret-way' },
    { name: 'bytes to a declared block, at another port', to: '198.51.100.7', port: 22, bytes: 'secret-way' },
    { name: 'nothing to an undeclared address', to: '203.0.113.9', port: 5432, bytes: '' },
    { name: 'nothing at a port for HTTP', to: EVIL, port: 80, bytes: '' },
    { name: 'DNS over TCP', to: '203.0.113.53', port: 53, bytes: '\0\x0csecret-way' },
    { name: 'SSH', to: EVIL, port: 22, bytes: 'SSH-2.0-secret-way\r\n' },
    { name: 'metadata by its address', to: METADATA, port: 80, bytes: get(METADATA) },
    { name: 'the node by its address', to: '10.99.0.1', port: 80, bytes: get('10.99.0.1') },
    { name: 'a private address', to: PRIVATE, port: 5432, bytes: 'secret-way' },
  ];
}

/** Names that are declared, and lead to where nobody may go. */
function traps(): readonly Way[] {
  return Object.keys(TRAPS).flatMap((host): readonly Way[] => [
    { name: `${host} leads inside`, to: EVIL, bytes: get(host) },
    ...(host.endsWith('.example.net')
      ? [{ name: `TLS: ${host} leads inside`, to: EVIL, port: 443, bytes: hello([host]) }]
      : []),
  ]);
}
