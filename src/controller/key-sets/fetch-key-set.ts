import { lookup as resolve, type LookupAddress } from 'node:dns';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { MeshError } from '../../base/index.js';
import type { MayDial } from './networks.js';

export interface KeySetPlace {
  readonly url: string;
  /** PEM. By default the well-known authorities. */
  readonly caBundle?: string | undefined;
}

export interface FetchLimits {
  readonly mayDial: MayDial;
  /** For all of it, from the name to the last byte, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Bytes of an answer. */
const MOST_BYTES = 256 * 1024;

/**
 * Asks for a key set, once: no redirects, no compression, no proxy of the environment, nothing but https whose certificate is
 * verified. The address that is dialled is the one that was looked at, so that a name cannot mean another one meanwhile. Throws why
 * there is none, in words for whoever wrote the URL; nothing of the answer is in them.
 */
export async function fetchKeySet({ url, caBundle }: KeySetPlace, limits: FetchLimits): Promise<string> {
  const { mayDial, timeoutMs, signal } = limits;
  const target = new URL(url);
  const host = target.hostname.replace(/^\[|\]$/g, '');
  if (target.protocol !== 'https:') throw failed('the URL is not one of https');
  // Names are looked at when they are resolved; addresses never are.
  if (isIP(host) !== 0 && !mayDial(host)) throw failed(refusal(host));
  const deadline = AbortSignal.timeout(timeoutMs);
  const either = AbortSignal.any([deadline, signal]);
  return await new Promise<string>((done, fail) => {
    const asked = request(target, {
      agent: false,
      headers: {
        accept: 'application/jwk-set+json, application/json, */*;q=0.1',
        'accept-encoding': 'identity',
        'user-agent': 'weft',
      },
      lookup: checkedLookup(mayDial),
      maxHeaderSize: 16 * 1024,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      signal: either,
      ...(caBundle === undefined ? {} : { ca: caBundle }),
    });
    const reject = (error: unknown): void => {
      asked.destroy();
      fail(
        deadline.aborted
          ? failed(`there was no whole answer within ${timeoutMs / 1000} s`)
          : asFailure(error),
      );
    };
    asked.once('error', reject);
    asked.once('response', (answer) => void readAnswer(answer).then(done, reject));
    asked.end();
  });
}

async function readAnswer(answer: IncomingMessage): Promise<string> {
  const { statusCode = 0, headers } = answer;
  if (statusCode >= 300 && statusCode < 400)
    throw failed(
      `the server redirects (${statusCode}), which is not followed; write the URL that it redirects to`,
    );
  if (statusCode !== 200) throw failed(`the server answered with status ${statusCode}`);
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw failed('the answer is compressed');
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MOST_BYTES) throw failed(`the answer is longer than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (!answer.complete) throw failed('the answer broke off');
  return Buffer.concat(chunks).toString('utf8');
}

/** Resolves a name to its addresses; where one of them may not be dialled, to none. */
function checkedLookup(mayDial: MayDial): LookupFunction {
  return (host, options, callback) => {
    resolve(host, { ...options, all: true }, (error, addresses) => {
      const problem = error ?? lookupProblem(addresses, mayDial);
      const [first = { address: '', family: 0 }] = error === null ? addresses : [];
      if (problem !== undefined) callback(problem, '', 0);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function lookupProblem(addresses: readonly LookupAddress[], mayDial: MayDial): MeshError | undefined {
  const refused = addresses.find(({ address }) => !mayDial(address));
  if (refused !== undefined) return failed(refusal(refused.address));
  return addresses.length === 0 ? failed('the name of the server has no address') : undefined;
}

function refusal(address: string): string {
  return `${address} is not a public address; list its network in the chart value jwt.privateNetworks if keys may be fetched there`;
}

function failed(message: string): MeshError {
  return new MeshError('unavailable', message);
}

/** What libraries say of connections and certificates, by its code where it has one. */
function asFailure(error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return failed(code ?? message);
}
