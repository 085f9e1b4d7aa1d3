// Attackers do not run our proxy: raw clients, over every wire that a receiver takes.
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ServerIdentity } from '../../src/grpc/index.js';

/** How something is sent: in plain text, or with a certificate over one of the protocols between proxies. */
export const WIRES = ['plain', 'plain-h2', 'weft1-h1', 'weft1-h2', 'weft1-tcp'] as const;
export type Wire = (typeof WIRES)[number];

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A request as it is written. */
export interface Form {
  readonly method?: string;
  readonly target: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Everything behind the line with the target as it stands, over HTTP/1.1 only. */
  readonly raw?: string;
  readonly version?: string;
}

/** Status and reason of the answer; 0 where there was none. */
export interface Answer {
  readonly status: number;
  readonly reason: string;
  /** Its headers by their names in lower case. */
  readonly lines: ReadonlyMap<string, string>;
}

const NONE: Answer = { status: 0, reason: '', lines: new Map() };
const PATIENCE_MS = 10_000;
/** Version, length and an empty message: what stands in front of bytes between proxies. */
const TUNNEL = Buffer.from([1, 0, 0]);

/** A connection over a wire, with nothing sent on it but what the wire begins with. */
export function dial(
  { host, port }: Address,
  wire: Wire,
  certificate: ServerIdentity | undefined,
  options: { readonly maxVersion?: 'TLSv1.2'; readonly alpn?: readonly string[] } = {},
): Socket {
  if (wire === 'plain' || wire === 'plain-h2') return connectTcp({ host, port });
  const socket = connectTls({
    host,
    port,
    ALPNProtocols: [...(options.alpn ?? [wire])],
    minVersion: 'TLSv1.2',
    ...(options.maxVersion === undefined ? {} : { maxVersion: options.maxVersion }),
    // Who the receiver is does not matter to an attacker.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.privateKey }),
  });
  if (wire === 'weft1-tcp') socket.once('secureConnect', () => socket.write(TUNNEL));
  return socket;
}

/** Sends one request on a connection of its own. Undefined: the client cannot even say it over this wire. */
export async function send(
  at: Address,
  wire: Wire,
  certificate: ServerIdentity | undefined,
  form: Form,
  patienceMs = PATIENCE_MS,
): Promise<Answer | undefined> {
  const socket = dial(at, wire, certificate);
  const timer = setTimeout(() => socket.destroy(), patienceMs);
  const sent = wire === 'weft1-h2' || wire === 'plain-h2' ? http2(socket, form) : http1(socket, wire, form);
  return sent.finally(() => clearTimeout(timer));
}

function answer(status: number, lines: Answer['lines']): Answer {
  return { status, reason: lines.get('x-weft-reason') ?? '', lines };
}

function http1(socket: Socket, wire: Wire, form: Form): Promise<Answer> {
  const { method = 'GET', target, headers = [], version = 'HTTP/1.1' } = form;
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const message = `${method} ${target} ${version}\r\n${form.raw ?? `host: server\r\n${lines}\r\n`}`;
  return new Promise((done) => {
    let text = '';
    const end = (): void => {
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0);
      const [head = ''] = text.split('\r\n\r\n');
      const lines = [...head.matchAll(/^([^:\r\n]+): ?(.*)\r?$/gm)];
      socket.destroy();
      done(answer(status, new Map(lines.map(([, name = '', value = '']) => [name.toLowerCase(), value]))));
    };
    socket.on(wire === 'plain' ? 'connect' : 'secureConnect', () => socket.write(message, 'latin1'));
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (text.includes('\r\n\r\n')) end();
    });
    socket.on('error', end);
    socket.on('close', end);
  });
}

function http2(socket: Socket, form: Form): Promise<Answer | undefined> {
  if (form.raw !== undefined || form.version !== undefined) {
    socket.destroy();
    return Promise.resolve(undefined);
  }
  return new Promise((done) => {
    const session = connectHttp2('http://server', { createConnection: () => socket });
    const end = (answer: Answer | undefined): void => {
      session.destroy();
      done(answer);
    };
    session.on('error', () => end(NONE));
    session.on('close', () => end(NONE));
    socket.on('error', () => end(NONE));
    socket.on('close', () => end(NONE));
    try {
      ask(session, form, end);
    } catch {
      end(undefined);
    }
  });
}

function ask(session: ClientHttp2Session, form: Form, end: (answer: Answer) => void): void {
  const { method = 'GET', target, headers = [] } = form;
  const lines: Record<string, string | string[]> = {};
  for (const [name, value] of headers) {
    const before = lines[name.toLowerCase()];
    lines[name.toLowerCase()] = before === undefined ? value : [before, value].flat();
  }
  const stream = session.request({
    ':method': method,
    ':path': target,
    ':authority': 'server',
    ...lines,
  });
  stream.on('response', (head) => {
    const said = Object.entries(head).map(([name, value]) => [name, String(value)] as const);
    end(answer(head[':status'] ?? 0, new Map(said)));
  });
  stream.on('error', () => end(NONE));
  stream.end();
}
