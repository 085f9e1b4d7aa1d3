import { judgeCall, type AccessConfig, type Call } from '../../../model/index.js';

const DEFAULTS = ['deny', 'wouldDeny', 'deny', 'allow', 'deny'] as const;
const IDENTITIES = [
  '-',
  'cluster.local shop web',
  'cluster.local shop web-2',
  'cluster.local ops web',
  'partner.example shop web',
] as const;
const ADDRESSES = [
  '-',
  '10.9.127.255',
  '10.9.128.0',
  '::ffff:10.9.0.1',
  'fd00:9:7fff::1',
  'fd00:9:8000::1',
] as const;
const PORTS = [8080, 8081, 7000] as const;
const METHODS = ['GET', 'HEAD', 'get', 'POST', 'post', 'DELETE', 'delete', 'Delete'] as const;
const HEADERS = [
  '',
  'x-group=staff',
  'x-group=STAFF',
  'x-group=staff&x-group=guest',
  'x-group=guest, staff',
  'x-tenant=acme-1&x-signed=',
  'x-tenant=ACME-1&x-signed=1',
  'x-tenant=other,acme-1&x-signed=1',
  'x-tenant=acme-1',
] as const;
const PATHS = [
  ...['/', '*', '//', '/api/items', '/api/items/', '/API/items', '/api/items/7', '/api', '/api/item'],
  ...[
    '/users/7',
    '/users/',
    '/users',
    '/users/7/',
    '/users/7/8',
    '/static',
    '/static/',
    '/static/a/b',
    '/staticx',
  ],
  ...['/caf%C3%A9', '/caf%c3%a9', '/CAF%C3%A9', '/cafe', '/admin', '/admin/', '/Admin/x', '/ADMIN/a/keys'],
  ...[
    '/admin/a/keys/',
    '/administrator',
    '/watch/',
    '/watch/x',
    '/watch',
    '/watch/%F0%9F%98%80',
    '/watch/a@b:c,d',
  ],
  ...[
    '/api//items',
    '/./api/items',
    '/api/../admin/x',
    '/..',
    '/api/.',
    '/api/...',
    '/%2e%2e/admin',
    '/%61dmin/x',
  ],
  ...[
    '/api%2fitems',
    '/api%5citems',
    '/api/%00',
    '/api/%0d%0a',
    '/api/%252e',
    '/api/%3bx',
    '/api/items;x',
    '/api/%zz',
  ],
  ...[
    '/api/%2',
    '/api/%',
    '/%c0%ae',
    '/%e0%80%af',
    '/%ed%a0%80',
    '/%c3',
    '/%ff',
    '/a\\b',
    '/a{b}',
    '/a"b',
    '/static/%20',
  ],
] as const;

/**
 * What the proxy and `judgeCall` have to say alike about calls to a pod with this access: a line for each, its fields parted by tabs.
 * The default, identity (trust domain, namespace, name), address, port, method, path, headers; then the verdict, the bindings that decided, and
 * what is rehearsed by which. `-` stands for what is not there.
 */
export function renderVerdicts(access: AccessConfig): string {
  const lines = calls().map((fields, index) => {
    const byDefault = DEFAULTS[index % DEFAULTS.length] ?? 'deny';
    return [byDefault, ...fields, ...answer({ ...access, default: byDefault }, toCall(fields))].join('\t');
  });
  return `${lines.join('\n')}\n`;
}

type Fields = readonly [string, string, string, string, string, string];

function calls(): readonly Fields[] {
  const every = IDENTITIES.flatMap((identity, i) =>
    PATHS.flatMap((path, p) =>
      METHODS.slice(0, 4).map((_, turn): Fields => {
        const method = METHODS[(p + turn * 3 + i) % METHODS.length] ?? 'GET';
        const header = HEADERS[(p + turn * 2 + i * 5) % HEADERS.length] ?? '';
        const address = ADDRESSES[(p + turn + i * 3) % ADDRESSES.length] ?? '-';
        const port = PORTS[turn === 3 ? (p + i) % PORTS.length : 0];
        return [identity, address, String(port), method, path, header];
      }),
    ),
  );
  const simple = ['cluster.local shop web', 'cluster.local ops web'].flatMap((identity) =>
    PATHS.map((path): Fields => [identity, '-', '8080', 'GET', path, '']),
  );
  const plain = IDENTITIES.flatMap((identity) =>
    ADDRESSES.flatMap((address) => [
      ...PORTS.map((port): Fields => [identity, address, String(port), '-', '-', '']),
      ...METHODS.map((method): Fields => [identity, address, '8080', method, '/watch/x', '']),
      ...HEADERS.map((header): Fields => [identity, address, '8080', 'POST', '/other', header]),
    ]),
  );
  return [...every, ...simple, ...plain];
}

function toCall([identity, address, port, method, path, headers]: Fields): Call {
  const [trustDomain = '', namespace = '', name = ''] = identity.split(' ');
  const lines = headers === '' ? [] : headers.split('&');
  return {
    caller: {
      ...(identity === '-' ? {} : { identity: { trustDomain, namespace, name } }),
      ...(address === '-' ? {} : { address }),
    },
    port: Number(port),
    ...(method === '-'
      ? {}
      : {
          request: {
            method,
            path,
            headers: lines.map((line) => [
              line.slice(0, line.indexOf('=')),
              line.slice(line.indexOf('=') + 1),
            ]),
          },
        }),
  };
}

function answer(access: AccessConfig, call: Call): readonly string[] {
  const { allowed, by, ambiguous, rehearsed } = judgeCall(access, call);
  const names = (deciding: readonly string[]): string =>
    deciding.length === 0 ? 'default' : [...deciding].sort().join(',');
  if (ambiguous !== undefined) return ['ambiguous', '-', '-'];
  return [allowed ? 'allowed' : 'denied', names(by), rehearsed === undefined ? '-' : names(rehearsed.by)];
}
